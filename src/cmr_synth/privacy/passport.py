"""Privacy passports: what an audit found about one image, tied to image, model and archive."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import cmr_synth
from cmr_synth.cohorts.slices import SliceRow
from cmr_synth.errors import InputError
from cmr_synth.evaluation.one_picture.placed_scan import PlacedScan
from cmr_synth.evaluation.sample import Sample
from cmr_synth.files import sha256
from cmr_synth.imaging.grid import WorkingGrid
from cmr_synth.imaging.masks import Mask
from cmr_synth.imaging.nifti import read_image
from cmr_synth.imaging.normalise import percentile
from cmr_synth.imaging.scan import Scan
from cmr_synth.privacy.calibration import STATISTICS
from cmr_synth.privacy.signature import verify
from cmr_synth.synthesis.record import labels_hash, sidecar_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from cmr_synth.generators.card import Card
    from cmr_synth.privacy.archive import Archive
    from cmr_synth.privacy.audit import NeighbourAudit
    from cmr_synth.privacy.certificate import Certificate

FORMAT = 1
LARGEST = 1 << 24
"""Bytes of a passport."""
NOT_KNOWN = "not known"
MIDDLE = 0.5
"""Position of slices whose own is not known."""


@dataclass(frozen=True, eq=False)
class Subject:
    """An image that a passport is for.

    Parameters
    ----------
    path : Path
    scan : Scan
    record : mapping
        Of its sidecar; empty where there is none.
    labels_sha256 : str or None
        Of its mask.
    places : tuple of (frame, slice)
    sample : Sample
        These slices on the working grid.
    notes : tuple of str
        What limits the comparison.
    """

    path: Path
    scan: Scan
    record: Mapping[str, Any]
    labels_sha256: str | None
    places: tuple[tuple[int, int], ...]
    sample: Sample
    notes: tuple[str, ...]


def read_subject(path: Path, mask: Mask | None) -> Subject:
    """Read an image, and bring its slices to the grid of archives.

    Parameters
    ----------
    path : Path
        NIfTI, with the sidecar beside it if it was made by `synthesize`.
    mask : Mask or None
        That it was made from; images without one are to be on the working grid.

    Raises
    ------
    InputError
        If a file is at fault, the mask is another one than the sidecar states, the image was
        changed after the sidecar was written, or its grid is another one.
    """
    path = Path(path)
    scan = read_image(path)
    record = _sidecar(path)
    notes: list[str] = []
    if record.get("sha256") not in (None, sha256(path)):
        raise InputError(
            f"{path}: is not the file that its sidecar tells of; make the image again, or move "
            "the sidecar away to have it judged as an image of unknown origin."
        )
    pixels = _scaled(scan, notes)
    labels_sha256 = None
    if mask is None:
        pictures, drawn, places, positions = _as_they_are(scan, pixels)
    else:
        labels_sha256 = labels_hash(mask.scan)
        stated = (record.get("mask") or {}).get("labels_sha256")
        if stated not in (None, labels_sha256):
            raise InputError(
                f"{path}: was made from another mask than {mask.scan.name}; give that one."
            )
        placed = PlacedScan.of(scan.with_array(pixels), mask.scan)
        places = placed.drawn()
        if not places:
            raise InputError(f"{path}: is empty wherever {mask.scan.name} has a heart.")
        if abs(min(placed.placed.placement.spacing) - placed.placed.placement.grid.spacing) > 1e-3:
            notes.append("resampled to 1.5 mm for the comparison")
        pictures = np.stack([placed.picture_on_grid(*place)[0] for place in places])
        drawn = np.stack([placed.labels_on_grid(*place) for place in places])
        positions = [placed.position(k) for _, k in places]
    given = record.get("slice_positions") or {}
    z = [given.get(str(k), own) for (_, k), own in zip(places, positions, strict=True)]
    if None in z:
        notes.append("the position between base and apex is not known: taken as the middle")
    rows = tuple(
        SliceRow(
            cohort="",
            patient=path.name,
            split="",
            vendor=record.get("vendor") or "",
            phase=record.get("phase") or "",
            pathology=record.get("pathology") or "",
            slice=k,
            z=MIDDLE if position is None else float(position),
            completed=False,
        )
        for (_, k), position in zip(places, z, strict=True)
    )
    pictures = np.clip(pictures, 0, 1).astype(np.float32)
    sample = Sample(path.name, pictures, drawn, rows, WorkingGrid().spacing)
    return Subject(path, scan, record, labels_sha256, tuple(places), sample, tuple(notes))


def passport(
    subject: Subject,
    audit: NeighbourAudit,
    archive: Archive,
    certificate: Certificate | None,
    *,
    card: Card | None,
    page: tuple[str, str],
) -> dict[str, Any]:
    """What is signed.

    Parameters
    ----------
    subject : Subject
    audit : NeighbourAudit
        Of its sample.
    archive : Archive
    certificate : Certificate or None
        Of the archive.
    card : Card or None
        Of the model, whose account of epsilon is stated; none if the model is not known here.
    page : (name, SHA-256)
        The HTML page that shows the same.
    """
    facts = audit.as_dict(archive)
    slices = []
    for (frame, number), one in zip(subject.places, facts["each"], strict=True):
        kept = {name: value for name, value in one.items() if name not in ("slice", "mask_of")}
        slices.append({"frame": frame, "slice": number, **kept})
    return {
        "passport": FORMAT,
        "cmr_synth": cmr_synth.__version__,
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "image": {
            "file": subject.path.name,
            "sha256": sha256(subject.path),
            "voxels_sha256": voxels_hash(subject.scan),
            "shape": list(subject.scan.shape),
        },
        "model": subject.record.get("model"),
        "epsilon": NOT_KNOWN if card is None else card.training.privacy,
        "mask": subject.record.get("mask")
        or (subject.labels_sha256 and {"labels_sha256": subject.labels_sha256}),
        "archive": {
            "sha256": archive.hash,
            "detector": archive.about["detector"],
            "patients": len(archive.starts),
            "slices": len(archive),
            "held_out_patients": archive.calibration.count if archive.calibration else 0,
        },
        "verdict": audit.verdict,
        "inconclusive_because": audit.inconclusive or None,
        "statistics": dict(STATISTICS),
        "slices": slices,
        "notes": list(subject.notes),
        "certificate": certificate.as_dict() if certificate else None,
        "page": {"file": page[0], "sha256": page[1]},
    }


@dataclass(frozen=True)
class Verified:
    """A passport that holds.

    Parameters
    ----------
    document : dict
    signer : str
        Fingerprint of the key.
    remarks : tuple of str
    """

    document: dict[str, Any]
    signer: str
    remarks: tuple[str, ...]


def verify_passport(
    path: Path, *, image: Path | None = None, public_key: Ed25519PublicKey | None = None
) -> Verified:
    """Check the signature, the image and the page beside a passport.

    Parameters
    ----------
    path : Path
        JSON.
    image : Path, optional
        By default the file of the name that the passport states, beside it.
    public_key : Ed25519PublicKey, optional
        Of whoever is to have signed it.

    Raises
    ------
    InputError
        If the passport cannot be read, was changed or is signed by somebody else, or the image or
        the page is another one.
    """
    path = Path(path)
    document = _read(path)
    try:
        signer = verify(document, public_key=public_key)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    try:
        about, page = document["image"], document["page"]
        name, page_name = Path(about["file"]).name, Path(page["file"]).name
        hashes = str(about["sha256"]), str(about["voxels_sha256"]), str(page["sha256"])
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: is no passport of an image ({error} is missing).") from error
    remarks = []
    image = path.parent / name if image is None else Path(image)
    if not image.is_file():
        raise InputError(f"{image}: no such file; say with --image where the image of {path} is.")
    if sha256(image) != hashes[0]:
        if voxels_hash(read_image(image)) != hashes[1]:
            raise InputError(
                f"{image}: is not the image that {path.name} was issued for: its pixels differ; "
                "have it audited again."
            )
        remarks.append(f"{image.name} was written anew; its pixels are the same")
    beside = path.parent / page_name
    if not beside.is_file():
        remarks.append(f"the page {page_name} is not beside the passport")
    elif sha256(beside) != hashes[2]:
        raise InputError(f"{beside}: was changed after it was signed; do not trust it.")
    if public_key is None:
        remarks.append("whose key it is was not checked; give --public-key")
    return Verified(document, signer, tuple(remarks))


def voxels_hash(scan: Scan) -> str:
    """SHA-256 of shape and values of a scan, whatever file they came in."""
    digest = hashlib.sha256(repr(tuple(scan.shape)).encode())
    digest.update(np.ascontiguousarray(scan.array, dtype="<f4").tobytes())
    return digest.hexdigest()


def _as_they_are(
    scan: Scan, pixels: NDArray[np.float32]
) -> tuple[NDArray, NDArray[np.uint8], list[tuple[int, int]], Sequence[float | None]]:
    from cmr_synth.evaluation.one_picture.agreement import GRID

    rows, columns = GRID.shape
    spacing = tuple(round(float(v), 3) for v in scan.spacing[1:])
    if scan.shape[-2:] != GRID.shape or any(abs(v - GRID.spacing) > 0.01 for v in spacing):
        raise InputError(
            f"{scan.name}: {scan.shape[-2]} x {scan.shape[-1]} pixels of {spacing[0]:g} x "
            f"{spacing[1]:g} mm, and without its mask an image is to have {rows} x {columns} of "
            f"{GRID.spacing:g} mm; give the mask that it was made from."
        )
    planes = pixels if pixels.ndim == 4 else pixels[None]
    places = [(int(t), int(k)) for t, k in np.argwhere((planes != 0).any(axis=(2, 3)))]
    if not places:
        raise InputError(f"{scan.name}: is empty.")
    pictures = np.stack([planes[place] for place in places])
    return pictures, np.full(pictures.shape, 255, np.uint8), places, [None] * len(places)


def _scaled(scan: Scan, notes: list[str]) -> NDArray[np.float32]:
    """Values from 0 to 1: as the model made them, or by percentiles like real pictures."""
    values = np.asarray(scan.array, np.float32)
    if np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1 + 1e-6:
        return values
    notes.append("grey values were scaled by percentiles for the comparison")
    return percentile(values)


def _sidecar(path: Path) -> dict[str, Any]:
    beside = sidecar_of(path)
    if not beside.is_file():
        return {}
    record = _read(beside)
    return record if record.get("synthetic") is True else {}


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"{path.stat().st_size} bytes")
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error}).") from error
    if not isinstance(found, dict):
        raise InputError(f"{path}: holds no JSON object.")
    return found
