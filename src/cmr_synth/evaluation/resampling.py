"""Patients drawn anew: bootstrap, permutation, and sets cut to size by whole patients.

Slices of one patient are alike, so that the patient is the unit of everything here. Functions that
take a generator draw from it once for each draw, in order; those that take a seed start their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEVEL = 0.95
TAILS = (0.025, 0.975)
"""Shares of draws below the ends of an interval of 95 %."""


def rows_of_patients(patients: NDArray) -> list[NDArray[np.int64]]:
    """Rows of each patient, in sorted order of patients."""
    return [np.flatnonzero(patients == name) for name in np.unique(patients)]


def drawn_rows(
    rng: np.random.Generator, rows: Sequence[NDArray[np.int64]], count: int | None = None
) -> NDArray[np.int64]:
    """All rows of patients drawn with replacement, as many patients as there are or `count`."""
    return np.concatenate([rows[i] for i in drawn(rng, len(rows), count)])


def drawn(
    rng: np.random.Generator, patients: int, count: int | tuple[int, ...] | None = None
) -> NDArray[np.int64]:
    """Numbers of patients drawn with replacement: as many as there are, or an array of `count`."""
    return rng.integers(0, patients, patients if count is None else count)


def drawn_weights(rng: np.random.Generator, patients: int) -> NDArray[np.int64]:
    """How often each patient is drawn."""
    return np.bincount(drawn(rng, patients), minlength=patients)


def drawn_within(rng: np.random.Generator, groups: NDArray, draws: int) -> NDArray[np.float64]:
    """How often each patient is drawn, (draws, p), each group among its own.

    Groups are drawn in sorted order, the greatest first.
    """
    weight = np.zeros((draws, len(groups)))
    for group in np.unique(groups)[::-1]:
        index = np.flatnonzero(groups == group)
        weight[:, index] = rng.multinomial(len(index), np.full(len(index), 1 / len(index)), draws)
    return weight


def percentile_interval(
    found: ArrayLike, tails: tuple[float, float] = TAILS
) -> tuple[float, float]:
    """Drawn figures at two shares of all; those that are NaN are left out, infinite ones count."""
    known = np.asarray(found, dtype=np.float64)
    known = known[~np.isnan(known)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, tails)
    return float(low), float(high)


def shifted_interval(
    found: ArrayLike, value: float, *, level: float = LEVEL
) -> tuple[float, float]:
    """The percentile interval, moved by the difference of the figure found and the mean drawn.

    For figures that resampling biases: a resample has fewer different patients than the set, some
    of them several times, which inflates distances.
    """
    known = np.asarray(found, dtype=np.float64)
    if not len(known):
        return float("nan"), float("nan")
    low, high = percentile_interval(known, tails(level))
    mean = float(np.mean(known))
    return low + value - mean, high + value - mean


def mean_interval(
    values: NDArray[np.float64], *, level: float = LEVEL, draws: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Interval of the mean of one value a patient; those that are not finite are left out."""
    values = values[np.isfinite(values)]
    rng = np.random.default_rng(seed)
    means = rng.choice(values, (draws, len(values))).mean(axis=1)
    return percentile_interval(means, tails(level))


def slice_mean_interval(
    values: NDArray[np.floating],
    patients: NDArray,
    *,
    draws: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Interval of a mean over slices, whole patients drawn."""
    _, place, counts = np.unique(patients, return_inverse=True, return_counts=True)
    sums = np.bincount(place, values, minlength=len(counts))
    chosen = drawn(np.random.default_rng(seed), len(counts), (draws, len(counts)))
    return percentile_interval(sums[chosen].sum(axis=1) / counts[chosen].sum(axis=1))


def permuted_within(
    rng: np.random.Generator, flags: NDArray[np.bool_], groups: NDArray, draws: int
) -> NDArray[np.bool_]:
    """Flags of patients shuffled within groups, (draws, p)."""
    shuffled = np.zeros((draws, len(flags)), bool)
    for group in np.unique(groups):
        index = np.flatnonzero(groups == group)
        order = rng.random((draws, len(index))).argsort(axis=1)
        shuffled[:, index] = flags[index][order]
    return shuffled


def p_value(found: ArrayLike, value: float) -> float:
    """One-sided: share of drawn figures that reach the one found, itself counted with them."""
    known = np.asarray(found, dtype=np.float64)
    # as great but for rounding is as great
    return float((1 + int((known >= value - 1e-12).sum())) / (1 + len(known)))


def corrected(p_values: Mapping[str, float]) -> dict[str, float]:
    """P-values of several tests, so that one below 5 % is chance in 5 % of cases.

    Holm 1979, jstor.org/stable/4615733.
    """
    found: dict[str, float] = {}
    greatest = 0.0
    for place, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        greatest = max(greatest, min(1.0, (len(p_values) - place) * p_values[name]))
        found[name] = greatest
    return {name: found[name] for name in p_values}


def matched_rows(patients: NDArray, count: int, *, seed: int) -> NDArray[np.int64]:
    """Rows of patients in random order, until there are as many as wanted."""
    return matched(np.random.default_rng(seed), patients, count)


def matched(rng: np.random.Generator, patients: NDArray, count: int) -> NDArray[np.int64]:
    """`matched_rows` from a generator."""
    rows_of = {patient: np.flatnonzero(patients == patient) for patient in np.unique(patients)}
    order = rng.permutation(sorted(rows_of))
    return np.concatenate([rows_of[patient] for patient in order])[:count]


def some_patients(rng: np.random.Generator, patients: NDArray, count: int) -> NDArray[np.bool_]:
    """Which slices are of `count` patients drawn without replacement."""
    return np.isin(patients, rng.permutation(np.unique(patients))[:count])


def tails(level: float) -> tuple[float, float]:
    """Shares of draws below the ends of an interval of another level."""
    return (1 - level) / 2, (1 + level) / 2
