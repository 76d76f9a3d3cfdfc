"""Privacy passports: what an audit found about one image, tied to image, model and archive."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import cmr_synth
from cmr_synth.errors import InputError
from cmr_synth.files import sha256
from cmr_synth.imaging.nifti import read_image
from cmr_synth.imaging.scan import Scan
from cmr_synth.privacy.calibration import STATISTICS
from cmr_synth.privacy.exact_json import read_object
from cmr_synth.privacy.origin import Origin
from cmr_synth.privacy.signature import verify
from cmr_synth.privacy.subject import Subject

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from cmr_synth.privacy.archive import Archive
    from cmr_synth.privacy.audit import NeighbourAudit
    from cmr_synth.privacy.certificate import Certificate

FORMAT = 2
"""Since 2 the hash of a picture covers where it lies, and its origin says how it is known."""


def passport(
    subject: Subject,
    audit: NeighbourAudit,
    archive: Archive,
    certificate: Certificate | None,
    *,
    origin: Origin,
    page: tuple[str, str],
    date: str | None = None,
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
    origin : Origin
    page : (name, SHA-256)
        The HTML page that shows the same.
    date : str, optional
        In ISO 8601; by default now.
    """
    date = date or datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    facts = audit.as_dict(archive)
    slices = []
    for (frame, number), one in zip(subject.places, facts["each"], strict=True):
        kept = {name: value for name, value in one.items() if name not in ("slice", "mask_of")}
        slices.append({"frame": frame, "slice": number, **kept})
    return {
        **about_picture(subject, origin, date),
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
        "notes": [*subject.notes, *archive.remarks],
        "certificate": certificate.as_dict() if certificate else None,
        "page": {"file": page[0], "sha256": page[1]},
    }


def about_picture(subject: Subject, origin: Origin, date: str) -> dict[str, Any]:
    """What a passport says before any audit: the picture, where it is from, and its mask."""
    return {
        "passport": FORMAT,
        "cmr_synth": cmr_synth.__version__,
        "date": date,
        "image": {
            "file": subject.path.name,
            "sha256": sha256(subject.path),
            "picture_sha256": picture_hash(subject.scan),
            "shape": list(subject.scan.shape),
        },
        "origin": origin.as_dict(),
        "mask": subject.labels_sha256 and {"labels_sha256": subject.labels_sha256},
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
    document = read_object(path)
    version = document.get("passport")
    if version != FORMAT:
        raise InputError(
            f"{path}: is no passport of format {FORMAT}, which this version checks (it states "
            f"{str(version)[:20]!r}); issue a new one with `cmr-synth audit passport`."
        )
    try:
        signer = verify(document, public_key=public_key)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    name, page_name, hashes = _named(path, document)
    remarks = []
    image = path.parent / name if image is None else Path(image)
    if not image.is_file():
        raise InputError(f"{image}: no such file; say with --image where the image of {path} is.")
    if sha256(image) != hashes[0]:
        if picture_hash(read_image(image)) != hashes[1]:
            raise InputError(
                f"{image}: is not the image that {path.name} was issued for: its pixels differ, "
                "or where they lie; have it audited again."
            )
        remarks.append(f"{image.name} was written anew; its pixels and geometry are the same")
    beside = path.parent / page_name
    if not beside.is_file():
        remarks.append(f"the page {page_name} is not beside the passport")
    elif sha256(beside) != hashes[2]:
        raise InputError(f"{beside}: was changed after it was signed; do not trust it.")
    if public_key is None:
        remarks.append("whose key it is was not checked; give --public-key")
    return Verified(document, signer, tuple(remarks))


def picture_hash(scan: Scan) -> str:
    """SHA-256 of values and geometry of a scan, whatever file they came in.

    Covered are shape, spacing, affine (to 0.1 micrometres, as far as files agree on it) and the
    time between frames: flipped, turned, moved or scaled, it is another picture.
    """
    geometry = (
        tuple(scan.shape),
        _rounded(scan.spacing),
        _rounded(scan.affine.ravel()),
        None if scan.frame_ms is None else _rounded([scan.frame_ms]),
    )
    digest = hashlib.sha256(repr(geometry).encode())
    digest.update(np.ascontiguousarray(scan.array, dtype="<f4").tobytes())
    return digest.hexdigest()


def _rounded(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(round(float(value), 4) + 0.0 for value in values)  # + 0.0: no -0.0


def _named(path: Path, document: Mapping[str, Any]) -> tuple[str, str, tuple[str, str, str]]:
    """Image and page of a passport, and the hashes of file, picture and page."""
    try:
        about, page = document["image"], document["page"]
        texts = [about["file"], page["file"]]
        texts += [about["sha256"], about["picture_sha256"], page["sha256"]]
        shown = [document["verdict"], document["date"], document["origin"]["words"]]
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{path}: is no passport of an image ({error} is missing); ask for a new one."
        ) from error
    if not all(isinstance(text, str) for text in texts + shown) or any(
        unicodedata.category(sign) == "Cc" for text in shown for sign in text
    ):
        raise InputError(
            f"{path}: is no passport of an image (a field is no line of text); ask for a new one."
        )
    return Path(texts[0]).name, Path(texts[1]).name, (texts[2], texts[3], texts[4])
