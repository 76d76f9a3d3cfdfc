"""Kernel distance between two sets of features, unbiased at any size, with intervals by patient.

Where a Frechet distance needs many more slices than features, and grows as slices get fewer, this
one does not. It is called KID on InceptionV3 features only (Binkowski et al. 2018,
arXiv:1801.01401). Slices of one patient are alike, and so are a slice and its counterpart: their
pairs say nothing of the population, and are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmr_synth.evaluation.resampling import LEVEL, drawn_weights, shifted_interval

DEGREE = 3


@dataclass(frozen=True)
class KernelDistance:
    """A squared maximum mean discrepancy; may be below 0 by chance, for it is unbiased.

    Parameters
    ----------
    value : float
    low, high : float
        95 % interval, patients drawn with replacement, the mean of the draws moved to `value`.
    """

    value: float
    low: float
    high: float


def kernel_distance(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    patients_a: NDArray,
    patients_b: NDArray,
    *,
    draws: int = 1000,
    level: float = LEVEL,
    seed: int = 0,
) -> KernelDistance:
    """Squared maximum mean discrepancy with the kernel (x y / d + 1)^3.

    MMD^2 = mean k(a, a') + mean k(b, b') - 2 mean k(a, b) over rows of different patients. It is
    the U-statistic of Gretton et al. 2012 (JMLR 13, eq. 3) where every row is a patient; pairs
    within patients would bias it as soon as slices of a patient are alike.

    Parameters
    ----------
    a, b : (n, d) and (m, d) arrays
        Features.
    patients_a, patients_b : (n,) and (m,) arrays
        Patient of each row; for a synthetic picture, that of its mask. If both sets show the same
        patients, these are drawn together, and no row is compared with one of its own patient.
    draws : int
        Of the bootstrap.
    level : float
    seed : int

    Raises
    ------
    ValueError
        If the widths differ, a set has fewer than two patients, or a feature is not finite.
    """
    a = np.asarray(a, dtype=np.float64)
    b = np.asarray(b, dtype=np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(f"two sets of (n, d) features are needed, got {a.shape} and {b.shape}")
    if len(a) != len(patients_a) or len(b) != len(patients_b):
        raise ValueError("each row needs a patient")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("features hold NaN or infinite values")
    names = np.unique(np.concatenate([patients_a, patients_b]))
    in_a, in_b = _members(patients_a, names), _members(patients_b, names)
    has_a, has_b = in_a.any(axis=0), in_b.any(axis=0)
    if min(has_a.sum(), has_b.sum()) < 2:
        raise ValueError("two patients in each set are needed: pairs are of different ones")
    # sums over all pairs of two patients; the bootstrap then only weighs them
    pairs = [
        _Pairs.of(in_x.T @ _kernel(x, y) @ in_y, in_x.sum(axis=0), in_y.sum(axis=0))
        for x, in_x, y, in_y in ((a, in_a, a, in_a), (b, in_b, b, in_b), (a, in_a, b, in_b))
    ]

    def distance(weights: NDArray[np.float64]) -> float:
        aa, bb, ab = (one.mean(weights) for one in pairs)
        return aa + bb - 2 * ab

    rng = np.random.default_rng(seed)
    found: list[float] = []
    while len(found) < draws:
        weights = drawn_weights(rng, len(names)).astype(np.float64)
        # a draw may have no two patients of one set
        if min(np.count_nonzero(weights[has]) for has in (has_a, has_b)) > 1:
            found.append(distance(weights))
    value = distance(np.ones(len(names)))
    return KernelDistance(value, *shifted_interval(found, value, level=level))


def _kernel(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = (x @ y.T / x.shape[1] + 1) ** DEGREE
    return result


def _members(patients: NDArray, names: NDArray) -> NDArray[np.float64]:
    return (np.asarray(patients)[:, None] == names[None]).astype(np.float64)


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Sums of the kernel over the slices of two different patients, and their numbers."""

    sums: NDArray[np.float64]
    counts: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        sums: NDArray[np.float64],
        count_a: NDArray[np.float64],
        count_b: NDArray[np.float64],
    ) -> _Pairs:
        different = 1 - np.eye(len(sums))
        return cls(sums * different, np.outer(count_a, count_b) * different)

    def mean(self, weights: NDArray[np.float64]) -> float:
        """Over all pairs, a patient that is drawn twice being no other than itself."""
        return float((weights @ self.sums @ weights) / (weights @ self.counts @ weights))
