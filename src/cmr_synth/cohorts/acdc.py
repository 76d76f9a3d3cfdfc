"""ACDC: 100 patients, Siemens 1.5 T and 3 T, ED and ES, all three structures labelled."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from cmr_synth.anatomy.labels import CONVENTIONS
from cmr_synth.cohorts.covariates import stated
from cmr_synth.cohorts.examination import PHASES, LeftOut, Unread
from cmr_synth.cohorts.nifti_files import nifti_at
from cmr_synth.cohorts.stacks import Drawing, Stack, left_out, read_stacks
from cmr_synth.errors import InputError
from cmr_synth.text_files import read_text

name = "acdc"
title = "Automated Cardiac Diagnosis Challenge, MICCAI 2017"
vendor = "siemens"
licence = "CC BY-NC-SA 4.0"
citation = (
    "O. Bernard, A. Lalande, C. Zotti, F. Cervenansky, et al. Deep Learning Techniques for "
    "Automatic MRI Cardiac Multi-structures Segmentation and Diagnosis: Is the Problem Solved? "
    "IEEE Transactions on Medical Imaging 37(11), 2514-2525, 2018. doi:10.1109/TMI.2018.2837502"
)
asked_for = "https://www.creatis.insa-lyon.fr/Challenge/acdc/"
# the pictures of patient076 are those of patient074 (correlation 1.00 at ES, 0.996 at ED)
same_person = {"patient076": "patient074"}
settled: dict[str, str] = {}
PATHOLOGY = {"NOR": "normal", "DCM": "dcm", "HCM": "hcm", "MINF": "minf", "RV": "arv"}
# ACDC's affines are diagonal: the true in-plane orientation is lost, but its arrays, read as
# (y, x), are in radiological display already.
DRAWING = Drawing(source="ACDC", numbers=CONVENTIONS["acdc"], in_plane="acdc")


def examinations(root: Path) -> Iterator[Unread | LeftOut]:
    """Yield ED and ES of every `patientNNN` folder below `root`, in order."""
    root = Path(root)
    patients = sorted(p for p in root.glob("patient*") if p.is_dir())
    if not patients:
        raise InputError(
            f"{root}: no folder named patientNNN; give ACDC's training or testing folder."
        )
    yield from read_stacks(
        (stack for folder in patients for stack in _stacks(folder, root)),
        DRAWING,
        cohort=name,
        root=root,
    )


def remarks(root: Path) -> list[str]:
    """Nothing is assumed."""
    return []


def _stacks(folder: Path, root: Path) -> Iterator[Stack | LeftOut]:
    """ED and ES of a patient, and whatever of it cannot be used."""
    try:
        info = _read_info(folder / "Info.cfg")
    except InputError as error:
        yield left_out(error, [folder / "Info.cfg"], root)
        return
    for phase in PHASES:
        try:
            stem = f"{folder.name}_frame{_frame(info, phase, folder):02d}"
            yield Stack(
                patient=folder.name,
                image=nifti_at(folder, stem),
                mask=nifti_at(folder, f"{stem}_gt"),
                frames=((0, phase),),
                vendor=vendor,
                pathology=PATHOLOGY.get(info.get("Group", "")),
                covariates=stated(info),
            )
        except InputError as error:
            yield left_out(error, [folder / "Info.cfg", folder], root)


def _read_info(path: Path) -> dict[str, str]:
    try:
        lines = read_text(path).splitlines()
    except InputError as error:
        raise InputError(f"{error} Every ACDC patient has one.") from error
    return {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in lines) if v}


def _frame(info: dict[str, str], phase: str, folder: Path) -> int:
    value = info.get(phase, "")
    if not re.fullmatch(r"\d{1,3}", value):
        raise InputError(f"{folder / 'Info.cfg'}: no frame number for {phase}; found {value!r}.")
    return int(value)
