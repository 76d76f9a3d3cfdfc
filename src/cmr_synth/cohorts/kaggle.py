"""Data Science Bowl 2015 (Kaggle): 1,140 examinations in DICOM, cine, nothing drawn.

A folder per patient, `1/study/sax_5/IM-0001-0001.dcm`, below `train`, `validate` or `test`; give
one of these. The short-axis cine of each is found by its geometry, whatever the folders are called,
and yielded unlabelled at its first frame, the nearest to the R wave, as ED. Volumes at ED and ES
are published (`train.csv`), contours are not.

Series of a patient that do not line up with the others are not read; the notes say which.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cmr_synth.cohorts.examination import Examination, LeftOut, Unread
from cmr_synth.cohorts.stacks import each, examination_of, frames_of
from cmr_synth.errors import InputError
from cmr_synth.imaging.dicom import DicomOrigin, choose, list_stacks, read_stack

name = "kaggle"
title = "Second Annual Data Science Bowl, 2015"
vendor = None  # as each file states
licence = "competition rules of Kaggle; not to be passed on"
citation = (
    "Booz Allen Hamilton, Kaggle, National Heart, Lung and Blood Institute: Second Annual Data "
    "Science Bowl, 2015. https://www.kaggle.com/c/second-annual-data-science-bowl"
)
asked_for = "https://www.kaggle.com/c/second-annual-data-science-bowl/data"
same_person: dict[str, str] = {}
settled: dict[str, str] = {}


def examinations(root: Path) -> Iterator[Unread | LeftOut]:
    """Yield the first frame of the short-axis cine of every patient.

    Raises
    ------
    InputError
        If there is no folder of a patient.
    """
    root = Path(root)
    patients = sorted(
        (p for p in root.iterdir() if p.is_dir() and p.name.isdecimal()), key=lambda p: int(p.name)
    )
    if not patients:
        raise InputError(f"{root}: no folder in it has a patient's number; give `train`.")
    yield from each(patients, lambda p: [_first_frame(p)], lambda p: [p], root=root)


def remarks(root: Path) -> list[str]:
    """What is taken, and for what."""
    return ["the first frame of each cine is taken for ED; nothing is drawn in this cohort."]


def _first_frame(folder: Path) -> Examination:
    stack = choose(list_stacks(folder))
    if stack.plane != "short axis":
        raise InputError(f"{folder}: holds no short-axis cine, but one of plane: {stack.plane}.")
    scan = read_stack(stack)
    origin = scan.origin
    return examination_of(
        scan,
        frames_of(scan)[0].astype(np.float32, copy=False),
        None,
        cohort=name,
        patient=folder.name,
        files=(folder.name,),
        vendor=origin.vendor if isinstance(origin, DicomOrigin) else None,
        phase="ED",
    )
