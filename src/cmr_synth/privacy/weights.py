"""Slices weighted so that every patient counts the same, however many there are of one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def weights_by_patient(patients: NDArray[np.str_]) -> NDArray[np.float64]:
    """Weight of each slice, equal sums for all patients; the sum is 1."""
    _, at, counts = np.unique(patients, return_inverse=True, return_counts=True)
    return 1 / (counts[at] * len(counts))


def share_below(
    values: NDArray[np.floating], among: NDArray[np.floating], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weighted share of `among` at or below each value."""
    order = np.argsort(among, kind="stable")
    total = np.concatenate([[0.0], np.cumsum(weights[order])])
    return total[np.searchsorted(among[order], values, side="right")]


def quantile(values: NDArray[np.floating], weights: NDArray[np.float64], share: float) -> float:
    """The largest value at or below which no more than a weighted share lies.

    Of few values none may be so: it lies just below them all then.
    """
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[order])
    allowed = int(np.searchsorted(below, share + 1e-12, side="right"))
    least = float(values.min())
    return float(values[order][allowed - 1]) if allowed else float(np.nextafter(least, -np.inf))
