"""Sunnybrook Cardiac Data: GE Signa 1.5 T, single labelled slices, LV at ED and ES, wall at ED.

Two archives are read: `sunnybrook_slices.npz` (35 patients; `endo` and `epi`, the outer contour
where `has_epi` says that it was drawn), or else `sunnybrook_train.npz` (24 of them, `lv` alone).
Without an archive, the data are read as distributed, see `sunnybrook_files`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import LV, MYO, RV, UNLABELLED
from cmr_synth.cohorts.archive import open_npz
from cmr_synth.cohorts.examination import Examination, LeftOut, Unread
from cmr_synth.cohorts.stacks import each
from cmr_synth.cohorts.sunnybrook_files import Drawn, patients_drawn, read_drawn
from cmr_synth.errors import InputError

name = "sunnybrook"
title = "Sunnybrook Cardiac Data, Cardiac MR Left Ventricle Segmentation Challenge 2009"
vendor = "ge"
licence = "CC0 1.0 (public domain)"
citation = (
    "P. Radau, Y. Lu, K. Connelly, G. Paul, A. J. Dick, G. A. Wright. Evaluation Framework for "
    "Algorithms Segmenting Short Axis Cardiac MRI. The MIDAS Journal, 2009. doi:10.54294/g80ruo"
)
PATHOLOGY = {"HF-I": "minf", "HF-NI": "hf", "HYP": "hcm", "N": "normal"}
ARCHIVES = ("sunnybrook_slices.npz", "sunnybrook_train.npz")
FRAMES_PER_SLICE = 20
# contours lie about 10 pixels beside the cavity on every slice (looked at, all slices)
LEFT_OUT = frozenset({"SC-N-06"})
asked_for = "https://www.cardiacatlas.org/sunnybrook-cardiac-data/"
same_person: dict[str, str] = {}
# sides of those in the smaller archive, on which earlier models were trained and tested
settled = {
    **dict.fromkeys(("SC-HF-I-05", "SC-HF-NI-03", "SC-HYP-06", "SC-HYP-08", "SC-N-03"), "test"),
    "SC-HF-NI-11": "validation",
    **dict.fromkeys(("SC-HF-I-01", "SC-HF-I-02", "SC-HF-I-04", "SC-HF-I-07"), "train"),
    **dict.fromkeys(("SC-HF-I-08", "SC-HF-I-40", "SC-HF-NI-07", "SC-HF-NI-31"), "train"),
    **dict.fromkeys(("SC-HF-NI-33", "SC-HF-NI-36", "SC-HYP-01", "SC-HYP-03"), "train"),
    **dict.fromkeys(("SC-HYP-37", "SC-HYP-38", "SC-HYP-40", "SC-N-05", "SC-N-07"), "train"),
}
SPACING_MM = (8.0, 1.37, 1.37)  # in-plane size is not recorded; 1.25 to 1.41 in this collection


def examinations(root: Path) -> Iterator[Examination | LeftOut | Unread]:
    """Yield the ED and the ES slices of every patient as two stacks.

    Slices are numbered through slice and frame, 20 frames a slice; the frames near the
    R wave (numbers 16..20 and 1..3 of each twenty) are ED, the others ES.

    Raises
    ------
    InputError
        If there is neither an archive nor a contour, or an archive's arrays do not fit together.
    """
    drawn = _drawn(Path(root))
    if drawn:
        yield from each(drawn, _read_drawn, lambda one: [one.contours], root=Path(root))
        return
    arrays = _read(Path(root))
    numbers = np.array([_image_number(str(n)) for n in arrays["name"]])
    level, frame = (numbers - 1) // FRAMES_PER_SLICE, (numbers - 1) % FRAMES_PER_SLICE
    diastole = (frame >= 15) | (frame <= 2)
    for patient in sorted(set(arrays["patient"].tolist()) - LEFT_OUT):
        of_patient = arrays["patient"] == patient
        levels = level[of_patient]
        for phase, in_phase in (("ED", diastole), ("ES", ~diastole)):
            rows = np.flatnonzero(of_patient & in_phase)
            if rows.size == 0:
                continue
            rows = rows[np.argsort(level[rows], kind="stable")]
            labels, may_hide = _labels(
                arrays["endo"][rows] > 0, arrays["epi"][rows] > 0, arrays["has_epi"][rows]
            )
            span = max(int(levels.max() - levels.min()), 1)
            yield Examination(
                cohort=name,
                patient=patient,
                image=arrays["image"][rows].astype(np.float32),
                labels=labels,
                may_hide=may_hide,
                spacing=SPACING_MM,
                z=((level[rows] - levels.min()) / span).astype(np.float32),
                vendor=vendor,
                phase=phase,
                pathology=_pathology(patient),
                files=tuple(str(n) for n in arrays["name"][rows]),
            )


def remarks(root: Path) -> list[str]:
    """What is not recorded, and who is left out."""
    drawn = _drawn(Path(root))
    if drawn:
        there = {one.patient for one in drawn} & LEFT_OUT
        return [f"{', '.join(sorted(there))}: contours may lie beside the heart."] if there else []
    there = set(_read(Path(root))["patient"].tolist()) & LEFT_OUT
    z, y, x = SPACING_MM
    said = [f"voxels are taken to be {z:g} x {y:g} x {x:g} mm; the archive does not record them."]
    if there:
        said.append(f"{', '.join(sorted(there))}: contours lie beside the heart; left out.")
    return said


def _drawn(root: Path) -> list[Drawn]:
    """Patients of the data as distributed; none where there is an archive."""
    if any((root / archive).is_file() for archive in ARCHIVES):
        return []
    return patients_drawn(root)


def _read_drawn(one: Drawn) -> list[Examination]:
    pathology = _pathology(one.patient)
    return read_drawn(one, cohort=name, vendor=vendor, pathology=pathology)


def _read(root: Path) -> dict[str, NDArray]:
    """The arrays of whichever archive is there, by the names of the larger one."""
    archive = next((root / n for n in ARCHIVES if (root / n).is_file()), root / ARCHIVES[0])
    arrays = open_npz(archive)
    if archive.name == ARCHIVES[1]:
        _require(archive, arrays, "lv")
        arrays["endo"] = arrays["epi"] = arrays["lv"]
        arrays["has_epi"] = np.zeros(len(arrays["lv"]), dtype=bool)
    _require(archive, arrays, "image", "endo", "epi", "has_epi", "name", "patient")
    image, count = arrays["image"], len(arrays["image"])
    if image.ndim != 3 or image.dtype.kind not in "biuf":
        raise InputError(f"{archive}: 'image' is no stack of slices in numbers.")
    for key, shape in (
        ("endo", image.shape),
        ("epi", image.shape),
        ("has_epi", (count,)),
        ("name", (count,)),
        ("patient", (count,)),
    ):
        if arrays[key].shape != shape:
            raise InputError(
                f"{archive}: {key!r} is of shape {arrays[key].shape} and not {shape}; download it "
                "again."
            )
    arrays["has_epi"] = arrays["has_epi"].astype(bool)
    return arrays


def _require(archive: Path, arrays: dict[str, NDArray], *names: str) -> None:
    for name in names:
        if name not in arrays:
            raise InputError(f"{archive}: no array {name!r}.")
        if arrays[name].ndim == 0:
            raise InputError(f"{archive}: {name!r} is a single value; download it again.")


def _labels(
    endo: NDArray[np.bool_], epi: NDArray[np.bool_], has_epi: NDArray[np.bool_]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Engine labels of some slices, and what their unlabelled pixels may be: never the LV drawn."""
    labels = np.full(endo.shape, UNLABELLED, dtype=np.uint8)
    labels[epi & has_epi[:, None, None]] = MYO
    labels[endo] = LV
    may_hide = np.zeros((len(endo), 4), dtype=bool)
    may_hide[:, RV] = True
    may_hide[:, MYO] = ~has_epi
    may_hide[:, LV] = ~endo.any(axis=(1, 2))
    return labels, may_hide


def _image_number(image_name: str) -> int:
    match = re.search(r"-(\d{4})$", image_name)
    if match is None:
        raise InputError(f"Sunnybrook: slice name {image_name!r} does not end in a number.")
    return int(match[1])


def _pathology(patient: str) -> str | None:
    match = re.fullmatch(r"SC-(HF-I|HF-NI|HYP|N)-\d+", patient)
    return PATHOLOGY[match[1]] if match else None
