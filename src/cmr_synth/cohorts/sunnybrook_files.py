"""Sunnybrook Cardiac Data as distributed: DICOM images, and contours as text files.

Below one folder, in any depth: images in folders called as patients, by either of their names
(`SCD0000101` or `SC-HF-I-1`), and contours in
`SC-HF-I-01/contours-manual/IRCCI-expert/IM-0001-0048-icontour-manual.txt`. The table
`scd_patientdata.csv` (PatientID, OriginalID) joins the names. Contours are called by the number of
the image that they were drawn on.

The outer contour was drawn at ED alone, so that tells the phase. Assumed without having seen all of
it: that the last number of an image's file name is the one of its contours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cmr_synth.anatomy.labels import LV, MYO, RV, UNLABELLED
from cmr_synth.cohorts.examination import Examination
from cmr_synth.cohorts.table import find_table
from cmr_synth.errors import InputError
from cmr_synth.files import walk
from cmr_synth.imaging.contours.masks import places_of
from cmr_synth.imaging.contours.outlines import ENDO, EPI, Outline, filled
from cmr_synth.imaging.contours.sunnybrook import NAME, read_sunnybrook
from cmr_synth.imaging.dicom import read_dicom
from cmr_synth.imaging.orientation import apply, apply_to_spacing, in_plane_orientation
from cmr_synth.imaging.positions import slice_position
from cmr_synth.imaging.scan import Scan

_ORIGINAL = re.compile(r"SC-(HF-I|HF-NI|HYP|N)-0*(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Drawn:
    """Where a patient's contours and images lie."""

    patient: str
    contours: Path
    images: Path | None


def patients_drawn(root: Path) -> list[Drawn]:
    """Patients with contours below a folder, each with the folder of its images.

    Raises
    ------
    InputError
        If the folder cannot be read.
    """
    files = walk(root).files
    contours = sorted({path.parent for path in files if NAME.fullmatch(path.name)})
    names = _names(root)
    images: dict[str, Path] = {}
    for path in files:
        if path.suffix.lower() == ".txt":
            continue
        for folder in path.parents[: len(path.relative_to(root).parts) - 1]:
            original = _original(names.get(folder.name.upper(), folder.name))
            if original:
                images.setdefault(original, folder)
    found: dict[str, Drawn] = {}
    for folder in contours:
        parts = [_original(part) for part in folder.relative_to(root).parts]
        patient = next((part for part in reversed(parts) if part), folder.name)
        found.setdefault(patient, Drawn(patient, folder, images.get(patient)))
    return [found[patient] for patient in sorted(found)]


def read_drawn(
    drawn: Drawn, *, cohort: str, vendor: str, pathology: str | None
) -> list[Examination]:
    """ED and ES of a patient; slices without contours are unlabelled.

    Raises
    ------
    InputError
        If there are no images, or none has a contour.
    """
    if drawn.images is None:
        raise InputError(f"{drawn.contours}: no folder of images is called {drawn.patient}.")
    outlines = read_sunnybrook(drawn.contours)
    best: tuple[int, Scan, dict] = (0, None, {})  # type: ignore[assignment]
    for scan in read_dicom(drawn.images):
        own = {p: outlines[p.number] for p in places_of(scan) if p.number in outlines}
        if len(own) > best[0]:
            best = (len(own), scan, own)
    count, scan, own = best
    if not count:
        raise InputError(
            f"{drawn.contours}: none of its contours is of an image in {drawn.images}."
        )
    by_phase: dict[str, dict[int, tuple[int, Mapping[str, Outline]]]] = {"ED": {}, "ES": {}}
    frames_at_ed = {place.frame for place, lines in own.items() if EPI in lines}
    for place, lines in own.items():
        phase = "ED" if place.frame in frames_at_ed else "ES"
        by_phase[phase][place.slice] = (place.frame, lines)
    return [
        _examination(scan, slices, drawn, phase, cohort, vendor, pathology)
        for phase, slices in by_phase.items()
        if slices
    ]


def _examination(
    scan: Scan,
    slices: Mapping[int, tuple[int, Mapping[str, Outline]]],
    drawn: Drawn,
    phase: str,
    cohort: str,
    vendor: str,
    pathology: str | None,
) -> Examination:
    pixels = scan.array.reshape(-1, *scan.shape[-3:])
    frames = [frame for frame, _ in slices.values()]
    usual = max(set(frames), key=frames.count)
    image = pixels[usual].astype(np.float32)
    labels = np.full(image.shape, UNLABELLED, dtype=np.uint8)
    may_hide = np.zeros((len(image), 4), dtype=bool)
    may_hide[:, [LV, MYO, RV]] = True
    for k, (frame, lines) in slices.items():
        image[k] = pixels[frame, k]
        labels[k] = filled(lines, (image.shape[1], image.shape[2]), rv_known=False)
        may_hide[k, LV] = ENDO not in lines
        may_hide[k, MYO] = EPI not in lines
    orientation = in_plane_orientation(scan.affine)
    labels = apply(orientation, labels)
    return Examination(
        cohort=cohort,
        patient=drawn.patient,
        image=apply(orientation, image),
        labels=labels,
        may_hide=may_hide,
        spacing=apply_to_spacing(orientation, scan.spacing),
        z=slice_position((labels == LV).sum(axis=(1, 2))),
        vendor=vendor,
        phase=phase,
        pathology=pathology,
        files=(drawn.images.name if drawn.images else "", drawn.contours.name),
        affine=scan.affine,
        orientation=orientation,
        notes=scan.notes,
    )


def _names(root: Path) -> dict[str, str]:
    """From the name of images to the original one, where the table is there."""
    try:
        rows = find_table(root, "OriginalID", what="the table of patients").rows
    except InputError:
        return {}
    return {row.get("PatientID", "").upper(): row["OriginalID"] for row in rows}


def _original(name: str) -> str | None:
    """A patient's name with two digits, as contours have it; None if it is none."""
    match = _ORIGINAL.fullmatch(name)
    return f"SC-{match[1].upper()}-{int(match[2]):02d}" if match else None
