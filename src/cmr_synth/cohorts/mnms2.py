"""M&Ms-2: 360 patients, three vendors, cine, ED and ES of the short and of one long axis.

A folder per patient, `001/001_SA_ED.nii.gz` with `001_SA_ED_gt.nii.gz` and the same at ES, below
the folder given, and `dataset_information.csv` with vendor and disease. The table has lost the
zeros of the numbers. Long-axis views (`_LA_`) and whole cines (`_CINE`) are not read.

Some of the files have affines with two axes reversed, which `imaging.heart_side` resolves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from cmr_synth.anatomy.labels import CONVENTIONS
from cmr_synth.cohorts.examination import PHASES, LeftOut, Unread
from cmr_synth.cohorts.nifti_files import nifti_at
from cmr_synth.cohorts.stacks import Drawing, Stack, left_out, read_stacks
from cmr_synth.cohorts.table import find_table
from cmr_synth.errors import InputError
from cmr_synth.imaging.dicom_header import vendor_of

name = "mnms2"
title = "M&Ms-2, multi-disease, multi-view and multi-centre right ventricular segmentation, 2021"
vendor = None
licence = "CC BY-NC-SA 4.0"
citation = (
    "C. Martin-Isla, V. M. Campello, C. Izquierdo, et al. Deep Learning Segmentation of the Right "
    "Ventricle in Cardiac MRI: The M&Ms Challenge. IEEE Journal of Biomedical and Health "
    "Informatics 27(7), 3302-3313, 2023. doi:10.1109/JBHI.2023.3267857"
)
asked_for = "https://www.ub.edu/mnms-2/"
same_person: dict[str, str] = {}
settled: dict[str, str] = {}
DRAWING = Drawing(source="M&Ms-2", numbers=CONVENTIONS["mnms"])
CODE = "SUBJECT_CODE"
PATHOLOGY = {
    "NOR": "normal",
    "LV": "dcm",
    "HCM": "hcm",
    "ARR": "arr",
    "FALL": "tof",
    "CIA": "asd",
    "TRI": "tr",
    "RV": "arv",
}


def examinations(root: Path) -> Iterator[Unread | LeftOut]:
    """Yield ED and ES of every patient's short axis.

    Raises
    ------
    InputError
        If there is no table, or no folder of a patient.
    """
    root = Path(root)
    yield from read_stacks(_stacks(root), DRAWING, cohort=name, root=root)


def remarks(root: Path) -> list[str]:
    """Views that are not read."""
    long_axis = sum(1 for folder in _folders(Path(root)) for _ in folder.glob("*_LA_E[DS].nii*"))
    return [f"{long_axis} long-axis views are not read."] if long_axis else []


def _stacks(root: Path) -> Iterator[Stack | LeftOut]:
    table = find_table(root, CODE, what="M&Ms-2's table of patients")
    rows = {row[CODE].removesuffix(".0").lstrip("0"): row for row in table.rows}
    folders = _folders(root)
    if not folders:
        raise InputError(f"{root}: no patient's folder such as 001 lies below; give M&Ms-2's own.")
    for folder in folders:
        row = rows.get(folder.name.lstrip("0"))
        if row is None:
            yield LeftOut(folder.relative_to(root).as_posix(), "has no row in the table.")
            continue
        for phase in PHASES:
            stem = f"{folder.name}_SA_{phase}"
            try:
                yield Stack(
                    patient=folder.name,
                    image=nifti_at(folder, stem),
                    mask=nifti_at(folder, f"{stem}_gt"),
                    frames=((0, phase),),
                    vendor=vendor_of(row.get("VENDOR", "")),
                    pathology=PATHOLOGY.get(row.get("DISEASE", "").upper()),
                )
            except InputError as error:
                yield left_out(error, [folder], root)


def _folders(root: Path) -> list[Path]:
    below = [p for p in (root, root / "dataset") if p.is_dir()]
    return sorted(p for b in below for p in b.iterdir() if re.fullmatch(r"\d{3}", p.name))
