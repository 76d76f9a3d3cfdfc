"""An image that a passport is for: read, and brought to the grid of archives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import is_heart
from cmr_synth.cohorts.slices import SliceRow
from cmr_synth.errors import InputError
from cmr_synth.evaluation.one_picture.placed_scan import PlacedScan
from cmr_synth.evaluation.sample import Sample
from cmr_synth.files import sha256
from cmr_synth.imaging.grid import WorkingGrid
from cmr_synth.imaging.masks import Mask
from cmr_synth.imaging.nifti import read_image
from cmr_synth.imaging.normalise import around_heart, heart_window, percentile
from cmr_synth.imaging.scan import Scan
from cmr_synth.privacy.sidecar import read_sidecar
from cmr_synth.synthesis.record import labels_hash

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
    mask : Scan or None
        That was given with it, in engine labels.
    labels_sha256 : str or None
        Of this mask.
    places : tuple of (frame, slice)
    sample : Sample
        These slices on the working grid.
    notes : tuple of str
        What limits the comparison.
    """

    path: Path
    scan: Scan
    record: Mapping[str, Any]
    mask: Scan | None
    labels_sha256: str | None
    places: tuple[tuple[int, int], ...]
    sample: Sample
    notes: tuple[str, ...]


def read_subject(path: Path, mask: Mask | None, *, sidecar: Path | None = None) -> Subject:
    """Read an image, and bring its slices to the grid of archives.

    Parameters
    ----------
    path : Path
        NIfTI, with the sidecar beside it if it was made by `synthesize`.
    mask : Mask or None
        That it was made from; images without one are to be on the working grid.
    sidecar : Path, optional
        Its record, where that does not lie beside it.

    Raises
    ------
    InputError
        If a file is at fault, the mask is another one than the sidecar states, the image was
        changed after the sidecar was written, or its grid is another one.
    """
    path = Path(path)
    scan = read_image(path)
    record = read_sidecar(path, path=sidecar)
    notes: list[str] = []
    if record.get("sha256") not in (None, sha256(path)):
        raise InputError(
            f"{path}: is not the file that its sidecar tells of; make the image again, or move "
            "the sidecar away to have it judged as an image of unknown origin."
        )
    pixels = _scaled(scan, mask, notes)
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
    drawn_by = None if mask is None else mask.scan
    return Subject(path, scan, record, drawn_by, labels_sha256, tuple(places), sample, tuple(notes))


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


def _scaled(scan: Scan, mask: Mask | None, notes: list[str]) -> NDArray[np.float32]:
    """Values from 0 to 1: as the model made them, or like real pictures."""
    values = np.asarray(scan.array, np.float32)
    if np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1 + 1e-6:
        return values
    if mask is None or mask.scan.shape[-2:] != scan.shape[-2:]:  # refused later
        notes.append("grey values were scaled by percentiles for the comparison")
        return percentile(values)
    notes.append("grey values were scaled by those of the heart for the comparison")
    rows, columns = scan.spacing[1:]
    return around_heart(values, heart_window(is_heart(mask.scan.array), (rows, columns)))
