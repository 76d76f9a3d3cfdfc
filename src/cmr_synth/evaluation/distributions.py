"""Hearts as distributions: does a synthetic population measure as the real one does.

Slices of a patient are no independent hearts: a measurement is first averaged over the slices of
each patient, and patients are compared.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import LV, MYO
from cmr_synth.anatomy.measurements import (
    SECTORS,
    areas_mm2,
    lv_to_myocardium_ratio,
    rv_to_lv_ratio,
    wall_thickness_mm,
)
from cmr_synth.errors import InputError
from cmr_synth.evaluation.resampling import LEVEL, drawn, percentile_interval, tails

LEAST_PATIENTS = 2  # with a measurement, in each population

MEASURES = {
    "lv_area": "area of the LV blood pool, mm2",
    "myo_area": "area of the myocardium, mm2",
    "rv_area": "area of the RV blood pool, mm2",
    "lv_to_myo": "area of the LV blood pool over that of the myocardium",
    "rv_to_lv": "area of the RV blood pool over that of the LV",
    **{f"wall_{sector}": f"wall thickness, {sector}, mm" for sector in SECTORS},
}
"""Every measurement of a slice, and its unit."""


@dataclass(frozen=True)
class Difference:
    """How a measurement differs between two populations of patients.

    Parameters
    ----------
    real, synthetic : float
        Mean over patients.
    effect, low, high : float
        Hedges' g, synthetic less real in pooled standard deviations, and its 95 % interval. About
        0.2 is small, 0.8 large.
    distance : float
        Wasserstein-1 distance of the patients' means, in the measurement's unit: sees a different
        spread too.
    real_patients, synthetic_patients : int
        With this measurement.
    """

    real: float
    synthetic: float
    effect: float
    low: float
    high: float
    distance: float
    real_patients: int
    synthetic_patients: int


def slice_measures(labels: NDArray[np.uint8], spacing: tuple[float, float]) -> dict[str, float]:
    """Measure one slice.

    Parameters
    ----------
    labels : (y, x) uint8 array
        Engine labels in the canonical display.
    spacing : (y, x) in mm

    Returns
    -------
    dict
        One number for each of `MEASURES`. NaN for what the slice does not show: a structure that is
        not there has no area, so that basal slices without RV do not count as small ones.
    """
    areas = {name: area or np.nan for name, area in areas_mm2(labels, spacing).items()}
    found = {
        "lv_area": areas["LV"],
        "myo_area": areas["MYO"],
        "rv_area": areas["RV"],
        "lv_to_myo": lv_to_myocardium_ratio(labels) if areas["LV"] > 0 else np.nan,
        "rv_to_lv": rv_to_lv_ratio(labels) if areas["LV"] > 0 and areas["RV"] > 0 else np.nan,
    }
    walls = dict.fromkeys(SECTORS, np.nan)
    if (labels == LV).any() and (labels == MYO).any():
        try:
            walls = wall_thickness_mm(labels, spacing)
        except InputError:  # no RV says where the septum is
            pass
    return found | {f"wall_{sector}": walls[sector] for sector in SECTORS}


def patient_means(values: NDArray[np.floating], patients: NDArray) -> NDArray[np.float64]:
    """Mean over the slices of each patient, in sorted order of patients; NaN counts as missing.

    Patients without any value are left out.
    """
    values, patients = np.asarray(values, dtype=np.float64), np.asarray(patients)
    known = np.isfinite(values)
    names, place = np.unique(patients[known], return_inverse=True)
    sums = np.bincount(place, values[known], minlength=len(names))
    means: NDArray[np.float64] = sums / np.bincount(place, minlength=len(names))
    return means


def difference(
    real: NDArray[np.floating],
    real_patients: NDArray,
    synthetic: NDArray[np.floating],
    synthetic_patients: NDArray,
    *,
    draws: int = 2000,
    level: float = LEVEL,
    seed: int = 0,
) -> Difference | None:
    """Compare one measurement.

    Parameters
    ----------
    real, synthetic : (n,) and (m,) arrays
        Of slices; NaN where it could not be measured.
    real_patients, synthetic_patients : (n,) and (m,) arrays
        Patient of each slice; for a synthetic one, that of its mask.
    draws : int
        Of the bootstrap, patients drawn with replacement in each population.

    Returns
    -------
    Difference or None
        None with fewer than `LEAST_PATIENTS` in a population.
    """
    from scipy.stats import wasserstein_distance

    a = patient_means(real, real_patients)
    b = patient_means(synthetic, synthetic_patients)
    if min(len(a), len(b)) < LEAST_PATIENTS:
        return None
    rng = np.random.default_rng(seed)
    found = [hedges_g(a[drawn(rng, len(a))], b[drawn(rng, len(b))]) for _ in range(draws)]
    low, high = percentile_interval(found, tails(level))
    return Difference(
        real=float(a.mean()),
        synthetic=float(b.mean()),
        effect=hedges_g(a, b),
        low=low,
        high=high,
        distance=float(wasserstein_distance(a, b)),
        real_patients=len(a),
        synthetic_patients=len(b),
    )


def hedges_g(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Difference of the means, b less a, in pooled standard deviations, corrected for small sets.

    Hedges 1981, doi:10.3102/10769986006002107, with the approximate correction 1 - 3 / (4 m - 1),
    m the degrees of freedom. 0 for equal constant sets; infinite for different constant ones.
    """
    freedom = len(a) + len(b) - 2
    pooled = np.sqrt(((a - a.mean()) ** 2).sum() + ((b - b.mean()) ** 2).sum())
    off = float(b.mean() - a.mean())
    if pooled == 0:
        return float(np.copysign(np.inf, off)) if off else 0.0
    return float(off / (pooled / np.sqrt(freedom)) * (1 - 3 / (4 * freedom - 1)))
