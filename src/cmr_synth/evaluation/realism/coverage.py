"""Precision, recall, density and coverage: does a model make all that is real, and nothing else.

A generator that repeats one good picture has high precision and next to no recall: mode collapse,
which a Frechet distance hides. Both sets must be of equal size, and the same figures of real
pictures in the place of the synthetic ones stand beside them, because all four depend on size and
patients.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 5
OF_MADE = ("precise", "dense")
"""Fields of `Reached` that are of synthetic points; the others are of real ones."""


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
    precise : (n,) array
        Whether a synthetic point is in any real neighbourhood.
    recalled : (n,) array
        Whether a real point is in any synthetic neighbourhood.
    dense : (n,) array
        Real neighbourhoods that a synthetic point lies in.
    covered : (n,) array
        Whether a real neighbourhood has a synthetic point in it.
    neighbours : int
    """

    precise: NDArray[np.float64]
    recalled: NDArray[np.float64]
    dense: NDArray[np.float64]
    covered: NDArray[np.float64]
    neighbours: int

    def shares(self) -> Coverage:
        """Over all points that were compared; the others are NaN."""
        return Coverage(
            precision=float(np.nanmean(self.precise)),
            recall=float(np.nanmean(self.recalled)),
            density=float(np.nanmean(self.dense) / self.neighbours),
            coverage=float(np.nanmean(self.covered)),
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
        precise=np.asarray(in_real.any(axis=0), np.float64),
        recalled=np.asarray((between < around_synthetic[None, :]).any(axis=1), np.float64),
        dense=in_real.sum(axis=0).astype(np.float64),
        covered=(between.min(axis=1) < around_real).astype(np.float64),
        neighbours=neighbours,
    )


def reached_on_average(
    real: NDArray[np.floating],
    synthetic: NDArray[np.floating],
    compared: Iterable[tuple[NDArray[np.int64], NDArray[np.int64]]],
    *,
    neighbours: int = NEIGHBOURS,
) -> Reached:
    """Means over several comparisons of some points with some others.

    Parameters
    ----------
    real, synthetic : (n, d) and (m, d) arrays
    compared : iterable of (rows of real, rows of synthetic)
        As many of both.

    Returns
    -------
    Reached
        (m,) and (n,) arrays, NaN for points that were in no comparison.
    """
    made, drawn = (np.zeros(len(points)) for points in (synthetic, real))
    names = ("precise", "recalled", "dense", "covered")
    sums = {name: np.zeros_like(made if name in OF_MADE else drawn) for name in names}
    for rows_real, rows_made in compared:
        found = reached(real[rows_real], synthetic[rows_made], neighbours=neighbours)
        np.add.at(made, rows_made, 1)
        np.add.at(drawn, rows_real, 1)
        for name, total in sums.items():
            np.add.at(total, rows_made if name in OF_MADE else rows_real, getattr(found, name))
    made[made == 0] = drawn[drawn == 0] = np.nan
    each = {name: sums[name] / (made if name in OF_MADE else drawn) for name in sums}
    return Reached(**each, neighbours=neighbours)


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
