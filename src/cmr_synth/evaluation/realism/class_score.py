"""A score in the manner of the Inception Score, for any feature space.

The Inception Score (Salimans et al. 2016, arXiv:1606.03498, eq. 1) asks that every picture be
clearly of one class, and that all classes appear. Heart slices have no classes of ImageNet; here
the classes are clusters of real pictures. It is called Inception Score with InceptionV3's own
classes only, and says nothing of fidelity to the mask: read it beside its value for real pictures.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CLUSTERS = 10


def class_score(shares: NDArray[np.floating]) -> float:
    """exp of the mean of `divergences`: from 1 (all alike, or none clear) to k."""
    return float(np.exp(divergences(shares).mean()))


def divergences(shares: NDArray[np.floating]) -> NDArray[np.float64]:
    """Divergence of each picture's classes from the classes of all, (n,).

    Parameters
    ----------
    shares : (n, k) array
        Probability of each class; rows sum to 1.

    Raises
    ------
    ValueError
        If rows are no probabilities.
    """
    shares = np.asarray(shares, dtype=np.float64)
    if shares.ndim != 2 or not len(shares) or (shares < 0).any():
        raise ValueError(f"(n, k) probabilities are needed, got {shares.shape}")
    if not np.allclose(shares.sum(axis=1), 1, atol=1e-4):
        raise ValueError("probabilities of a picture must sum to 1")
    mean = shares.mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(shares > 0, shares * (np.log(shares) - np.log(mean)), 0.0)
    found: NDArray[np.float64] = terms.sum(axis=1)
    return found


class Clusters:
    """Soft classes around clusters of real pictures.

    k-means on standardised features; the probability of a cluster falls with the squared distance
    to its centre, in units of the mean squared distance of real pictures to their own.

    Parameters
    ----------
    real : (n, d) array
        Features of real pictures of other patients than are scored.
    count : int
    seed : int

    Raises
    ------
    ValueError
        With fewer than two pictures a cluster.
    """

    def __init__(self, real: NDArray[np.floating], *, count: int = CLUSTERS, seed: int = 0):
        from scipy.cluster.vq import kmeans2

        real = np.asarray(real, dtype=np.float64)
        if len(real) < 2 * count:
            raise ValueError(f"{len(real)} pictures are too few for {count} clusters")
        self._mean, spread = real.mean(axis=0), real.std(axis=0)
        self._spread = np.where(spread > 0, spread, 1)
        scaled = (real - self._mean) / self._spread
        first = np.random.default_rng(seed).choice(len(scaled), count, replace=False)
        self._centres, labels = kmeans2(scaled, scaled[first], minit="matrix")
        off = scaled - self._centres[labels]
        self._unit = float((off**2).sum(axis=1).mean()) / 10 or 1.0

    def shares(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Probability of each cluster, (n, k)."""
        from scipy.spatial.distance import cdist
        from scipy.special import softmax

        scaled = (np.asarray(features, dtype=np.float64) - self._mean) / self._spread
        far = cdist(scaled, self._centres, "sqeuclidean")
        shares: NDArray[np.float64] = softmax(-far / self._unit, axis=1)
        return shares
