"""How surprisingly near slices are among those of held-out patients, and how rare that is.

Slices of a patient are alike, so that only whole patients are exchangeable with a new one: ranks
are of patients, and everything that a patient is compared with is computed without that patient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cmr_synth.privacy.weights import quantile, weights_by_patient

ENOUGH = 20
"""Held-out patients from whom a p-value is taken; of a vendor or level with fewer, all are."""
TAIL = 0.1
"""Share of held-out slices from which the tail of a statistic is continued."""
TAIL_SLICES = 20
"""Slices at least: of fewer the exponent hangs on each, and slices that are left out look nearer
among the others than they do to anybody else."""
TOP = 3
"""One patient in so many, the nearest, tells how the tail of patients falls off."""
SMALLEST = 1e-3
"""Distances below it are not told apart: descriptors are kept in half precision."""
LEVEL_SLICES = 100
"""Slices of a level that make it one of its own: of fewer, `TAIL_SLICES` are no tail."""
ANY_LEVEL = ""


@dataclass(frozen=True, eq=False)
class Peers:
    """Held-out patients that slices are compared with.

    Parameters
    ----------
    statistics : (m, s) array
        Of their slices; the smaller, the nearer to the archive.
    patients, levels : (m,) arrays
        Of each slice.
    """

    statistics: NDArray[np.floating]
    patients: NDArray[np.str_]
    levels: NDArray[np.str_]

    @cached_property
    def _at(self) -> NDArray[np.int64]:
        return np.asarray(np.unique(self.patients, return_inverse=True)[1], np.int64)

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """Slices of each patient."""
        return np.bincount(self._at)

    def __len__(self) -> int:
        """Patients."""
        return len(self.sizes)

    @cached_property
    def _tails(self) -> dict[str, _Tails]:
        """Of slices of each level, if there are enough of enough patients, and of all."""
        weights = weights_by_patient(self.patients)
        rows = {ANY_LEVEL: np.arange(len(self.patients))}
        for level in np.unique(self.levels):
            of_level = np.flatnonzero(self.levels == level)
            few = len(of_level) < LEVEL_SLICES or len(np.unique(self._at[of_level])) < ENOUGH
            if level and not few:
                rows[str(level)] = of_level
        return {
            name: _Tails.of(self.statistics[index], weights[index], self._at[index])
            for name, index in rows.items()
        }

    def level_of(self, level: str) -> str:
        """The level itself, or nothing where too few patients and slices are of it."""
        return level if level in self._tails else ANY_LEVEL

    def surprise(
        self,
        statistics: NDArray[np.floating],
        levels: NDArray[np.str_],
        *,
        without: NDArray[np.int64] | None = None,
    ) -> NDArray[np.float64]:
        """Minus the logarithm of the share (n, s) of held-out slices of the level as near.

        Patients weigh the same. Below the `TAIL` point distances are taken to fall off as a power,
        as those to the nearest of many points do, with the exponent of Hill 1975
        (doi:10.1214/aos/1176343247). This is a scale on which statistics are compared, and no
        p-value yet: what is rare on it is told by whole patients.

        Parameters
        ----------
        without : (n,) array, optional
            Number of the patient who is left out for each slice.
        """
        found = np.zeros(statistics.shape)
        places = np.array([self.level_of(str(level)) for level in levels])
        for name in np.unique(places):
            rows = places == name
            left_out = None if without is None else without[rows]
            found[rows] = self._tails[str(name)].surprise(statistics[rows], left_out)
        return found

    @cached_property
    def own(self) -> NDArray[np.float64]:
        """Surprise (m, s) of the held-out slices themselves, each patient among the others."""
        return self.surprise(self.statistics, self.levels, without=self._at)

    def beyond(
        self, surprise: NDArray[np.float64], share: float, of: Sequence[int] | None = None
    ) -> NDArray[np.bool_]:
        """Which slices (n,) are nearer than all but a share of held-out slices.

        Patients weigh the same. By the most surprising of the statistics `of`, by default all.
        """
        columns = list(range(surprise.shape[1])) if of is None else list(of)
        weights = weights_by_patient(self.patients)
        point = quantile(-self.own[:, columns].max(axis=1), weights, share)
        return np.asarray(-surprise[:, columns].max(axis=1) <= point)

    def p_values(
        self, surprise: NDArray[np.float64], *, count: int | None = None
    ) -> NDArray[np.float64]:
        """P-values of slices (n,) of one new patient, corrected for there being n of them.

        p of a slice is the chance that any of n slices of a real patient is as surprising in any
        statistic: p = (1 + k) / (patients + 1), k the number of held-out patients of whom this is
        to be expected, drawing n of their slices (conformal inference for groups: Dunn, Wasserman
        and Ramdas 2022, doi:10.1080/01621459.2022.2060112; the largest statistic accounts for all:
        Westfall and Young 1993). The smallest p of the slices is that of the patient.

        A patient nearer than every held-out one would have 1 / (patients + 1) however near, so
        that one copy among hundreds of slices could never be significant. There the tail of
        patients is continued: of the nearest one in `TOP`, m patients, surprise beyond the next is
        taken to fall off exponentially, and p is multiplied by (1 + y / S)^-m, S being the sum of
        their excesses and y that of the slice. This is the exact chance of an excess y, the scale
        being unknown (the ratio of a new excess to the mean of m is F(2, 2m)), so that few
        patients make it larger. The scale is never taken as smaller than that of slices, 1.

        Parameters
        ----------
        count : int, optional
            Slices of the patient, if there are others than these.
        """
        scores = surprise.max(axis=1)
        count = len(scores) if count is None else count
        p = (1 + self._expected(scores, count, strictly=False)) / (len(self) + 1)
        largest = np.sort(self._scores.max(axis=1))[::-1]
        top = max(1, len(self) // TOP)
        point = largest[top]
        excesses = max(float((largest[:top] - point).sum()), float(top))
        above = (1 + self._expected(point[None], count, strictly=True)[0]) / (len(self) + 1)
        continued = above * (1 + np.maximum(scores - point, 0) / excesses) ** -top
        outside = scores > largest[0]
        p[outside] = np.minimum(p[outside], continued[outside])
        return np.asarray(np.minimum(p, 1.0))

    @cached_property
    def _scores(self) -> NDArray[np.float64]:
        """Largest surprise of every slice, a row a patient, filled up with minus infinity."""
        table = np.full((len(self), self.sizes.max()), -np.inf)
        for number in range(len(self)):
            table[number, : self.sizes[number]] = self.own[self._at == number].max(axis=1)
        return table

    def _expected(
        self, scores: NDArray[np.float64], count: int, *, strictly: bool
    ) -> NDArray[np.float64]:
        """Of how many patients (n,) some of `count` slices are expected to reach each score.

        Of a patient with more slices, `count` are drawn without replacement. One with fewer counts
        as count / slices: the chance that some slice is near grows no faster than their number.
        """
        asked = scores[:, None, None]
        reached = (self._scores > asked) if strictly else (self._scores >= asked)
        near = reached.sum(axis=2)  # (n, patients)
        chance = (near > 0) * (count / self.sizes)
        more = np.flatnonzero(self.sizes > count)
        chance[:, more] = 1 - _none_drawn(self.sizes[more], near[:, more], count)
        return np.asarray(chance.sum(axis=1))


@dataclass(frozen=True, eq=False)
class _Tails:
    """Sorted values of each statistic with the patient of each and the weight."""

    values: NDArray[np.float64]
    weights: NDArray[np.float64]
    patients: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        statistics: NDArray[np.floating],
        weights: NDArray[np.float64],
        patients: NDArray[np.int64],
    ) -> _Tails:
        order = np.argsort(statistics, axis=0, kind="stable")
        values = np.take_along_axis(np.asarray(statistics, np.float64), order, axis=0)
        return cls(np.maximum(values, SMALLEST), weights[order], patients[order])

    def surprise(
        self, statistics: NDArray[np.floating], without: NDArray[np.int64] | None
    ) -> NDArray[np.float64]:
        """See `Peers.surprise`."""
        asked = np.maximum(np.asarray(statistics, np.float64), SMALLEST)
        nobody = np.full(len(asked), -1)
        left_out, row = np.unique(nobody if without is None else without, return_inverse=True)
        found = np.zeros(asked.shape)
        for k in range(asked.shape[1]):
            values = self.values[:, k]
            # a row for each patient left out
            weights = self.weights[:, k] * (self.patients[:, k] != left_out[:, None])
            below = np.cumsum(weights, axis=1)
            below /= below[:, -1:]
            at = (below >= TAIL - 1e-12).argmax(axis=1)
            at = np.maximum(at, min(TAIL_SLICES, len(values)) - 1)
            excess = np.maximum(np.log(values[at][:, None] / values), 0)
            inside = weights * (np.arange(len(values)) <= at[:, None])
            scale = np.maximum((excess * inside).sum(axis=1) / inside.sum(axis=1), SMALLEST)
            place = np.maximum(np.searchsorted(values, asked[:, k], side="right") - 1, 0)
            point = below[np.arange(len(at)), at]
            share = np.clip(below[row, place], point[row], 1)
            continued = np.log(values[at][row] / asked[:, k]) / scale[row] - np.log(point[row])
            found[:, k] = np.where(asked[:, k] > values[at][row], -np.log(share), continued)
        return found


def _none_drawn(
    slices: NDArray[np.int64], marked: NDArray[np.int64], count: int
) -> NDArray[np.float64]:
    """Chance that `count` of the slices, drawn without replacement, hold none that is marked."""
    from scipy.special import gammaln

    rest = slices - marked
    ways = gammaln(rest + 1) - gammaln(np.maximum(rest - count, 0) + 1)
    of = gammaln(slices + 1) - gammaln(slices - count + 1)
    return np.where(rest >= count, np.exp(ways - of), 0.0)
