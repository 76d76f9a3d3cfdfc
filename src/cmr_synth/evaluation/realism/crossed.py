"""The Frechet distance across halves of patients, its floor and their ratio, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmr_synth.evaluation.realism.frechet import distances, moments
from cmr_synth.evaluation.realism.halves import Halves, Patients
from cmr_synth.evaluation.resampling import TAILS

SPLITS = 30
"""Ways to deal the patients, over which the figures are means."""
DRAWS = 150
DEALT = 2  # ways to deal each draw: two tell how much of the spread is theirs
NUMBERS_AT_ONCE = 2**24

Interval = tuple[float, float, float]
"""A figure with the ends of its interval."""


@dataclass(frozen=True)
class Crossed:
    """Distances of halves.

    Parameters
    ----------
    made : (value, low, high)
        Of the synthetic slices of one half to the real ones of the other, both ways.
    real : (value, low, high)
        Of the real slices of one half to those of the other: the floor.
    ratio : (value, low, high)
        Of the two; 1 in expectation for slices drawn as real ones are.
    """

    made: Interval
    real: Interval
    ratio: Interval


def crossed(
    made: NDArray[np.floating],
    real: NDArray[np.floating],
    patients: Patients,
    *,
    splits: int = SPLITS,
    draws: int = DRAWS,
    seed: int = 0,
) -> Crossed:
    """Frechet distances across halves, and their ratio.

    The ratio is that of the means over all ways to deal the patients. For the interval patients are
    drawn with replacement and dealt anew, one drawn twice into one half; distance and floor are of
    the same draw. A draw has fewer different patients, which inflates both distances: its figures
    are moved to the one found, on the scale of logarithms. A draw is dealt fewer times than the
    patients themselves: what that adds to the variance, known from the spread within draws, is
    taken out.

    Parameters
    ----------
    made, real : (n, d) and (m, d) arrays
        Features of the slices that `patients` lists.
    """
    rng = np.random.default_rng(seed)
    found = _distances(made, real, [patients.dealt(rng) for _ in range(splits)]).mean(axis=0)
    again = []
    for _ in range(draws):
        weights = patients.drawn(rng)
        again += [patients.dealt(rng, weights) for _ in range(DEALT)]
    drawn = _distances(made, real, again).reshape(draws, DEALT, 2)
    figures = [found[0], found[1], _ratio(found[0], found[1])]
    every = [drawn[..., 0], drawn[..., 1], _ratio(drawn[..., 0], drawn[..., 1])]
    means = [drawn[..., 0].mean(1), drawn[..., 1].mean(1)]
    means.append(_ratio(means[0], means[1]))
    return Crossed(*(_around(*of, splits) for of in zip(figures, means, every, strict=True)))


def _ratio(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    # no distance between different patients is nought, but duplicated data may have it so
    return np.divide(a, b, out=np.full(np.shape(a), np.nan), where=np.asarray(b) > 0)


def _around(
    value: NDArray[np.float64],
    means: NDArray[np.float64],
    every: NDArray[np.float64],
    splits: int,
) -> Interval:
    """The figure with its interval, of draws and of the figures of each way to deal them."""
    if not (value > 0 and (every > 0).all()):
        return float(value), float("nan"), float("nan")
    logs = np.log(means)
    spread = logs - logs.mean()
    total = spread.var(ddof=1)
    of_dealing = np.log(every).var(axis=1, ddof=1).mean()
    added = of_dealing * (1 / every.shape[1] - 1 / splits)
    # no less than the chance of dealing the patients themselves
    kept = max(total - added, of_dealing / splits)
    shrunk = np.sqrt(kept / total) if total > 0 else 0.0
    low, high = value * np.exp(shrunk * np.quantile(spread, TAILS))
    return float(value), float(low), float(high)


def _distances(
    made: NDArray[np.floating], real: NDArray[np.floating], dealt: Sequence[Halves]
) -> NDArray[np.float64]:
    """Distance of synthetic to real, mean of both ways, and of real to real, (k, 2)."""
    at_once = max(NUMBERS_AT_ONCE // (8 * real.shape[1] ** 2), 1)
    found = []
    for first in range(0, len(dealt), at_once):
        part = dealt[first : first + at_once]
        made_p, made_q = (moments([made[one.made[k]] for one in part]) for k in (0, 1))
        real_p, real_q = (moments([real[one.real[k]] for one in part]) for k in (0, 1))
        across = (distances(real_q, made_p) + distances(real_p, made_q)) / 2
        found.append(np.stack([across, distances(real_q, real_p)], axis=1))
    return np.concatenate(found)
