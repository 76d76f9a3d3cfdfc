"""CHLA CHD: children with congenital heart disease, Philips, LV and RV labelled, wall not."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cmr_synth.anatomy.labels import LV, MYO, RV, UNLABELLED
from cmr_synth.cohorts.archive import open_npz
from cmr_synth.cohorts.examination import Examination
from cmr_synth.errors import InputError
from cmr_synth.imaging.positions import slice_position

name = "chla"
title = "CHLA congenital heart disease cine MRI"
vendor = "philips"
licence = "may be used if cited"
citation = (
    "S. Karimi-Bidhendi, A. Arafati, A. L. Cheng, et al. Fully-automated deep-learning "
    "segmentation of pediatric cardiovascular magnetic resonance of patients with complex "
    "congenital heart diseases. Journal of Cardiovascular Magnetic Resonance 22, 80, 2020. "
    "doi:10.1186/s12968-020-00678-0"
)
asked_for = "https://github.com/saeedkarimi/Cardiac_MRI_Segmentation"
# both double outlet right ventricle, pictures alike (correlation 0.87): perhaps one child twice
same_person = {"Sbj57": "Sbj34"}
settled: dict[str, str] = {}
PATHOLOGY = {
    "Tetralogy of Fallot": "tof",
    "Transposition of the Great Arteries": "tga",
    "Double Outlet Right Ventricle": "dorv",
    "Coronary Artery Anomaly": "caa",
    "Cardiomyopathy": "cm",
}


class Subject(NamedTuple):
    """A row of metadata.csv."""

    spacing: tuple[float, float, float]
    disease: str


def examinations(root: Path) -> Iterator[Examination]:
    """Yield ED and ES of every subject; the myocardium is unlabelled (255), not absent."""
    root = Path(root)
    archive = root / "chla_chd_training.npz"
    arrays = open_npz(archive)
    subjects = _read_metadata(root / "metadata.csv")
    keys = sorted(k for k in arrays if k.endswith("_image"))
    for key in keys:
        match = re.fullmatch(r"(Sbj(\d+))_(ED|ES)_image", key)
        if match is None:
            raise InputError(
                f"{root}: array {key!r} is not named SbjNN_ED_image or SbjNN_ES_image."
            )
        subject, number, phase = match[1], int(match[2]), match[3]
        if number not in subjects:
            raise InputError(f"{root / 'metadata.csv'}: no row for subject {number} ({key}).")
        if f"{subject}_{phase}_mask" not in arrays:
            raise InputError(f"{archive}: no array '{subject}_{phase}_mask' to go with {key!r}.")
        image, mask = arrays[key], arrays[f"{subject}_{phase}_mask"]
        if image.ndim != 3 or image.dtype.kind not in "biuf":
            raise InputError(f"{archive}: {key!r} is no stack of slices in numbers.")
        unexpected = sorted(set(np.unique(mask).tolist()) - {0, 1, 3})
        if unexpected or mask.shape != image.shape:
            raise InputError(
                f"{root}: {subject}_{phase}_mask has labels {unexpected} or shape {mask.shape}; "
                f"CHLA has 0, 1 (RV), 3 (LV) on {image.shape}."
            )
        labels = np.full(mask.shape, UNLABELLED, dtype=np.uint8)
        labels[mask == 1] = RV
        labels[mask == 3] = LV
        may_hide = np.zeros((len(labels), 4), dtype=bool)
        may_hide[:, MYO] = True
        for structure in (LV, RV):  # a slice with only one label: the other is not drawn
            may_hide[:, structure] = ~(labels == structure).any(axis=(1, 2))
        yield Examination(
            cohort=name,
            patient=subject,
            image=image.astype(np.float32),
            labels=labels,
            may_hide=may_hide,
            spacing=subjects[number].spacing,
            z=slice_position(((labels == LV) | (labels == RV)).sum(axis=(1, 2))),
            vendor=vendor,
            phase=phase,
            pathology=PATHOLOGY.get(subjects[number].disease),
            files=(key,),
        )


def remarks(root: Path) -> list[str]:
    """Nothing is assumed or left out."""
    return []


def _read_metadata(path: Path) -> dict[int, Subject]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return {int(row["Subjects"]): _subject(row) for row in csv.DictReader(file)}
    except (OSError, KeyError, ValueError, TypeError, csv.Error) as error:
        reason = f"no column {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(
            f"{path}: cannot be read as CHLA's table of subjects ({reason}); it lists pixel sizes."
        ) from error


def _subject(row: dict[str, str]) -> Subject:
    z, y, x = (
        float(row[column])
        for column in ("Spacing Between Slices", "Pixel Size (dy)", "Pixel Size (dx)")
    )
    if not all(math.isfinite(size) and size > 0 for size in (z, y, x)):
        raise ValueError(f"subject {row['Subjects']} has a pixel size of {z} x {y} x {x} mm")
    return Subject((z, y, x), row["Disease"])
