"""Are sampled hearts like patients? Ranges, a two-sample test, and what the model can draw again.

A heart is a person: every number is by heart, and patients are compared that were not trained on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import LV, MYO, RV, STRUCTURES
from cmr_synth.anatomy.reference import NORMAL, function_of
from cmr_synth.anatomy.shapes import ShapeModel
from cmr_synth.cohorts.hearts import Heart
from cmr_synth.evaluation.resampling import corrected, drawn, percentile_interval

COMPARED = (
    "lv_edv_ml",
    "lv_esv_ml",
    "lv_ef",
    "lv_mass_g",
    "rv_edv_ml",
    "rv_esv_ml",
    "rv_ef",
    "length_mm",
    "wall_mm",
    "rv_to_lv",
)
"""Ten measurements: function; the LV's length at ED; and in its middle slice at ED the mean wall
thickness, and the area of the RV over that of the LV."""

Spacing = tuple[float, float, float]


def measurements(ed: NDArray[Any], es: NDArray[Any], spacing: Spacing) -> dict[str, float]:
    """The measurements of `COMPARED`, and the others of `reference.function_of`.

    Parameters
    ----------
    ed, es : (z, y, x) integer arrays
        Engine labels.
    spacing : (z, y, x) in mm

    Raises
    ------
    InputError
        If a phase lacks a ventricle.
    """
    found = function_of(ed, es, spacing)
    slices = np.flatnonzero((ed == LV).any(axis=(1, 2)))
    middle = ed[slices[len(slices) // 2]]
    cavity, wall, rv = (
        float((middle == label).sum()) * spacing[1] * spacing[2] for label in (LV, MYO, RV)
    )
    return {
        **found,
        "length_mm": len(slices) * spacing[0],
        "wall_mm": float(np.sqrt((cavity + wall) / np.pi) - np.sqrt(cavity / np.pi)),
        "rv_to_lv": rv / cavity,
    }


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One measurement of sampled hearts and of patients.

    Attributes
    ----------
    sampled, real : (mean, standard deviation)
    statistic : float
        Of Kolmogorov and Smirnov: the largest difference of the two distributions.
    p : float
        Of the two-sample test, two-sided, exact.
    p_corrected : float
        For the number of measurements (Holm).
    """

    sampled: tuple[float, float]
    real: tuple[float, float]
    statistic: float
    p: float
    p_corrected: float


def compared(
    sampled: Sequence[Mapping[str, float]], real: Sequence[Mapping[str, float]]
) -> dict[str, Compared]:
    """Two-sample test of Kolmogorov and Smirnov for each measurement of `COMPARED`."""
    from scipy.stats import ks_2samp

    values = {
        name: tuple(np.array([one[name] for one in side]) for side in (sampled, real))
        for name in COMPARED
    }
    tests = {name: ks_2samp(*both) for name, both in values.items()}
    holm = corrected({name: float(test.pvalue) for name, test in tests.items()})
    return {
        name: Compared(
            sampled=(float(made.mean()), float(made.std(ddof=1))),
            real=(float(patients.mean()), float(patients.std(ddof=1))),
            statistic=float(tests[name].statistic),
            p=float(tests[name].pvalue),
            p_corrected=holm[name],
        )
        for name, (made, patients) in values.items()
    }


def within_ranges(measured: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Share of hearts inside each published range of `reference.NORMAL`, and "all" of them."""
    shares = {
        name: float(np.mean([low <= one[name] <= high for one in measured]))
        for name, (low, high) in NORMAL.items()
    }
    return {**shares, "all": float(np.mean(list(shares.values())))}


def reconstruction(
    model: ShapeModel, hearts: Sequence[Heart], *, modes_alone: bool = False
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Dice of hearts with what their shape draws on their own grid, pooled over slices.

    Parameters
    ----------
    model : ShapeModel
    hearts : sequence of Heart
    modes_alone : bool
        Keep of a shape only what the modes of variation and the mean of the pathology give, and
        the direction and place in the picture.

    Returns
    -------
    dict
        Phase, then structure, to (hearts,) values.
    """
    scores: dict[str, dict[str, list[float]]] = {
        phase: {name: [] for name in STRUCTURES} for phase in ("ED", "ES")
    }
    for heart in hearts:
        shape = model.encode(heart.ed, heart.es, heart.spacing)
        if modes_alone:
            shape = model.by_modes(shape, pathology=heart.pathology or "normal")
        back = model.decode(
            shape, spacing=heart.spacing, slices=len(heart.ed), shape=_in_plane(heart)
        )
        for phase, truth, found in zip(scores, (heart.ed, heart.es), back, strict=True):
            upright = truth if _closer(found, truth) else truth[::-1]
            for name, label in STRUCTURES.items():
                a, b = found == label, upright == label
                scores[phase][name].append(float(2 * (a & b).sum() / max((a.sum() + b.sum()), 1)))
    return {
        phase: {name: np.array(values) for name, values in by_name.items()}
        for phase, by_name in scores.items()
    }


def mean_with_interval(values: NDArray[np.float64], *, seed: int = 0) -> tuple[float, float, float]:
    """Mean over hearts and its 95 % bootstrap interval."""
    rng = np.random.default_rng(seed)
    found = values[drawn(rng, len(values), (2000, len(values)))].mean(axis=1)
    return (float(values.mean()), *percentile_interval(found))


def _in_plane(heart: Heart) -> tuple[int, int]:
    rows, columns = heart.ed.shape[1:]
    return rows, columns


def _closer(found: NDArray[np.uint8], truth: NDArray[np.uint8]) -> bool:
    """Whether a stack has its base where the drawn one has."""
    return bool((found == truth).sum() >= (found == truth[::-1]).sum())
