"""Where a distance stands among those of real held-out patients to the same archive.

Every patient weighs the same, however many slices there are of one, so that duplicates change
nothing. The direction is that of the question: from people outside the archive to those in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

STATISTICS = {
    "embedding": "distance to the nearest patient between descriptors of whole slices",
    "embedding ratio": "the same over the distance to the next other patient",
    "windows": "smallest ratio among descriptors of 25 windows: copies of a part",
    "pixels": "distance to the nearest patient between principal components of pixels",
}
"""What is measured of a slice; the smaller, the more alike."""
ENOUGH = 20
"""Held-out patients from whom a percentile of a group is taken; with fewer the group is widened."""
TAIL = 0.1
"""Share of held-out slices from which the tail is continued."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """Statistics of held-out slices.

    Parameters
    ----------
    statistics : (m, s) array
        In the order of `STATISTICS`.
    patients, vendors, levels : (m,) arrays
        Of each slice.
    """

    statistics: NDArray[np.float32]
    patients: NDArray[np.str_]
    vendors: NDArray[np.str_]
    levels: NDArray[np.str_]

    @classmethod
    def of(
        cls,
        statistics: NDArray[np.float32],
        patients: NDArray[np.str_],
        vendors: NDArray[np.str_],
        levels: NDArray[np.str_],
    ) -> Calibration:
        """With each slice once: one that is there twice is no second draw."""
        names = np.stack([patients, vendors, levels], axis=1)
        _, who = np.unique(names, axis=0, return_inverse=True)
        keys = np.concatenate([statistics, who.reshape(-1, 1)], axis=1)
        first = np.sort(np.unique(keys, axis=0, return_index=True)[1])
        return cls(statistics[first], patients[first], vendors[first], levels[first])

    def __len__(self) -> int:
        return len(self.patients)

    @property
    def count(self) -> int:
        """Patients."""
        return len(np.unique(self.patients))

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """(m,): the smallest rank of each held-out slice over the statistics."""
        return self.combined(self.statistics)

    def combined(
        self, statistics: NDArray[np.floating], of: Sequence[int] | None = None
    ) -> NDArray[np.float64]:
        """Smallest rank (n,) of slices over statistics: the share of held-out slices below.

        Comparing it with that of held-out slices accounts for there being several chances to be
        near.

        Parameters
        ----------
        statistics : (n, s) array
        of : sequence of int, optional
            Columns that are used; by default all.
        """
        weights = weights_by_patient(self.patients)
        ranks = [
            share_below(statistics[:, k], self.statistics[:, k], weights)
            + _beyond(statistics[:, k], self.statistics[:, k])
            for k in (range(statistics.shape[1]) if of is None else of)
        ]
        return np.asarray(np.min(ranks, axis=0))

    def threshold(self, alarms: float, of: Sequence[int] | None = None) -> float:
        """Combined rank that a share of held-out slices, patients weighing the same, stays below.

        Of few slices none may be a false alarm: it lies just below them all then.
        """
        return self._quantile(self.combined(self.statistics, of), alarms)

    def _quantile(self, values: NDArray[np.floating], share: float) -> float:
        order = np.argsort(values, kind="stable")
        below = np.cumsum(weights_by_patient(self.patients)[order])
        allowed = int(np.searchsorted(below, share + 1e-12, side="right"))
        least = float(values.min())
        return float(values[order][allowed - 1]) if allowed else float(np.nextafter(least, -np.inf))

    def p_values(
        self, statistics: NDArray[np.floating], vendors: NDArray[np.str_], levels: NDArray[np.str_]
    ) -> tuple[NDArray[np.float64], list[str]]:
        """Calibrated p-value of each slice, and the held-out slices that it was matched with.

        p = (n F + 1) / (n + 1), F the share of matched held-out slices that are as near, each
        patient weighing the same, and n = 1 / sum(w^2) their effective number (Kish 1965). Slices
        of a patient count as draws of their own in n, which makes p small enough to be corrected
        for many slices; the report says so.

        Matched are those of the vendor and level, or, where fewer than `ENOUGH` patients are left,
        of the level, or all.

        A slice nearer than every held-out one would have p = 1 / (n + 1) however near it is, so
        that one copy among hundreds of slices could never be significant. There the tail of each
        statistic is continued: see `_continued`.
        """
        scores = self.combined(statistics)
        p = np.ones(len(scores))
        words = [""] * len(scores)
        for key in {*zip(vendors.tolist(), levels.tolist(), strict=True)}:
            rows = (vendors == key[0]) & (levels == key[1])
            chosen, name = self._matched(*key)
            weights = weights_by_patient(self.patients[chosen])
            n = 1 / float((weights**2).sum())
            below = share_below(scores[rows], self.scores[chosen], weights)
            p[rows] = (n * below + 1) / (n + 1)
            for i in np.flatnonzero(rows):
                words[i] = name
        outside = scores < self.scores.min()
        p[outside] = np.minimum(p[outside], self._continued(statistics[outside]))
        return p, words

    def _continued(self, statistics: NDArray[np.floating]) -> NDArray[np.float64]:
        """P-values (n,) from exponential tails: the smallest, times the number of statistics.

        Excesses below the `TAIL` point are given an exponential distribution, the generalised
        Pareto of shape 0 (Pickands 1975, doi:10.1214/aos/1176343003). Distances end at zero, so
        that their true tail is shorter and the p-value errs on the large side.
        """
        weights = weights_by_patient(self.patients)
        least = np.ones(len(statistics))
        for k in range(self.statistics.shape[1]):
            point = self._quantile(self.statistics[:, k], TAIL)
            rows = self.statistics[:, k] <= point
            if not rows.any():
                return np.ones(len(statistics))
            excess = point - self.statistics[rows, k]
            scale = float(np.average(excess, weights=weights[rows]))
            below = np.maximum(point - statistics[:, k], 0) / max(scale, 1e-9)
            least = np.minimum(least, TAIL * np.exp(-below))
        return np.asarray(np.minimum(1, self.statistics.shape[1] * least))

    def _matched(self, vendor: str, level: str) -> tuple[NDArray[np.bool_], str]:
        at_level = self.levels == level
        tries = [
            (at_level & (self.vendors == vendor), f"{vendor or 'unknown vendor'}, {level}"),
            (at_level, f"{level}, all vendors"),
        ]
        for chosen, name in tries:
            if len(np.unique(self.patients[chosen])) >= ENOUGH:
                return chosen, name
        return np.ones(len(self), bool), "all vendors and levels"


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


def _beyond(values: NDArray[np.floating], among: NDArray[np.floating]) -> NDArray[np.float64]:
    """Below zero where a value is smaller than all others: by how much, as a share of the least.

    Without it, everything nearer than the nearest held-out slice would tie with it.
    """
    least = max(float(among.min()), 1e-6)
    return np.minimum(np.asarray(values, np.float64) / least - 1, 0.0)


def discoveries(p: NDArray[np.float64], rate: float = 0.1) -> NDArray[np.bool_]:
    """Slices flagged so that at most a share `rate` of the flags is false.

    Benjamini and Hochberg 1995 (doi:10.1111/j.2517-6161.1995.tb02031.x).
    """
    from scipy.stats import false_discovery_control

    if not len(p):
        return np.zeros(0, bool)
    # sums of weights may be a rounding above 1; one that meets its step exactly passes
    adjusted = false_discovery_control(np.minimum(p, 1), method="bh")
    return np.asarray(adjusted <= rate * (1 + 1e-12))
