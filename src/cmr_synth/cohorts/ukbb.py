"""UK Biobank as `ukbb_cardiac` converts it: short-axis ED and ES, all three structures.

A folder per participant with `sa_ED.nii.gz` and `label_sa_ED.nii.gz`, and the same at ES; the whole
cine `sa.nii.gz` and long-axis views beside them are not read. A participant without contours is
yielded unlabelled. Layout and label numbers are those of
https://github.com/baiwenjia/ukbb_cardiac; the data themselves were not seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cmr_synth.anatomy.labels import CONVENTIONS
from cmr_synth.cohorts.examination import PHASES, LeftOut, Unread
from cmr_synth.cohorts.nifti_files import nifti_at
from cmr_synth.cohorts.stacks import Drawing, Stack, left_out, read_stacks
from cmr_synth.errors import InputError

name = "ukbb"
title = "UK Biobank cardiac MRI, in the layout of ukbb_cardiac"
vendor = "siemens"  # MAGNETOM Aera, 1.5 T, in all assessment centres
licence = "UK Biobank material transfer agreement; not to be passed on"
citation = (
    "S. E. Petersen, P. M. Matthews, J. M. Francis, et al. UK Biobank's cardiovascular magnetic "
    "resonance protocol. Journal of Cardiovascular Magnetic Resonance 18, 8, 2016. "
    "doi:10.1186/s12968-016-0227-4"
)
asked_for = "https://www.ukbiobank.ac.uk"
same_person: dict[str, str] = {}
settled: dict[str, str] = {}
DRAWING = Drawing(source="UK Biobank", numbers=CONVENTIONS["ukbb"])


def examinations(root: Path) -> Iterator[Unread | LeftOut]:
    """Yield ED and ES of every participant.

    Raises
    ------
    InputError
        If no folder holds a stack.
    """
    root = Path(root)
    yield from read_stacks(_stacks(root), DRAWING, cohort=name, root=root)


def remarks(root: Path) -> list[str]:
    """Nothing is assumed."""
    return []


def _stacks(root: Path) -> Iterator[Stack | LeftOut]:
    folders = sorted(p for p in root.iterdir() if p.is_dir() and any(p.glob("sa_E[DS].nii*")))
    if not folders:
        raise InputError(f"{root}: no folder in it holds sa_ED.nii.gz or sa_ES.nii.gz.")
    for folder in folders:
        for phase in PHASES:
            try:
                image = nifti_at(folder, f"sa_{phase}")
            except InputError as error:
                yield left_out(error, [folder], root)
                continue
            try:
                mask = nifti_at(folder, f"label_sa_{phase}")
            except InputError:
                mask = None
            yield Stack(
                patient=folder.name,
                image=image,
                mask=mask,
                frames=((0, phase),),
                vendor=vendor,
            )
