"""ACDC: 100 patients, Siemens 1.5 T and 3 T, ED and ES, all three structures labelled."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cmr_synth.anatomy.labels import convert, is_heart
from cmr_synth.cohorts.examination import Examination, fully_labelled
from cmr_synth.errors import InputError
from cmr_synth.imaging.nifti import read_image, read_labels
from cmr_synth.imaging.orientation import apply, in_plane_orientation
from cmr_synth.imaging.positions import slice_position

name = "acdc"
title = "Automated Cardiac Diagnosis Challenge, MICCAI 2017"
vendor = "siemens"
licence = "CC BY-NC-SA 4.0"
citation = (
    "O. Bernard, A. Lalande, C. Zotti, F. Cervenansky, et al. Deep Learning Techniques for "
    "Automatic MRI Cardiac Multi-structures Segmentation and Diagnosis: Is the Problem Solved? "
    "IEEE Transactions on Medical Imaging 37(11), 2514-2525, 2018. doi:10.1109/TMI.2018.2837502"
)
# the pictures of patient076 are those of patient074 (correlation 1.00 at ES, 0.996 at ED)
same_person = {"patient076": "patient074"}
settled: dict[str, str] = {}
PATHOLOGY = {"NOR": "normal", "DCM": "dcm", "HCM": "hcm", "MINF": "minf", "RV": "arv"}


def examinations(root: Path) -> Iterator[Examination]:
    """Yield ED and ES of every `patientNNN` folder below `root`, in order."""
    patients = sorted(p for p in Path(root).glob("patient*") if p.is_dir())
    if not patients:
        raise InputError(
            f"{root}: no folder named patientNNN; give ACDC's training or testing folder."
        )
    for folder in patients:
        info = _read_info(folder / "Info.cfg")
        for phase in ("ED", "ES"):
            stem = f"{folder.name}_frame{_frame(info, phase, folder):02d}"
            image = read_image(folder / f"{stem}.nii.gz")
            mask = read_labels(folder / f"{stem}_gt.nii.gz")
            if image.array.shape != mask.array.shape:
                raise InputError(
                    f"{folder / stem}: image is {image.array.shape}, mask is {mask.array.shape} "
                    "voxels; both must come from the same download."
                )
            # ACDC's affines are diagonal: the true in-plane orientation is lost, but its
            # arrays, read as (y, x), are in radiological display already.
            orientation = in_plane_orientation(image.affine, convention="acdc")
            labels = apply(orientation, convert(mask.array, "acdc", name=f"{stem}_gt.nii.gz"))
            spacing = image.spacing
            if orientation.transpose:
                spacing = (spacing[0], spacing[2], spacing[1])
            yield Examination(
                cohort=name,
                patient=folder.name,
                image=apply(orientation, image.array.astype(np.float32)),
                labels=labels,
                may_hide=fully_labelled(labels),
                spacing=spacing,
                z=slice_position(is_heart(labels).sum(axis=(1, 2))),
                vendor=vendor,
                phase=phase,
                pathology=PATHOLOGY.get(info.get("Group", "")),
                files=(f"{stem}.nii.gz", f"{stem}_gt.nii.gz"),
            )


def remarks(root: Path) -> list[str]:
    """Nothing is assumed or left out."""
    return []


def _read_info(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise InputError(
            f"{path}: cannot be read ({reason}); every ACDC patient has one."
        ) from error
    return {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in lines) if v}


def _frame(info: dict[str, str], phase: str, folder: Path) -> int:
    value = info.get(phase, "")
    if not re.fullmatch(r"\d{1,3}", value):
        raise InputError(f"{folder / 'Info.cfg'}: no frame number for {phase}; found {value!r}.")
    return int(value)
