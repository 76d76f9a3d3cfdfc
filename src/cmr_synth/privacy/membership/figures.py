"""How well scores tell members from others, patients being the units."""

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
from cmr_synth.privacy.weights import weights_by_patient

RATES = (0.01, 0.001)
"""False-positive rates at which true positives are counted."""
DRAWS = 2000


@dataclass(frozen=True)
class Figures:
    """Success of one attack.

    Parameters
    ----------
    auc : (value, low, high)
        By patient, among pairs of one cohort; 95 % bootstrap interval over patients.
    slice_auc : float
        By slice, among pairs of one cohort, patients weighing the same.
    p : float
        One-sided, of the patients' membership permuted within cohorts.
    rates : dict of false-positive rate to (value, low, high)
        True-positive rate by slice, patients weighing the same.
    members, others : int
        Patients that were compared.
    """

    auc: tuple[float, float, float]
    slice_auc: float
    p: float
    rates: dict[float, tuple[float, float, float]]
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
            "auc_by_slice": round(self.slice_auc, 4),
            "p": round(self.p, 5),
            "true_positive_rate": {
                f"{rate:g}": [round(v, 4) for v in found] for rate, found in self.rates.items()
            },
            "members": self.members,
            "others": self.others,
        }


def figures(
    scores: NDArray[np.floating],
    member: NDArray[np.bool_],
    patients: NDArray[np.str_],
    cohorts: NDArray[np.str_],
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
        Equal for all slices of a patient.
    patients, cohorts : (n,) arrays
    draws : int
        Bootstrap samples, and permutations.

    Raises
    ------
    ValueError
        If no cohort has both members and others, or a score is not finite.
    """
    if not np.isfinite(scores).all():
        raise ValueError("scores hold NaN or infinite values")
    both = [c for c in np.unique(cohorts) if 0 < member[cohorts == c].mean() < 1]
    if not both:
        raise ValueError("no cohort has both members and others")
    kept = np.isin(cohorts, both)
    scores, member = scores[kept], member[kept]
    patients, cohorts = patients[kept], cohorts[kept]
    names, first, at = np.unique(patients, return_index=True, return_inverse=True)
    means = np.bincount(at, weights=scores) / np.bincount(at)
    is_member, of_cohort = member[first], cohorts[first]
    # one cohort is harder to reproduce than another, so pairs are compared within each
    pairs = (of_cohort[:, None] == of_cohort[None, :]).astype(np.float64)
    wins = ((means[:, None] > means[None]) + 0.5 * (means[:, None] == means[None])) * pairs
    rng = np.random.default_rng(seed)
    weight = drawn_within(rng, is_member, draws)
    inside, outside = weight * is_member, weight * ~is_member
    ones, others = is_member.astype(np.float64)[None], (~is_member).astype(np.float64)[None]
    found = _share(wins, pairs, inside, outside)
    auc = float(_share(wins, pairs, ones, others)[0])
    shuffled = permuted_within(rng, is_member, of_cohort, draws)
    null = _share(wins, pairs, shuffled.astype(np.float64), (~shuffled).astype(np.float64))
    centred = _centred(scores, cohorts)
    per_slice = weights_by_patient(patients) * len(names)
    return Figures(
        auc=(auc, *percentile_interval(found)),
        slice_auc=_by_slice(scores, member, per_slice, cohorts),
        p=p_value(null, auc),
        rates=_rates(centred, member, at, per_slice, weight),
        members=int(is_member.sum()),
        others=int((~is_member).sum()),
    )


def _share(
    wins: NDArray[np.float64],
    pairs: NDArray[np.float64],
    inside: NDArray[np.float64],
    outside: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Weighted share of pairs that the member wins, (draws,)."""
    won = ((inside @ wins) * outside).sum(axis=1)
    compared = ((inside @ pairs) * outside).sum(axis=1)
    return np.divide(won, compared, out=np.full(len(won), np.nan), where=compared > 0)


def _by_slice(
    scores: NDArray[np.floating],
    member: NDArray[np.bool_],
    weights: NDArray[np.float64],
    cohorts: NDArray[np.str_],
) -> float:
    won = compared = 0.0
    for cohort in np.unique(cohorts):
        rows = cohorts == cohort
        a, wa = scores[rows & member], weights[rows & member]
        b, wb = scores[rows & ~member], weights[rows & ~member]
        order = np.argsort(b, kind="stable")
        total = np.concatenate([[0.0], np.cumsum(wb[order])])
        below = total[np.searchsorted(b[order], a, side="left")]
        upto = total[np.searchsorted(b[order], a, side="right")]
        won += float((wa * (below + upto) / 2).sum())
        compared += float(wa.sum() * wb.sum())
    return won / compared


def _centred(scores: NDArray[np.floating], cohorts: NDArray[np.str_]) -> NDArray[np.float64]:
    """Scores less their cohort's median, over its quartile distance; no labels are used."""
    result = np.asarray(scores, np.float64).copy()
    for cohort in np.unique(cohorts):
        rows = cohorts == cohort
        low, middle, high = np.quantile(result[rows], [0.25, 0.5, 0.75])
        result[rows] = (result[rows] - middle) / max(high - low, 1e-12)
    return result


def _rates(
    scores: NDArray[np.float64],
    member: NDArray[np.bool_],
    at: NDArray[np.int64],
    per_slice: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> dict[float, tuple[float, float, float]]:
    """True-positive rates with their interval over patients."""
    order = np.argsort(-scores, kind="stable")
    is_member, patient, each = member[order], at[order], per_slice[order]

    def at_rate(times: NDArray[np.float64], rate: float) -> float:
        w = each * times[patient]
        false = np.cumsum(w * ~is_member) / (w * ~is_member).sum()
        true = np.cumsum(w * is_member) / (w * is_member).sum()
        allowed = int(np.searchsorted(false, rate + 1e-12, side="right"))
        return float(true[allowed - 1]) if allowed else 0.0

    once = np.ones(weight.shape[1])
    found = {}
    for rate in RATES:
        drawn = [at_rate(times, rate) for times in weight[:500]]
        found[rate] = (at_rate(once, rate), *percentile_interval(drawn))
    return found
