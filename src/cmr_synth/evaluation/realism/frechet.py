"""Frechet distance between two sets of features, and its real-against-real floor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cmr_synth.evaluation.resampling import LEVEL, drawn_weights, matched, shifted_interval


def frechet_distance(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Squared 2-Wasserstein distance between the Gaussians fitted to two sets.

    d^2 = |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)) (Dowson and Landau 1982,
    doi:10.1016/0047-259X(82)90077-X). It is called FID only on InceptionV3 features.

    Parameters
    ----------
    a, b : (n, d) arrays
        Features; the distance is biased by n, so compare equal n only.

    Returns
    -------
    float
        0 for equal sets; never negative.

    Raises
    ------
    ValueError
        If the widths differ, or a set has fewer than two rows or non-finite values.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(f"two sets of (n, d) features are needed, got {a.shape} and {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("features hold NaN or infinite values")
    if np.array_equal(a, b):
        return 0.0  # and not what rounding leaves
    cov_a, cov_b = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (a, b))
    return _between(a.mean(axis=0), cov_a, b.mean(axis=0), cov_b)


def real_floor(
    train: NDArray[np.floating],
    train_patients: NDArray,
    test: NDArray[np.floating],
    *,
    draws: int = 20,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Distances of real training patients to real test patients at the test set's size.

    Every draw adds training patients in random order until as many slices are reached as the
    test set has, then cuts to the same number.

    Parameters
    ----------
    train : (n, d) array
    train_patients : (n,) array
        Patient of each row.
    test : (m, d) array, m <= n

    Returns
    -------
    (draws,) array
    """
    if len(train) < len(test):
        raise ValueError(f"{len(train)} training slices cannot match {len(test)} test slices")
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(draws):
        rows = matched(rng, train_patients, len(test))
        found.append(frechet_distance(train[rows], test))
    return np.array(found)


def frechet_interval(
    a: NDArray[np.floating],
    b: NDArray[np.floating],
    patients_a: NDArray,
    patients_b: NDArray,
    *,
    draws: int = 300,
    level: float = LEVEL,
    seed: int = 0,
) -> tuple[float, float]:
    """Interval of `frechet_distance`, patients drawn with replacement.

    A resample holds fewer distinct patients than the set itself, which inflates the distance; the
    drawn distances are therefore moved by the difference of their mean and the distance found.

    Parameters
    ----------
    a, b : (n, d) arrays
    patients_a, patients_b : (n,) arrays
        Patient of each row; for a synthetic picture, that of its mask. Patients of the same name
        are drawn together.

    Returns
    -------
    (low, high)
        Not below 0. NaN with fewer than two patients on a side.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    names = np.unique(np.concatenate([patients_a, patients_b]))
    sums_a, sums_b = _patient_sums(a, patients_a, names), _patient_sums(b, patients_b, names)
    present = [np.isin(names, patients) for patients in (patients_a, patients_b)]
    if min(np.count_nonzero(p) for p in present) < 2:
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    found: list[float] = []
    while len(found) < draws:
        weights = drawn_weights(rng, len(names))
        if min(np.count_nonzero(weights[p]) for p in present) < 2:
            continue
        found.append(_between(*_moments(sums_a, weights), *_moments(sums_b, weights)))
    low, high = shifted_interval(found, frechet_distance(a, b), level=level)
    return max(low, 0.0), max(high, 0.0)


def _between(
    mean_a: NDArray[np.float64],
    cov_a: NDArray[np.float64],
    mean_b: NDArray[np.float64],
    cov_b: NDArray[np.float64],
) -> float:
    # tr((C_a C_b)^(1/2)) from the symmetric form (C_a^(1/2) C_b C_a^(1/2))^(1/2), which stays
    # real and accurate where the covariances are singular
    root_a = _root(cov_a)
    cross = root_a @ cov_b @ root_a
    eigenvalues = np.linalg.eigvalsh((cross + cross.T) / 2)
    overlap = np.sqrt(np.clip(eigenvalues, 0, None)).sum()
    shift = mean_a - mean_b
    return float(max(shift @ shift + np.trace(cov_a) + np.trace(cov_b) - 2 * overlap, 0.0))


_Sums = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def _patient_sums(x: NDArray[np.floating], patients: NDArray, names: NDArray) -> _Sums:
    """Count, sum and sum of outer products of each patient's rows."""
    groups = [x[patients == name] for name in names]
    return (
        np.array([float(len(rows)) for rows in groups]),
        np.array([rows.sum(axis=0) for rows in groups], dtype=np.float64),
        np.array([rows.T @ rows for rows in groups], dtype=np.float64),
    )


def _moments(
    sums: _Sums, weights: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    counts, first, second = sums
    total = weights @ counts
    mean = weights @ first / total
    covariance = np.tensordot(weights, second, axes=1) / total - np.outer(mean, mean)
    return mean, covariance * total / (total - 1)


def _root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
