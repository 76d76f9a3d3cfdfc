"""Published tests of copying, on descriptors; groups (patients) are the units of resampling.

Synthetic slices belong to the group of the patient whose mask they follow, and are never compared
with that patient's real slices: an identical mask forces resemblance.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from cmr_synth.evaluation.resampling import (
    drawn,
    p_value,
    percentile_interval,
    rows_of_patients,
    some_patients,
)

Vectors = NDArray[np.floating]
Names = NDArray[np.str_]
DRAWS = 500
BLOCK = 512
FEW = 20
"""Slices of both sets that a cell needs for the data-copying test."""
OF_A_CELL = 10
"""Patients for whom a cell of it is made: the deviation of a z-score is that of patients."""


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval over patients, and what real held-out patients give.

    Parameters
    ----------
    p : float
        One-sided, for the value to lie on the far side of `real`, above or below as asked; NaN
        where nothing is tested.
    """

    value: float
    low: float
    high: float
    real: float = float("nan")
    p: float = float("nan")

    @property
    def error(self) -> float:
        """Standard error, by the width of the interval."""
        return (self.high - self.low) / (2 * float(norm.ppf(0.975)))

    def tested(self, side: int, error: float | None = None) -> Estimate:
        """With p of the value being above `real` (side 1), below it (-1), or either (0).

        By the normal distribution, with the standard error of the interval or another one: draws
        are too few for the small p-values that correcting for several tests asks for.
        """
        z = (self.value - self.real) / max(self.error if error is None else error, 1e-12)
        p = float(2 * norm.sf(abs(z))) if side == 0 else float(norm.sf(side * z))
        return replace(self, p=p)


def nearest(
    asked: Vectors, bank: Vectors, owners: Names | None = None, others: Names | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Row of the nearest vector and its distance.

    Parameters
    ----------
    asked, bank : (n, d) and (m, d) arrays
    owners, others : (n,) and (m,) arrays, optional
        Groups; vectors of one's own group are passed over.

    Returns
    -------
    (n,) int64 array, (n,) float64 array
        The distance is infinite where there is no other group.
    """
    rows, apart = np.zeros(len(asked), np.int64), np.zeros(len(asked))
    bank = np.asarray(bank, np.float64)
    squares = (bank**2).sum(axis=1)
    for first in range(0, len(asked), BLOCK):
        part = slice(first, first + BLOCK)
        one = np.asarray(asked[part], np.float64)
        sums = (one**2).sum(axis=1)[:, None] + squares[None]
        distance = sums - 2 * one @ bank.T
        # rounding leaves of equal vectors what is none of their distance
        distance[distance < 1e-12 * sums] = 0
        if owners is not None and others is not None:
            distance[owners[part][:, None] == others[None]] = np.inf
        rows[part] = distance.argmin(axis=1)
        apart[part] = np.sqrt(distance[np.arange(len(one)), rows[part]])
    return rows, apart


def authentic(
    synthetic: Vectors,
    training: Vectors,
    groups: Names | None = None,
    owners: Names | None = None,
) -> NDArray[np.bool_]:
    """Which samples are no noisy copies of a training sample.

    A sample is authentic if it lies farther from its nearest training sample than that one from its
    own nearest training sample (Alaa et al. 2022, arXiv:2102.08921, sec. 3.3), of whatever patient
    that is. Authenticity is the share of authentic samples.

    Parameters
    ----------
    groups, owners : (n,) and (m,) arrays, optional
        Of synthetic and training samples; those of one's own group are passed over.
    """
    # the training sample itself is passed over by its number
    numbers = np.arange(len(training)).astype(str)
    _, among = nearest(training, training, numbers, numbers)
    at, apart = nearest(synthetic, training, groups, owners)
    return np.asarray(apart > among[at])


def data_copying(
    synthetic: Vectors,
    held_out: Vectors,
    training: Vectors,
    synthetic_groups: Names,
    held_out_groups: Names,
    training_groups: Names | None = None,
    *,
    seed: int = 0,
) -> Estimate:
    """C_T: far below 0 copying, far above 0 underfitting (Meehan et al. 2020, arXiv:2004.05675).

    The mean over cells of the training set (k-means), weighted by held-out samples, of the z-score
    of Mann and Whitney between the distances to the training set of synthetic and of held-out
    samples. The paper divides by the standard deviation of independent samples; slices of one
    patient are alike, so that here it is that of patients, with a synthetic set and held-out slices
    of the same ones counting as one (Obuchowski 1997, doi:10.2307/2533958). Without it C_T of a
    perfect generator is no standard normal, and several times as wide. The interval is of the same
    deviations, with the t distribution of the patients.
    """
    from scipy.stats import t
    from sklearn.cluster import KMeans

    people = min(len(np.unique(part)) for part in (synthetic_groups, held_out_groups))
    cells = max(1, min(10, len(held_out) // 50, len(training) // 50, people // OF_A_CELL))
    means = KMeans(cells, n_init=4, random_state=seed).fit(np.asarray(training, np.float64))
    place = [means.predict(np.asarray(part, np.float64)) for part in (synthetic, held_out)]
    _, made = nearest(synthetic, training, synthetic_groups, training_groups)
    _, real = nearest(held_out, training)
    names = np.unique(np.concatenate([synthetic_groups, held_out_groups]))
    numbers = [np.searchsorted(names, part) for part in (synthetic_groups, held_out_groups)]
    total = weight = 0.0
    influence = np.zeros(len(names))
    for cell in range(cells):
        a, b = (where == cell for where in place)
        if min(a.sum(), b.sum()) < min(FEW, len(made), len(real)):
            continue
        above, own = _above(made[a], real[b], numbers[0][a], numbers[1][b], len(names))
        error = max(float(np.sqrt((own**2).sum())), 1e-12)
        total += int(b.sum()) * above / error
        influence += int(b.sum()) * own / error
        weight += int(b.sum())
    if not weight:
        return Estimate(float("nan"), float("nan"), float("nan"), 0.0)
    value, error = total / weight, float(np.sqrt((influence**2).sum())) / weight
    reach = float(t.ppf(0.975, len(names) - 1)) * error
    return Estimate(value, value - reach, value + reach, 0.0).tested(0)


def _above(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    a_numbers: NDArray[np.int64],
    b_numbers: NDArray[np.int64],
    patients: int,
) -> tuple[float, NDArray[np.float64]]:
    """Share of pairs in which `a` is greater, less a half, and what each patient adds to its error.

    Ties count half. The squares of what patients add sum up to the variance.
    """
    from scipy.stats import rankdata

    n, m = len(a), len(b)
    both = rankdata(np.concatenate([a, b]))
    of_a = (both[:n] - rankdata(a)) / m  # share of b below each of a
    of_b = (both[n:] - rankdata(b)) / n  # share of a below each of b
    share = float(of_a.mean())
    own = np.bincount(a_numbers, (of_a - share) / n, patients)
    own -= np.bincount(b_numbers, (of_b - (1 - share)) / m, patients)
    seen = len(np.unique(np.concatenate([a_numbers, b_numbers])))
    return share - 0.5, own * np.sqrt(seen / max(seen - 1, 1))


def passing_over(groups: Names, others: Names, *, seed: int = 0) -> Names:
    """Groups (n,) whose vectors are passed over for each vector: its own, or else one at random.

    Of a patient whose mask was followed, slices of that mask are passed over. So as many are for
    those whose mask was not: the nearest of fewer lies farther away.
    """
    rng = np.random.default_rng(seed)
    known = np.unique(others)
    found = groups.copy().astype(max(groups.dtype, others.dtype))
    for name in np.setdiff1d(groups, known):
        found[groups == name] = known[rng.integers(len(known))]
    return found


def adversarial_accuracy(
    a: Vectors, b: Vectors, a_groups: Names, b_groups: Names, *, even: bool = False
) -> float:
    """Share of samples whose nearest neighbour is of their own set.

    0.5: not told apart; 1: apart; 0: each is a copy of one of the other set (Yale et al. 2020,
    doi:10.1016/j.neucom.2019.12.136). Neighbours of one's own patient are passed over.

    Parameters
    ----------
    a, b : arrays of equal length but for chance
    even : bool
        Pass over one group of the other set for every sample: its own, or else one at random.
    """
    accuracy = 0.0
    for one, other, groups, others in ((a, b, a_groups, b_groups), (b, a, b_groups, a_groups)):
        _, own = nearest(one, one, groups, groups)
        over = passing_over(groups, others) if even else groups
        _, cross = nearest(one, other, over, others)
        accuracy += float((cross > own).mean()) / 2
    return accuracy


def privacy_loss(
    synthetic: Vectors,
    training: Vectors,
    held_out: Vectors,
    synthetic_groups: Names,
    training_groups: Names,
    held_out_groups: Names,
    *,
    draws: int = 100,
    seed: int = 0,
) -> tuple[Estimate, Estimate, Estimate]:
    """Adversarial accuracy with held-out and with training patients, and their difference.

    The difference is the privacy loss: above 0 the set lies closer to training patients. Sets of
    as many patients are drawn, so that no set is nearer by its size: half of the smallest, because
    half-samples vary as samples do (McCarthy 1969, doi:10.2307/1402306).

    Returns
    -------
    (held-out, training, difference)
        Means and 95 % ranges over the draws.
    """
    rng = np.random.default_rng(seed)
    sets = (
        (synthetic, synthetic_groups),
        (training, training_groups),
        (held_out, held_out_groups),
    )
    even = bool(np.isin(synthetic_groups, [*training_groups, *held_out_groups]).any())
    count = max(2, min(len(np.unique(groups)) for _, groups in sets) // 2)
    values = []
    for _ in range(draws):
        parts = []
        for vectors, groups in sets:
            rows = some_patients(rng, groups, count)
            parts.append((vectors[rows], groups[rows]))
        size = min(len(groups) for _, groups in parts)
        (s, sg), (t, tg), (h, hg) = (
            (vectors[chosen], groups[chosen])
            for vectors, groups in parts
            for chosen in [np.sort(rng.permutation(len(groups))[:size])]
        )
        with_held_out = adversarial_accuracy(s, h, sg, hg, even=even)
        with_training = adversarial_accuracy(s, t, sg, tg, even=even)
        values.append((with_held_out, with_training, with_held_out - with_training))
    held, trained, loss = (
        _estimate(float(np.mean(column)), column, real=real)
        for column, real in zip(np.array(values).T, (np.nan, np.nan, 0.0), strict=True)
    )
    return held, trained, loss.tested(1)


def generalisation_gap(
    synthetic: Vectors,
    training: Vectors,
    held_out: Vectors,
    synthetic_groups: Names,
    training_groups: Names,
    held_out_groups: Names,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Estimate:
    """How much farther the set lies from held-out patients than from training patients.

    The relative difference of the mean distance of real slices to the nearest synthetic one; 0 for
    a model that generalises, above for one that remembers. Patients weigh the same.
    """
    means = []
    over = np.concatenate([training_groups, held_out_groups])
    if np.isin(over, synthetic_groups).any():
        over = passing_over(over, synthetic_groups, seed=seed)
    parts = (over[: len(training)], over[len(training) :])
    for vectors, groups, passed in zip(
        (training, held_out), (training_groups, held_out_groups), parts, strict=True
    ):
        _, apart = nearest(vectors, synthetic, passed, synthetic_groups)
        means.append(np.array([apart[groups == name].mean() for name in np.unique(groups)]))

    def value(near: NDArray[np.float64], far: NDArray[np.float64]) -> float:
        return float(far.mean() / max(float(near.mean()), 1e-12) - 1)

    rng = np.random.default_rng(seed)
    found = [value(*(part[drawn(rng, len(part))] for part in means)) for _ in range(draws)]
    return _estimate(value(*means), found, real=0.0).tested(1)


@dataclass(frozen=True)
class Cluster:
    """The patient to whom most slices are nearest.

    Parameters
    ----------
    share : float
        Of the slices, groups weighing the same.
    real : float
        The same of as many held-out patients, on average over draws.
    p : float
        Share of draws from groups and patients together that reach that of the groups.
    patient : str
    """

    share: float
    real: float
    p: float
    patient: str


def cluster(
    found: Names,
    groups: Names,
    real: Names,
    real_groups: Names,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Cluster:
    """Do more synthetic slices than of real ones lie around one patient?

    The null is exact: groups and held-out patients change places at random (a permutation test).
    As many slices are drawn of each, because the share of a group of few slices varies more.

    Parameters
    ----------
    found, groups : (n,) arrays
        Nearest training patient of each synthetic slice, and its group.
    real, real_groups : (m,) arrays
        The same of held-out slices.
    """
    rng = np.random.default_rng(seed)
    names, at = np.unique(np.concatenate([found, real]), return_inverse=True)
    of_groups = [(at[: len(found)][rows]) for rows in rows_of_patients(groups)]
    of_real = [(at[len(found) :][rows]) for rows in rows_of_patients(real_groups)]
    each = int(min(np.median([len(one) for one in of]) for of in (of_groups, of_real)))

    def around(of: list[NDArray[np.int64]], most: int | None) -> NDArray[np.float64]:
        """(groups, patients): share of the slices of a group that lie around each patient."""
        kept = [one if most is None else rng.permutation(one)[:most] for one in of]
        return np.stack([np.bincount(one, minlength=len(names)) / len(one) for one in kept])

    def largest(table: NDArray[np.float64]) -> float:
        """Of as many groups as there are, drawn at random."""
        chosen = rng.permutation(len(table))[: len(of_groups)]
        return float(table[chosen].mean(axis=0).max())

    total = around(of_groups, None).mean(axis=0)
    made, others = around(of_groups, each), around(of_real, each)
    exchanged = [largest(np.concatenate([made, others])) for _ in range(draws)]
    return Cluster(
        float(total.max()),
        float(np.mean([largest(others) for _ in range(draws)])),
        p_value(exchanged, float(made.mean(axis=0).max())),
        str(names[total.argmax()]),
    )


def diversity(
    synthetic: Vectors,
    held_out: Vectors,
    synthetic_groups: Names,
    held_out_groups: Names,
    *,
    draws: int = 100,
    seed: int = 0,
) -> Estimate:
    """Median distance to the nearest slice of another group, over that of real held-out slices.

    Near 1 for a set as varied as real patients; far below for one whose modes have collapsed. Sets
    of as many groups are drawn, and as many slices, because more slices lie closer; half of the
    groups, as for `privacy_loss`.
    """
    rng = np.random.default_rng(seed)
    sets = ((synthetic, synthetic_groups), (held_out, held_out_groups))
    count = max(2, min(len(np.unique(groups)) for _, groups in sets) // 2)
    values = []
    for _ in range(draws):
        parts = []
        for vectors, groups in sets:
            rows = some_patients(rng, groups, count)
            parts.append((vectors[rows], groups[rows]))
        size = min(len(groups) for _, groups in parts)
        medians = []
        for vectors, groups in parts:
            chosen = np.sort(rng.permutation(len(groups))[:size])
            _, apart = nearest(vectors[chosen], vectors[chosen], groups[chosen], groups[chosen])
            medians.append(float(np.median(apart[np.isfinite(apart)])))
        values.append(medians[0] / max(medians[1], 1e-12))
    return _estimate(float(np.mean(values)), values, real=1.0).tested(-1)


def share_estimate(
    flags: NDArray[np.bool_], groups: Names, *, real: float, draws: int = DRAWS, seed: int = 0
) -> Estimate:
    """Share of flags, groups weighing the same, with its interval over groups."""
    means = np.array([flags[groups == name].mean() for name in np.unique(groups)])
    rng = np.random.default_rng(seed)
    found = means[drawn(rng, len(means), (draws, len(means)))].mean(axis=1)
    return _estimate(float(means.mean()), found, real=real)


def _estimate(
    value: float, found: list[float] | NDArray[np.float64], *, real: float = float("nan")
) -> Estimate:
    finite = np.asarray(found, np.float64)
    return Estimate(value, *percentile_interval(finite[np.isfinite(finite)]), real)
