"""MS-CMRSeg: 45 patients with cardiomyopathy in three contrasts, all three structures.

`patient1_C0.nii.gz` (balanced cine), `patient1_T2.nii.gz`, `patient1_LGE.nii.gz` with masks
`patient1_C0_manual.nii.gz` and so on, in any folders below the one given. A picture without a mask
is yielded unlabelled.

Assumed without having seen the data: label numbers as published (200 wall, 500 LV, 600 RV), and
that C0 is the frame at end-diastole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from cmr_synth.anatomy.labels import BACKGROUND, LV, MYO, RV
from cmr_synth.cohorts.examination import LeftOut, Unread
from cmr_synth.cohorts.nifti_files import nifti_below, relative, stem_of
from cmr_synth.cohorts.stacks import Drawing, Stack, read_stacks
from cmr_synth.errors import InputError

name = "mscmrseg"
title = "MS-CMRSeg, multi-sequence cardiac MR segmentation challenge, 2019"
vendor = None
licence = "for research, by agreement with the organisers; not to be passed on"
citation = (
    "X. Zhuang, J. Xu, X. Luo, et al. Cardiac segmentation on late gadolinium enhancement MRI: A "
    "benchmark study from multi-sequence cardiac MR segmentation challenge. Medical Image Analysis "
    "81, 102528, 2022. doi:10.1016/j.media.2022.102528"
)
asked_for = "https://zmiclab.github.io/mscmrseg19/"
same_person: dict[str, str] = {}
settled: dict[str, str] = {}
NUMBERS = {0: BACKGROUND, 200: MYO, 500: LV, 600: RV}
DRAWING = Drawing(source="MS-CMRSeg", numbers=NUMBERS)
CONTRAST = {"C0": "cine", "T2": "t2", "LGE": "lge"}
PHASE = {"C0": "ED"}

_IMAGE = re.compile(r"(patient\d+)_(C0|T2|LGE)", re.IGNORECASE)


def examinations(root: Path) -> Iterator[Unread | LeftOut]:
    """Yield every picture of every patient.

    Raises
    ------
    InputError
        If there is none.
    """
    root = Path(root)
    yield from read_stacks(_stacks(root), DRAWING, cohort=name, root=root)


def remarks(root: Path) -> list[str]:
    """What the file names do not say."""
    return ["C0 is taken for the frame at end-diastole."]


def _stacks(root: Path) -> Iterator[Stack | LeftOut]:
    by_stem = {stem_of(path.name).lower(): path for path in nifti_below(root)}
    images = {path: _IMAGE.fullmatch(stem_of(path.name)) for path in by_stem.values()}
    if not any(images.values()):
        raise InputError(
            f"{root}: no patientN_C0, _T2 or _LGE lies below; give MS-CMRSeg's folder."
        )
    masks = {
        path: by_stem.get(f"{stem_of(path.name)}_manual".lower())
        for path, match in images.items()
        if match
    }
    for path, match in images.items():
        if match is not None:
            weighting = match[2].upper()
            yield Stack(
                patient=match[1],
                image=path,
                mask=masks[path],
                frames=((0, PHASE.get(weighting)),),
                pathology="cm",
                contrast=CONTRAST[weighting],
            )
        elif path not in masks.values():
            yield LeftOut(relative(path, root), "is no picture of MS-CMRSeg nor a mask of one.")
