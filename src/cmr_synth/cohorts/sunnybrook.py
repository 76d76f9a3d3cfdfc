"""Sunnybrook Cardiac Data: GE Signa 1.5 T, single labelled slices, LV blood pool only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cmr_synth.anatomy.labels import LV, MYO, RV, UNLABELLED
from cmr_synth.cohorts.archive import open_npz
from cmr_synth.cohorts.examination import Examination
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
FRAMES_PER_SLICE = 20
# contours lie about 10 pixels beside the cavity on every slice (looked at, all slices)
LEFT_OUT = frozenset({"SC-N-06"})
SPACING_MM = (8.0, 1.37, 1.37)  # in-plane size is not recorded; 1.25 to 1.41 in this collection


def examinations(root: Path) -> Iterator[Examination]:
    """Yield the ED and the ES slices of every patient as two stacks.

    Slices are numbered through slice and frame, 20 frames a slice; the frames near the
    R wave (numbers 16..20 and 1..3 of each twenty) are ED, the others ES.
    """
    root = Path(root)
    arrays = open_npz(root / "sunnybrook_train.npz")
    missing = {"image", "lv", "name", "patient"} - set(arrays)
    if missing:
        raise InputError(f"{root / 'sunnybrook_train.npz'}: no array {sorted(missing)[0]!r}.")
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
            mask = arrays["lv"][rows] > 0
            labels = np.full(mask.shape, UNLABELLED, dtype=np.uint8)
            labels[mask] = LV
            may_hide = np.zeros((len(rows), 4), dtype=bool)
            may_hide[:, [MYO, RV]] = True
            may_hide[:, LV] = ~mask.any(axis=(1, 2))
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


def _image_number(image_name: str) -> int:
    match = re.search(r"-(\d{4})$", image_name)
    if match is None:
        raise InputError(
            f"sunnybrook_train.npz: slice name {image_name!r} does not end in a number."
        )
    return int(match[1])


def _pathology(patient: str) -> str | None:
    match = re.fullmatch(r"SC-(HF-I|HF-NI|HYP|N)-\d+", patient)
    return PATHOLOGY[match[1]] if match else None
