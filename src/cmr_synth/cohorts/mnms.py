"""M&Ms: 345 patients of six centres and four vendors, cine, ED and ES, all three structures.

A folder per patient, `A0S9V9/A0S9V9_sa.nii.gz` (every frame) with `A0S9V9_sa_gt.nii.gz`, anywhere
below the folder given (Training/Labeled, Training/Unlabeled, Validation, Testing), and the table of
the data set, which names vendor, centre, pathology and the frames of ED and ES, counted from 0.

Assumed without having seen the data: that frames without contours have empty masks in a file of as
many frames, and that patients without a mask file (Unlabeled) are unlabelled.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cmr_synth.anatomy.labels import CONVENTIONS
from cmr_synth.cohorts.covariates import stated
from cmr_synth.cohorts.examination import PHASES, LeftOut, Unread
from cmr_synth.cohorts.nifti_files import nifti_below, stem_of
from cmr_synth.cohorts.stacks import Drawing, Stack, read_stacks
from cmr_synth.cohorts.table import find_table
from cmr_synth.errors import InputError
from cmr_synth.imaging.dicom_header import vendor_of
from cmr_synth.text_files import Table, number

name = "mnms"
title = "M&Ms, multi-centre, multi-vendor and multi-disease cardiac segmentation challenge, 2020"
vendor = None
licence = "CC BY-NC-SA 4.0"
citation = (
    "V. M. Campello, P. Gkontra, C. Izquierdo, et al. Multi-Centre, Multi-Vendor and "
    "Multi-Disease Cardiac Segmentation: The M&Ms Challenge. IEEE Transactions on Medical Imaging "
    "40(12), 3543-3554, 2021. doi:10.1109/TMI.2021.3090082"
)
asked_for = "https://www.ub.edu/mnms/"
same_person: dict[str, str] = {}
settled: dict[str, str] = {}
DRAWING = Drawing(source="M&Ms", numbers=CONVENTIONS["mnms"])
CODE = "External code"
PATHOLOGY = {
    "NOR": "normal",
    "DCM": "dcm",
    "HCM": "hcm",
    "HHD": "hhd",
    "ARV": "arv",
    "AHS": "ahs",
    "IHD": "ihd",
    "LVNC": "lvnc",
}


def examinations(root: Path) -> Iterator[Unread | LeftOut]:
    """Yield ED and ES of every patient of the table.

    Raises
    ------
    InputError
        If there is no table, or no file of a patient.
    """
    root = Path(root)
    yield from read_stacks(_stacks(root), DRAWING, cohort=name, root=root)


def remarks(root: Path) -> list[str]:
    """How many patients of the table are not there."""
    rows = _rows(Path(root))
    there = {path.parent.name for path in _images(Path(root))}
    missing = sorted(rows.keys() - there)
    return [f"{len(missing)} of {len(rows)} patients of the table are not here."] if missing else []


def _stacks(root: Path) -> Iterator[Stack | LeftOut]:
    rows = _rows(root)
    files = {(path.parent, stem_of(path.name)): path for path in nifti_below(root)}
    images = _images(root)
    if not images:
        raise InputError(f"{root}: no patient's CODE_sa.nii.gz lies below; give M&Ms' folder.")
    for path in images:
        patient = path.parent.name
        what = path.relative_to(root).as_posix()
        if patient not in rows:
            yield LeftOut(what, "its patient has no row in the table.")
            continue
        try:
            frames = tuple((int(number(rows[patient][phase])), phase) for phase in PHASES)
        except (KeyError, ValueError, OverflowError):
            yield LeftOut(what, "the table states no frames of ED and ES.")
            continue
        yield Stack(
            patient=patient,
            image=path,
            mask=files.get((path.parent, f"{stem_of(path.name)}_gt")),
            frames=frames,
            vendor=vendor_of(rows[patient].get("VendorName", "")),
            pathology=PATHOLOGY.get(rows[patient].get("Pathology", "").upper()),
            covariates=stated(rows[patient]),
        )


def _images(root: Path) -> list[Path]:
    return [path for path in nifti_below(root) if stem_of(path.name) == f"{path.parent.name}_sa"]


def _rows(root: Path) -> dict[str, dict[str, str]]:
    table: Table = find_table(root, CODE, what="M&Ms' table of patients")
    return {row[CODE]: row for row in table.rows}
