"""Precision, recall, density and coverage: does a model make all that is real, and nothing else.

A generator that repeats one good picture has high precision and next to no recall: mode collapse,
which a Frechet distance hides. Both sets must be of equal size, and the same figures of real
training against real test pictures stand beside them, because all four depend on size and patients.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 5


@dataclass(frozen=True)
class Coverage:
    """Four shares; all but `density` are in [0, 1]."""

    precision: float
    recall: float
    density: float
    coverage: float


@dataclass(frozen=True, eq=False)
class Reached:
    """Point by point, what the four shares are means of.

    Parameters
    ----------
    precise : (n,) bool array
        Synthetic points in any real neighbourhood.
    recalled : (n,) bool array
        Real points in any synthetic neighbourhood.
    dense : (n,) array
        Real neighbourhoods that a synthetic point lies in.
    covered : (n,) bool array
        Real neighbourhoods with a synthetic point in them.
    neighbours : int
    """

    precise: NDArray[np.bool_]
    recalled: NDArray[np.bool_]
    dense: NDArray[np.int64]
    covered: NDArray[np.bool_]
    neighbours: int

    def shares(self) -> Coverage:
        """Over all points."""
        return Coverage(
            precision=float(self.precise.mean()),
            recall=float(self.recalled.mean()),
            density=float(self.dense.mean() / self.neighbours),
            coverage=float(self.covered.mean()),
        )


def coverage(
    real: NDArray[np.floating], synthetic: NDArray[np.floating], *, neighbours: int = NEIGHBOURS
) -> Coverage:
    """Shares of one set within the neighbourhoods of the other; see `reached`."""
    return reached(real, synthetic, neighbours=neighbours).shares()


def reached(
    real: NDArray[np.floating], synthetic: NDArray[np.floating], *, neighbours: int = NEIGHBOURS
) -> Reached:
    """Which points of one set are within the neighbourhoods of the other.

    The neighbourhood of a point is the ball to its k-th nearest neighbour in its own set.
    Precision is the share of synthetic points in any real neighbourhood, recall that of real
    points in any synthetic one (Kynkaanniemi et al. 2019, arXiv:1904.06991, eq. 1 and 2); density
    counts in how many real neighbourhoods a synthetic point lies, over k, and coverage is the share
    of real neighbourhoods with a synthetic point in them (Naeem et al. 2020, arXiv:2002.09797,
    eq. 4 and 5).

    Parameters
    ----------
    real, synthetic : (n, d) arrays
        Features on one scale, such as those of `standardised`.
    neighbours : int
        k.

    Raises
    ------
    ValueError
        If the sets differ in size or width, hold non-finite values, or have no more than k points.
    """
    real, synthetic = (np.asarray(a, dtype=np.float64) for a in (real, synthetic))
    if real.ndim != 2 or real.shape != synthetic.shape:
        raise ValueError(f"two sets of equal size are needed, got {real.shape}, {synthetic.shape}")
    if not (np.isfinite(real).all() and np.isfinite(synthetic).all()):
        raise ValueError("features hold NaN or infinite values")
    if not 1 <= neighbours < len(real):
        raise ValueError(f"{len(real)} points have no {neighbours} neighbours each")
    around_real = _radii(real, neighbours)
    around_synthetic = _radii(synthetic, neighbours)
    between = _distances(real, synthetic)
    in_real = between < around_real[:, None]
    return Reached(
        precise=np.asarray(in_real.any(axis=0)),
        recalled=np.asarray((between < around_synthetic[None, :]).any(axis=1)),
        dense=in_real.sum(axis=0),
        covered=between.min(axis=1) < around_real,
        neighbours=neighbours,
    )


def standardised(features: NDArray[np.floating], like: NDArray[np.floating]) -> NDArray[np.float64]:
    """Features with the mean and the deviation of each dimension of `like` taken out."""
    like = np.asarray(like, dtype=np.float64)
    spread = like.std(axis=0)
    result: NDArray[np.float64] = (features - like.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return result


def _distances(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.spatial.distance import cdist

    distances: NDArray[np.float64] = cdist(a, b)
    return distances


def _radii(points: NDArray[np.float64], neighbours: int) -> NDArray[np.float64]:
    """Distance of each point to its k-th nearest neighbour, itself not counted."""
    radii: NDArray[np.float64] = np.partition(_distances(points, points), neighbours, axis=1)[
        :, neighbours
    ]
    return radii
