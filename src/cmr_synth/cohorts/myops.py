"""MyoPS 2020: 45 patients with infarct in three registered contrasts; infarct drawn in 25.

`myops_training_101_C0.nii.gz` (balanced cine), `_DE` (late enhancement), `_T2`, and one mask for
the three, `myops_training_101_gd.nii.gz`, in any folders below the one given. Those of the test set
have no mask and are yielded unlabelled.

Label numbers as published: 200 wall, 500 LV, 600 RV, 1220 oedema, 2221 scar. Scar is infarct in
late enhancement and wall in the other contrasts; oedema is wall. Assumed without having seen the
data: that C0 is the frame at end-diastole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from cmr_synth.anatomy.labels import BACKGROUND, INFARCT, LV, MYO, RV
from cmr_synth.cohorts.examination import LeftOut, Unread
from cmr_synth.cohorts.nifti_files import nifti_below, relative, stem_of
from cmr_synth.cohorts.stacks import Drawing, Stack, read_stacks
from cmr_synth.errors import InputError

name = "myops"
title = "MyoPS, myocardial pathology segmentation combining multi-sequence CMR, 2020"
vendor = None
licence = "for research, by agreement with the organisers; not to be passed on"
citation = (
    "L. Li, F. Wu, S. Wang, et al. MyoPS: A benchmark of myocardial pathology segmentation "
    "combining three-sequence cardiac magnetic resonance images. Medical Image Analysis 87, "
    "102808, 2023. doi:10.1016/j.media.2023.102808"
)
asked_for = "https://zmiclab.github.io/zxh/0/myops20/"
same_person: dict[str, str] = {}
settled: dict[str, str] = {}
CONTRAST = {"C0": "cine", "DE": "lge", "T2": "t2"}
PHASE = {"C0": "ED"}
WALL = {0: BACKGROUND, 200: MYO, 500: LV, 600: RV, 1220: MYO, 2221: MYO}
NUMBERS = {"C0": WALL, "T2": WALL, "DE": {**WALL, 2221: INFARCT}}

_IMAGE = re.compile(r"(myops_(?:training|test)_(\d+))_(C0|DE|T2)", re.IGNORECASE)


def examinations(root: Path) -> Iterator[Unread | LeftOut]:
    """Yield every picture of every patient, contrast by contrast.

    Raises
    ------
    InputError
        If there is none.
    """
    root = Path(root)
    by_stem = {stem_of(path.name).lower(): path for path in nifti_below(root)}
    images = {
        path: match for path in by_stem.values() if (match := _IMAGE.fullmatch(stem_of(path.name)))
    }
    if not images:
        raise InputError(f"{root}: no myops_training_N_C0, _DE or _T2 lies below; give MyoPS' own.")
    masks = {path: by_stem.get(f"{match[1]}_gd".lower()) for path, match in images.items()}
    for weighting, contrast in CONTRAST.items():
        stacks = (
            Stack(
                patient=match[2],
                image=path,
                mask=masks[path],
                frames=((0, PHASE.get(weighting)),),
                pathology="minf",
                contrast=contrast,
            )
            for path, match in images.items()
            if match[3].upper() == weighting
        )
        drawing = Drawing(source="MyoPS", numbers=NUMBERS[weighting])
        yield from read_stacks(stacks, drawing, cohort=name, root=root)
    for path in by_stem.values():
        if path not in images and path not in masks.values():
            yield LeftOut(relative(path, root), "is no picture of MyoPS nor a mask of one.")


def remarks(root: Path) -> list[str]:
    """What labels are taken for."""
    return [
        "oedema counts as wall, and so does scar but in late enhancement.",
        "C0 is taken for the frame at end-diastole.",
    ]
