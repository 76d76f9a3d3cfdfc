"""How well scores tell members from others, persons being the units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.evaluation.resampling import (
    drawn_within,
    p_value,
    percentile_interval,
    permuted_within,
)

RATES = (0.1, 0.01, 0.001)
"""False-positive rates at which true positives are counted, if there are persons enough."""
DRAWS = 2000
Z = 1.959964  # 97.5 % point of the normal distribution


@dataclass(frozen=True)
class Figures:
    """Success of one attack.

    Parameters
    ----------
    auc : (value, low, high)
        By person, among pairs of one stratum; 95 % score interval.
    p : float
        One-sided, of membership permuted among the persons of each stratum.
    rates : dict of false-positive rate to (value, low, high), or None
        True-positive rate by person, 95 % bootstrap interval; None where there are fewer others
        than one in whom the rate is a false positive.
    members, others : int
        Persons that were compared.
    """

    auc: tuple[float, float, float]
    p: float
    rates: dict[float, tuple[float, float, float] | None]
    members: int
    others: int

    @property
    def told_apart(self) -> bool:
        """Whether the interval of the AUC leaves out 0.5."""
        return self.auc[1] > 0.5 or self.auc[2] < 0.5

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "auc": [round(v, 4) for v in self.auc],
            "p": round(self.p, 5),
            "true_positive_rate": {
                f"{rate:g}": None if found is None else [round(v, 4) for v in found]
                for rate, found in self.rates.items()
            },
            "persons_needed_for_rate": {f"{rate:g}": persons_needed(rate) for rate in RATES},
            "members": self.members,
            "others": self.others,
        }


def persons_needed(rate: float) -> int:
    """Others of whom one makes a false-positive rate."""
    return round(1 / rate)


@dataclass(frozen=True, eq=False)
class Pairs:
    """Persons of strata that have both sides, and who outdoes whom.

    Parameters
    ----------
    scores : (p,) array
        Mean over a person's slices.
    member : (p,) bool array
    strata : (p,) array
    """

    scores: NDArray[np.float64]
    member: NDArray[np.bool_]
    strata: NDArray[np.str_]

    @classmethod
    def of(
        cls,
        scores: NDArray[np.floating],
        member: NDArray[np.bool_],
        persons: NDArray[np.str_],
        strata: NDArray[np.str_],
    ) -> Pairs:
        """From slices.

        Raises
        ------
        ValueError
            If no stratum has both members and others, or a score is not finite.
        """
        if not np.isfinite(scores).all():
            raise ValueError("scores hold NaN or infinite values")
        both = [s for s in np.unique(strata) if 0 < member[strata == s].mean() < 1]
        if not both:
            raise ValueError("no stratum has both members and others")
        kept = np.isin(strata, both)
        _, first, at = np.unique(persons[kept], return_index=True, return_inverse=True)
        means = np.bincount(at, weights=scores[kept]) / np.bincount(at)
        return cls(means, member[kept][first], strata[kept][first])

    def auc(self, member: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
        """Share of pairs of one stratum that the member wins, (draws,), for (draws, p) labels."""
        labels = np.atleast_2d(self.member if member is None else member).astype(np.float64)
        won = compared = np.zeros(len(labels))
        for stratum in np.unique(self.strata):
            rows = self.strata == stratum
            one = self.scores[rows]
            wins = (one[:, None] > one[None]) + 0.5 * (one[:, None] == one[None])
            inside = labels[:, rows]
            won = won + ((inside @ wins) * (1 - inside)).sum(axis=1)
            compared = compared + inside.sum(axis=1) * (1 - inside).sum(axis=1)
        return np.asarray(won / compared)

    def interval(self) -> tuple[float, float]:
        """95 % interval of the AUC.

        The AUCs for which the one found lies within 1.96 standard deviations, the deviation being
        that of Hanley and McNeil at the AUC tried, not at the one found (Newcombe 2006, method 5,
        doi:10.1002/sim.2324), summed over strata. At 0.5 that is the variance of the rank-sum
        test, and an AUC of 1 has an interval, too. Where the spread found (DeLong et al. 1988) is
        greater, as when some members stand far out and others not at all, it is widened to it.
        """
        from scipy.optimize import brentq

        found = float(self.auc()[0])
        sizes, spread = self._spread()
        wider = max(1.0, spread / max(_variance(found, sizes), 1e-12))

        def beyond(tried: float) -> float:
            return (found - tried) ** 2 - Z**2 * wider * _variance(tried, sizes)

        # at 0 and 1 themselves the variance is nought, and so they would be ends of their own
        least, most = max(found, 1e-9), min(found, 1 - 1e-9)
        low = float(brentq(beyond, 0.0, most)) if found > 0 else 0.0
        high = float(brentq(beyond, least, 1.0)) if found < 1 else 1.0
        return low, high

    def _spread(self) -> tuple[list[tuple[int, int]], float]:
        """Members and others of each stratum, and DeLong's variance of the AUC."""
        sizes, total = [], 0.0
        for stratum in np.unique(self.strata):
            rows = self.strata == stratum
            inside, outside = self.scores[rows & self.member], self.scores[rows & ~self.member]
            wins = (inside[:, None] > outside) + 0.5 * (inside[:, None] == outside)
            m, n = wins.shape
            sizes.append((m, n))
            if min(m, n) > 1:
                a, b = wins.mean(axis=1).var(ddof=1), wins.mean(axis=0).var(ddof=1)
                total += (m * n) ** 2 * (a / m + b / n)
        return sizes, total / sum(m * n for m, n in sizes) ** 2


def figures(
    scores: NDArray[np.floating],
    member: NDArray[np.bool_],
    persons: NDArray[np.str_],
    strata: NDArray[np.str_],
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Figures:
    """Figures of one attack.

    Parameters
    ----------
    scores : (n,) array
        Of slices; the greater, the more like a member.
    member : (n,) bool array
        Equal for all slices of a person.
    persons, strata : (n,) arrays
        Persons of one stratum are compared, and membership is permuted among them.
    draws : int
        Permutations, and bootstrap samples.

    Raises
    ------
    ValueError
        If no stratum has both members and others, or a score is not finite.
    """
    pairs = Pairs.of(scores, member, persons, strata)
    rng = np.random.default_rng(seed)
    auc = float(pairs.auc()[0])
    null = pairs.auc(permuted_within(rng, pairs.member, pairs.strata, draws))
    return Figures(
        auc=(auc, *pairs.interval()),
        p=p_value(null, auc),
        rates=_rates(pairs, rng, draws),
        members=int(pairs.member.sum()),
        others=int((~pairs.member).sum()),
    )


def _variance(auc: float, sizes: list[tuple[int, int]]) -> float:
    """Of an AUC over pairs of strata (Hanley and McNeil 1982, with one size for both sides)."""
    total = 0.0
    for m, n in sizes:
        more = (m + n) / 2 - 1
        one = auc * (1 - auc) * (1 + more * ((1 - auc) / (2 - auc) + auc / (1 + auc))) / (m * n)
        total += (m * n) ** 2 * one
    return total / sum(m * n for m, n in sizes) ** 2


def _rates(
    pairs: Pairs, rng: np.random.Generator, draws: int
) -> dict[float, tuple[float, float, float] | None]:
    """True-positive rates over all strata, each brought to one centre and spread."""
    scores = _centred(pairs.scores, pairs.strata)
    order = np.argsort(-scores, kind="stable")
    member = pairs.member[order]
    groups = np.array([f"{s} {m}" for s, m in zip(pairs.strata, pairs.member, strict=True)])
    weight = drawn_within(rng, groups, min(draws, 500))[:, order]
    # persons of one score are called members all together or not at all
    last = np.append(np.diff(scores[order]) != 0, True)

    def at_rate(times: NDArray[np.float64], rate: float) -> float:
        false = np.cumsum(times * ~member) / (times * ~member).sum()
        true = np.cumsum(times * member) / (times * member).sum()
        allowed = np.flatnonzero((false <= rate + 1e-12) & last)
        return float(true[allowed[-1]]) if len(allowed) else 0.0

    once = np.ones(len(scores))
    found: dict[float, tuple[float, float, float] | None] = {}
    for rate in RATES:
        if int((~pairs.member).sum()) < persons_needed(rate):
            found[rate] = None
            continue
        drawn = [at_rate(times, rate) for times in weight]
        found[rate] = (at_rate(once, rate), *percentile_interval(drawn))
    return found


def _centred(scores: NDArray[np.float64], strata: NDArray[np.str_]) -> NDArray[np.float64]:
    """Scores less their stratum's median; no labels are used."""
    result = scores.copy()
    for stratum in np.unique(strata):
        rows = strata == stratum
        result[rows] -= np.median(result[rows])
    return result
