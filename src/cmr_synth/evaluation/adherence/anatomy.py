"""Do synthetic hearts measure as real ones: ratios, walls, volumes and ejection fraction.

Both sides are measured with the same instrument, the outlines that the bundled segmenter finds, so
that its habits cancel; drawn outlines are measured only where a caller gives them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import STRUCTURES
from cmr_synth.anatomy.measurements import DENSITY_G_PER_ML, ejection_fraction
from cmr_synth.evaluation.distributions import (
    MEASURES,
    Difference,
    difference,
    patient_means,
    slice_measures,
)
from cmr_synth.evaluation.sample import Sample

VOLUMES = {
    "lv_edv": "LV end-diastolic volume, mL",
    "lv_esv": "LV end-systolic volume, mL",
    "lv_ef": "LV ejection fraction, %",
    "rv_edv": "RV end-diastolic volume, mL",
    "rv_esv": "RV end-systolic volume, mL",
    "rv_ef": "RV ejection fraction, %",
    "myo_mass": "mass of the myocardium at end-diastole, g",
}
"""Every measurement of a patient, and its unit."""

LEAST_SLICES = 3  # of a stack, for a volume
WORDS = MEASURES | VOLUMES


@dataclass(frozen=True, eq=False)
class Measure:
    """One measurement of two populations.

    Parameters
    ----------
    name, words : str
    real, synthetic : (patients,) arrays
        Of patients, each the mean over their slices.
    difference : Difference
    """

    name: str
    words: str
    real: NDArray[np.float64]
    synthetic: NDArray[np.float64]
    difference: Difference

    def as_dict(self) -> dict[str, Any]:
        """For JSON, without the values of single patients."""
        return {"name": self.name, "words": self.words, **asdict(self.difference)}


def anatomy(
    synthetic: Sample, found: NDArray[np.uint8], real: Sample, real_found: NDArray[np.uint8]
) -> list[Measure]:
    """Compare every measurement that both sides have.

    Parameters
    ----------
    synthetic, real : Sample
    found, real_found : (n, y, x) uint8 arrays
        Outlines to measure, as engine labels.

    Returns
    -------
    list of Measure
        Without those that fewer than two patients of a side have.
    """
    sides = []
    for sample, labels in ((real, real_found), (synthetic, found)):
        values = {name: (v, sample.patients) for name, v in measures_of(sample, labels).items()}
        by_patient = volumes_of(sample, labels)
        names = np.array(sorted(by_patient))
        for name in VOLUMES:
            values[name] = (np.array([by_patient[p][name] for p in names], dtype=float), names)
        sides.append(values)
    measures = []
    for name, words in WORDS.items():
        (a, patients_a), (b, patients_b) = (side[name] for side in sides)
        compared = difference(a, patients_a, b, patients_b) if len(a) and len(b) else None
        if compared is not None:
            means = patient_means(a, patients_a), patient_means(b, patients_b)
            measures.append(Measure(name, words, *means, compared))
    return measures


def measures_of(sample: Sample, labels: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
    """Every one of `distributions.MEASURES` for every slice; NaN for what it does not show."""
    spacing = (sample.spacing, sample.spacing)
    rows = [slice_measures(slice_2d, spacing) for slice_2d in labels]
    return {name: np.array([row[name] for row in rows]) for name in MEASURES}


def volumes_of(sample: Sample, labels: NDArray[np.uint8]) -> dict[str, dict[str, float]]:
    """Volumes of every patient, by Simpson's rule over the slices of each phase.

    Parameters
    ----------
    sample : Sample
        Whose rows say patient, phase ("ED" or "ES") and distance between slices.
    labels : (n, y, x) uint8 array

    Returns
    -------
    dict of patient to dict
        One number for each of `VOLUMES`; NaN where a phase is missing, has fewer than
        `LEAST_SLICES` slices, or the distance between slices is not known.
    """
    phases = np.array([row.phase.upper() for row in sample.rows])
    between = np.array([row.between_mm for row in sample.rows])
    found = {}
    for patient in np.unique(sample.patients):
        own = sample.patients == patient
        volume = {
            (structure, phase): _volume(labels, own & (phases == phase), between, label, sample)
            for structure, label in STRUCTURES.items()
            for phase in ("ED", "ES")
        }
        figures = {"myo_mass": volume["MYO", "ED"] * DENSITY_G_PER_ML}
        for ventricle in ("LV", "RV"):
            ed, es = volume[ventricle, "ED"], volume[ventricle, "ES"]
            both = ed > 0 and es > 0
            figures |= {
                f"{ventricle.lower()}_edv": ed,
                f"{ventricle.lower()}_esv": es,
                f"{ventricle.lower()}_ef": 100 * ejection_fraction(ed, es)
                if both
                else float("nan"),
            }
        found[str(patient)] = figures
    return found


def _volume(
    labels: NDArray[np.uint8],
    rows: NDArray[np.bool_],
    between: NDArray[np.float64],
    label: int,
    sample: Sample,
) -> float:
    if np.count_nonzero(rows) < LEAST_SLICES or not (between[rows] > 0).all():
        return float("nan")
    pixels = (labels[rows] == label).sum(axis=(1, 2))
    return float((pixels * between[rows]).sum() * sample.spacing**2 / 1000)


def largest(measures: Sequence[Measure], count: int = 6) -> list[Measure]:
    """Those that differ most, by the size of the effect."""
    return sorted(measures, key=lambda one: -abs(one.difference.effect))[:count]
