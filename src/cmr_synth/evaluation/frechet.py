"""Frechet distance between two sets of features, and its real-against-real floor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


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
    shift = a.mean(axis=0) - b.mean(axis=0)
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    # tr((C_a C_b)^(1/2)) from the symmetric form (C_a^(1/2) C_b C_a^(1/2))^(1/2), which stays
    # real and accurate where the covariances are singular
    root_a = _root(np.atleast_2d(cov_a))
    cross = root_a @ np.atleast_2d(cov_b) @ root_a
    eigenvalues = np.linalg.eigvalsh((cross + cross.T) / 2)
    overlap = np.sqrt(np.clip(eigenvalues, 0, None)).sum()
    return float(
        max(
            shift @ shift
            + np.trace(np.atleast_2d(cov_a))
            + np.trace(np.atleast_2d(cov_b))
            - 2 * overlap,
            0.0,
        )
    )


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
        rows = _matched(train_patients, len(test), rng)
        found.append(frechet_distance(train[rows], test))
    return np.array(found)


def matched_rows(patients: NDArray, count: int, *, seed: int) -> NDArray[np.int64]:
    """Rows of patients in random order, until there are as many as wanted."""
    return _matched(patients, count, np.random.default_rng(seed))


def _matched(patients: NDArray, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    rows_of = {patient: np.flatnonzero(patients == patient) for patient in np.unique(patients)}
    order = rng.permutation(sorted(rows_of))
    return np.concatenate([rows_of[patient] for patient in order])[:count]


def _root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
