"""Frechet distance between two sets of features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


def frechet_distance(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Squared 2-Wasserstein distance between the Gaussians fitted to two sets.

    d^2 = |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)) (Dowson and Landau 1982,
    doi:10.1016/0047-259X(82)90077-X). It is called FID only on InceptionV3 features.

    Parameters
    ----------
    a, b : (n, d) arrays
        Features; the distance is biased by n, so compare equal n only.

    Returns
    -------
    float
        0 for equal sets; never negative.

    Raises
    ------
    ValueError
        If the widths differ, or a set has fewer than two rows or non-finite values.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(f"two sets of (n, d) features are needed, got {a.shape} and {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("features hold NaN or infinite values")
    if np.array_equal(a, b):
        return 0.0  # and not what rounding leaves
    return float(distances(moments([a]), moments([b]))[0])


@dataclass(frozen=True, eq=False)
class Moments:
    """Means (k, d) and covariances (k, d, d) of k sets."""

    means: NDArray[np.float64]
    covariances: NDArray[np.float64]

    @cached_property
    def roots(self) -> NDArray[np.float64]:
        """Of the covariances."""
        values, vectors = np.linalg.eigh(self.covariances)
        scaled = vectors * np.sqrt(np.clip(values, 0, None))[:, None, :]
        found: NDArray[np.float64] = scaled @ vectors.swapaxes(1, 2)
        return found


def moments(sets: Sequence[NDArray[np.floating]]) -> Moments:
    """Of sets of the same width."""
    means, covariances = [], []
    for x in sets:
        means.append(np.asarray(x, dtype=np.float64).mean(axis=0))
        off = x - means[-1]
        covariances.append(off.T @ off / (len(x) - 1))
    return Moments(np.stack(means), np.stack(covariances))


def distances(a: Moments, b: Moments) -> NDArray[np.float64]:
    """Of each set of `a` to that of `b` with the same number, (k,)."""
    # tr((C_a C_b)^(1/2)) from the symmetric form (C_a^(1/2) C_b C_a^(1/2))^(1/2), which stays
    # real and accurate where the covariances are singular
    cross = a.roots @ b.covariances @ a.roots
    eigenvalues = np.linalg.eigvalsh((cross + cross.swapaxes(1, 2)) / 2)
    overlap = np.sqrt(np.clip(eigenvalues, 0, None)).sum(axis=1)
    traces = np.trace(a.covariances + b.covariances, axis1=1, axis2=2)
    shift = ((a.means - b.means) ** 2).sum(axis=1)
    found: NDArray[np.float64] = np.maximum(shift + traces - 2 * overlap, 0.0)
    return found
