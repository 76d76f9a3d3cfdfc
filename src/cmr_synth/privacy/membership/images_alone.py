"""The control that sees no model: do the two sides differ by themselves?

If a classifier tells members from others by their slices alone, the sides differ without any leak
(Das et al. 2024, arXiv:2406.16201), and what an attack finds may be that.

Where such a classifier stands with nothing to find is not 0.5. It is judged on persons it was not
fitted to, and a split that is balanced over pathologies leaves fewer of a kind on the one side
when there are more on the other, which drives it below. So nothing is compared with 0.5: persons
are dealt anew to two sides, as many of each stratum as in the split itself, the classifier is
fitted to these sides in the same way, and the AUC found is placed among theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.evaluation.resampling import p_value, percentile_interval, permuted_within
from cmr_synth.privacy.membership.figures import Pairs
from cmr_synth.privacy.membership.units import Units

SPLITS = 199
"""Other splits that the classifier is fitted to."""
REPEATS = 3
"""Divisions into folds over which its scores are averaged."""
FOLDS = 5
RIDGE = 0.1
"""Penalty on a weight, of features with deviation 1."""
LEVEL = 0.05


@dataclass(frozen=True)
class ImagesAlone:
    """What a classifier without a model finds.

    Parameters
    ----------
    auc : float
        By person, among pairs of one stratum.
    null : (low, high)
        95 % range of the AUC over other splits of the same persons.
    percentile : float
        Share of other splits, in %, with a smaller AUC, one that is as great counting half.
    p : float
        One-sided: share of splits, this one among them, with so great an AUC.
    splits : int
    """

    auc: float
    null: tuple[float, float]
    percentile: float
    p: float
    splits: int

    @property
    def differs(self) -> bool:
        """Whether the sides are told apart better than other splits are."""
        return self.p <= LEVEL

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "auc": round(self.auc, 4),
            "auc_of_other_splits": [round(v, 4) for v in self.null],
            "percentile": round(self.percentile, 1),
            "p": round(self.p, 4),
            "splits": self.splits,
        }


def images_alone(
    pixels: NDArray[np.float32], units: Units, *, seed: int, splits: int = SPLITS
) -> ImagesAlone:
    """Fit the classifier to the sides, and to others.

    Parameters
    ----------
    pixels : (n, y, x) float32 array in [0, 1]
    units : Units
        Of the slices.
    seed : int
    splits : int
        Others.
    """
    return among_other_splits(_features(pixels), units, seed=seed, splits=splits)


def among_other_splits(
    features: NDArray[np.float64],
    units: Units,
    *,
    seed: int,
    splits: int = SPLITS,
    repeats: int = REPEATS,
) -> ImagesAlone:
    """`images_alone` of slices that are described already, (n, k)."""
    names, first, at = np.unique(units.persons, return_index=True, return_inverse=True)
    of_person = np.stack([np.bincount(at, column) / np.bincount(at) for column in features.T], 1)
    member, strata, cohorts = units.member[first], units.strata[first], units.cohorts[first]
    known = np.concatenate([of_person, _one_hot(cohorts)], axis=1)

    def auc(labels: NDArray[np.bool_], draw: int) -> float:
        scores = _scores(known, labels, seed=seed + draw, repeats=repeats)
        return float(Pairs.of(scores, labels, names, strata).auc()[0])

    found = auc(member, 0)
    rng = np.random.default_rng(seed)
    others = permuted_within(rng, member, strata, splits)
    null = np.array([auc(labels, draw + 1) for draw, labels in enumerate(others)])
    below = (null < found - 1e-12).mean() + 0.5 * (np.abs(null - found) <= 1e-12).mean()
    return ImagesAlone(
        found, percentile_interval(null), 100 * float(below), p_value(null, found), splits
    )


def _scores(
    features: NDArray[np.float64], member: NDArray[np.bool_], *, seed: int, repeats: int
) -> NDArray[np.float64]:
    """Scores of persons, each judged by a ridge regression fitted to others, both sides alike."""
    folds = max(2, min(FOLDS, int(member.sum()), int((~member).sum())))
    rng = np.random.default_rng(seed)
    scores = np.zeros(len(member))
    for _ in range(repeats):
        fold = np.zeros(len(member), int)
        for side in (member, ~member):
            fold[side] = rng.permutation(int(side.sum())) % folds
        for number in range(folds):
            test, train = fold == number, fold != number
            weight = np.where(member, 0.5 / member[train].sum(), 0.5 / (~member)[train].sum())
            scores[test] += _judged(features, member, weight * train)[test] / repeats
    return scores


def _judged(
    features: NDArray[np.float64], member: NDArray[np.bool_], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """All persons by the regression of those that weigh anything; weights sum to one."""
    centred = features - weight @ features
    scaled = centred / np.sqrt(np.maximum(weight @ centred**2, 1e-12))
    goal = np.where(member, 1.0, -1.0)
    moments = (scaled * weight[:, None]).T @ scaled + RIDGE * np.eye(scaled.shape[1])
    return np.asarray(scaled @ np.linalg.solve(moments, (weight * goal) @ scaled))


def _features(pixels: NDArray[np.float32]) -> NDArray[np.float64]:
    """Ten quantiles of the grey levels, and the energy of eight frequency rings."""
    quantiles = np.quantile(pixels, np.linspace(0.05, 0.95, 10), axis=(1, 2)).T
    power = np.abs(np.fft.rfft2(pixels, axes=(1, 2))) ** 2
    y = np.fft.fftfreq(pixels.shape[1])[:, None] / 0.5
    x = np.fft.rfftfreq(pixels.shape[2])[None, :] / 0.5
    ring = np.minimum((np.hypot(y, x) * 8).astype(int), 8)
    energy = [np.log(power[:, ring == k].mean(axis=1) + 1e-9) for k in range(8)]
    return np.concatenate([quantiles, np.stack(energy, axis=1)], axis=1)


def _one_hot(names: NDArray[np.str_]) -> NDArray[np.float64]:
    return (names[:, None] == np.unique(names)[None]).astype(np.float64)
