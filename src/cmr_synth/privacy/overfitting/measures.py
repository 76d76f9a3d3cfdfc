"""Published tests of copying, on descriptors; groups (patients) are the units of resampling.

Synthetic slices belong to the group of the patient whose mask they follow, and are never compared
with that patient's real slices: an identical mask forces resemblance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmr_synth.evaluation.resampling import (
    drawn,
    drawn_rows,
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


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval over patients, and what real held-out patients give."""

    value: float
    low: float
    high: float
    real: float = float("nan")


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
        distance = np.maximum((one**2).sum(axis=1)[:, None] + squares[None] - 2 * one @ bank.T, 0)
        # rounding leaves of equal vectors what is none of their distance
        distance[distance < 1e-9] = 0
        if owners is not None and others is not None:
            distance[owners[part][:, None] == others[None]] = np.inf
        rows[part] = distance.argmin(axis=1)
        apart[part] = np.sqrt(distance[np.arange(len(one)), rows[part]])
    return rows, apart


def authentic(synthetic: Vectors, training: Vectors) -> NDArray[np.bool_]:
    """Which samples are no noisy copies of a training sample.

    A sample is authentic if it lies farther from its nearest training sample than that one from its
    own nearest training sample (Alaa et al. 2022, arXiv:2102.08921, sec. 3.3). Authenticity is the
    share of authentic samples.
    """
    # the training sample itself is passed over by its number
    numbers = np.arange(len(training)).astype(str)
    _, among = nearest(training, training, numbers, numbers)
    at, apart = nearest(synthetic, training)
    return np.asarray(apart > among[at])


def data_copying(
    synthetic: Vectors,
    held_out: Vectors,
    training: Vectors,
    synthetic_groups: Names,
    held_out_groups: Names,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Estimate:
    """C_T: far below 0 copying, far above 0 underfitting (Meehan et al. 2020, arXiv:2004.05675).

    The mean over cells of the training set (k-means) of the z-score of Mann and Whitney between the
    distances to the training set of synthetic and of held-out samples. Samples of one patient are
    alike, so that a z-score counts too many; the interval is over patients.
    """
    from sklearn.cluster import KMeans

    cells = max(1, min(10, len(held_out) // 50, len(training) // 50))
    means = KMeans(cells, n_init=4, random_state=seed).fit(np.asarray(training, np.float64))
    place = [means.predict(np.asarray(part, np.float64)) for part in (synthetic, held_out)]
    apart = [nearest(part, training)[1] for part in (synthetic, held_out)]

    def value(rows: NDArray[np.int64], others: NDArray[np.int64]) -> float:
        total = weight = 0.0
        for cell in range(cells):
            a = apart[0][rows][place[0][rows] == cell]
            b = apart[1][others][place[1][others] == cell]
            if min(len(a), len(b)) >= min(FEW, len(rows), len(others)):
                total += len(b) * _z_score(a, b)
                weight += len(b)
        return total / weight if weight else float("nan")

    rng = np.random.default_rng(seed)
    made, real = rows_of_patients(synthetic_groups), rows_of_patients(held_out_groups)
    found = [value(drawn_rows(rng, made), drawn_rows(rng, real)) for _ in range(draws)]
    everything = value(np.arange(len(synthetic)), np.arange(len(held_out)))
    return _estimate(everything, found, real=0.0)


def _z_score(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Of Mann and Whitney: positive where `a` is greater, ties counting half."""
    from scipy.stats import rankdata

    n, m = len(a), len(b)
    u = rankdata(np.concatenate([a, b]))[:n].sum() - n * (n + 1) / 2
    return float((u - n * m / 2) / np.sqrt(n * m * (n + m + 1) / 12))


def adversarial_accuracy(a: Vectors, b: Vectors, a_groups: Names, b_groups: Names) -> float:
    """Share of samples whose nearest neighbour is of their own set.

    0.5: not told apart; 1: apart; 0: each is a copy of one of the other set (Yale et al. 2020,
    doi:10.1016/j.neucom.2019.12.136). Neighbours of one's own patient are passed over.

    Parameters
    ----------
    a, b : arrays of equal length but for chance
    """
    accuracy = 0.0
    for one, other, groups, others in ((a, b, a_groups, b_groups), (b, a, b_groups, a_groups)):
        _, own = nearest(one, one, groups, groups)
        _, cross = nearest(one, other, groups, others)
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
        with_held_out = adversarial_accuracy(s, h, sg, hg)
        with_training = adversarial_accuracy(s, t, sg, tg)
        values.append((with_held_out, with_training, with_held_out - with_training))
    return tuple(  # type: ignore[return-value]
        _estimate(float(np.mean(column)), column) for column in np.array(values).T
    )


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
    for vectors, groups in ((training, training_groups), (held_out, held_out_groups)):
        _, apart = nearest(vectors, synthetic, groups, synthetic_groups)
        means.append(np.array([apart[groups == name].mean() for name in np.unique(groups)]))

    def value(near: NDArray[np.float64], far: NDArray[np.float64]) -> float:
        return float(far.mean() / max(float(near.mean()), 1e-12) - 1)

    rng = np.random.default_rng(seed)
    found = [value(*(part[drawn(rng, len(part))] for part in means)) for _ in range(draws)]
    return _estimate(value(*means), found, real=0.0)


@dataclass(frozen=True)
class Cluster:
    """The patient to whom most slices are nearest.

    Parameters
    ----------
    share : float
        Of the slices, groups weighing the same.
    real : float
        The same of held-out patients, on average over draws of as many.
    p : float
        Share of those draws that reach `share`.
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

    Parameters
    ----------
    found, groups : (n,) arrays
        Nearest training patient of each synthetic slice, and its group.
    real, real_groups : (m,) arrays
        The same of held-out slices.
    """
    rng = np.random.default_rng(seed)
    share, patient = _largest(found, groups)
    rows_of = rows_of_patients(real_groups)
    count = len(np.unique(groups))
    found_real = []
    for _ in range(draws):
        chosen = [rows_of[i] for i in drawn(rng, len(rows_of), count)]
        labels = np.concatenate([np.full(len(rows), str(k)) for k, rows in enumerate(chosen)])
        found_real.append(_largest(real[np.concatenate(chosen)], labels)[0])
    return Cluster(share, float(np.mean(found_real)), p_value(found_real, share), patient)


def _largest(found: Names, groups: Names) -> tuple[float, str]:
    from cmr_synth.privacy.weights import weights_by_patient

    names, at = np.unique(found, return_inverse=True)
    total = np.bincount(at, weights=weights_by_patient(groups))
    return float(total.max()), str(names[total.argmax()])


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
    return _estimate(float(np.mean(values)), values, real=1.0)


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
