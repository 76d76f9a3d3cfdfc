"""Kernel distance between two sets of features, unbiased at any size, with intervals by patient.

Where a Frechet distance needs many more slices than features, and grows as slices get fewer, this
one does not. It is called KID on InceptionV3 features only (Binkowski et al. 2018,
arXiv:1801.01401).
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

    MMD^2 = mean k(a, a') + mean k(b, b') - 2 mean k(a, b) over different rows (Gretton et al. 2012,
    JMLR 13, eq. 3).

    Parameters
    ----------
    a, b : (n, d) and (m, d) arrays
        Features.
    patients_a, patients_b : (n,) and (m,) arrays
        Patient of each row; for a synthetic picture, that of its mask. If both sets show the same
        patients, these are drawn together.
    draws : int
        Of the bootstrap.
    level : float
    seed : int

    Raises
    ------
    ValueError
        If the widths differ, a set has fewer than two rows, or a feature is not finite.
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
    # sums over all pairs of two patients; the bootstrap then only weighs them
    aa = in_a.T @ _kernel(a, a) @ in_a
    bb = in_b.T @ _kernel(b, b) @ in_b
    ab = in_a.T @ _kernel(a, b) @ in_b
    own_a, own_b = in_a.T @ _self(a), in_b.T @ _self(b)
    count_a, count_b = in_a.sum(axis=0), in_b.sum(axis=0)

    def distance(weights: NDArray[np.float64]) -> float:
        return float(
            _mean_of_pairs(aa, own_a, count_a, weights)
            + _mean_of_pairs(bb, own_b, count_b, weights)
            - 2 * (weights @ ab @ weights) / ((weights @ count_a) * (weights @ count_b))
        )

    rng = np.random.default_rng(seed)
    found: list[float] = []
    while len(found) < draws and len(names) > 1:
        weights = drawn_weights(rng, len(names)).astype(np.float64)
        # a draw may miss every patient of one set, or all but one slice
        if min(weights @ count_a, weights @ count_b) > 1 and np.count_nonzero(weights) > 1:
            found.append(distance(weights))
    value = distance(np.ones(len(names)))
    return KernelDistance(value, *shifted_interval(found, value, level=level))


def _kernel(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = (x @ y.T / x.shape[1] + 1) ** DEGREE
    return result


def _self(x: NDArray[np.float64]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = ((x**2).sum(axis=1) / x.shape[1] + 1) ** DEGREE
    return result


def _members(patients: NDArray, names: NDArray) -> NDArray[np.float64]:
    return (np.asarray(patients)[:, None] == names[None]).astype(np.float64)


def _mean_of_pairs(
    sums: NDArray[np.float64],
    own: NDArray[np.float64],
    counts: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> float:
    """Mean over pairs of different rows; copies of one row are no pair."""
    total = weights @ sums @ weights - weights**2 @ own
    return float(total / ((weights @ counts) ** 2 - weights**2 @ counts))
