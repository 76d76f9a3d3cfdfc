"""Statistics of readers: intervals of shares, detectability, and agreement beyond chance."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def wilson_interval(right: int, of: int, *, level: float = 0.95) -> tuple[float, float]:
    """Interval of a share (Wilson 1927, doi:10.1080/01621459.1927.10502953).

    Parameters
    ----------
    right, of : int
        Successes and trials.

    Returns
    -------
    (low, high)
        Within [0, 1]; (0, 1) for no trial.

    Raises
    ------
    ValueError
        If there are more successes than trials, or fewer than none.
    """
    from scipy.stats import binomtest

    if not 0 <= right <= of:
        raise ValueError(f"{right} of {of} is no share")
    if of == 0:
        return 0.0, 1.0
    interval = binomtest(right, of).proportion_ci(level, method="wilson")
    share = right / of
    # rounding must not carry an end past the share itself, which 0 and all of them are
    return min(float(interval.low), share), max(float(interval.high), share)


def d_prime(
    hits: ArrayLike, signals: ArrayLike, false_alarms: ArrayLike, noises: ArrayLike
) -> NDArray[np.float64]:
    """Detectability: z(hit rate) - z(false alarm rate).

    With the log-linear correction of Hautus 1995 (doi:10.3758/BF03203619): half a success and one
    trial are added to both, so that perfect readers have a number. 0 is guessing.

    Parameters
    ----------
    hits, signals : numbers, or arrays of one shape
        Synthetic images called synthetic, of all synthetic ones.
    false_alarms, noises : numbers, or arrays of that shape
        Real images called synthetic, of all real ones.

    Returns
    -------
    array of that shape
        NaN without images of one kind.
    """
    from scipy.stats import norm

    hits, signals, false_alarms, noises = (
        np.asarray(v, np.float64) for v in (hits, signals, false_alarms, noises)
    )
    apart = norm.ppf((hits + 0.5) / (signals + 1)) - norm.ppf((false_alarms + 0.5) / (noises + 1))
    found: NDArray[np.float64] = np.where((signals > 0) & (noises > 0), apart, np.nan)
    return found


def cohen_kappa(a: NDArray, b: NDArray) -> float:
    """Agreement of two readers beyond chance (Cohen 1960, doi:10.1177/001316446002000104).

    Parameters
    ----------
    a, b : (n,) arrays
        Their calls on the same images.

    Returns
    -------
    float
        At most 1; 0 is chance. NaN without images, or if both give the same single call to all.
    """
    from sklearn.metrics import cohen_kappa_score

    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        raise ValueError(f"{len(a)} and {len(b)} calls are not on the same images")
    if len(np.unique(np.concatenate([a, b]))) < 2:  # where scikit-learn divides by zero
        return float("nan")
    return float(cohen_kappa_score(a, b))


def fleiss_kappa(counts: NDArray[np.integer]) -> float:
    """Agreement of several readers beyond chance (Fleiss 1971, doi:10.1037/h0031619).

    Parameters
    ----------
    counts : (images, calls) integer array
        How many readers gave each call; the same number of readers on every image, two at least.

    Returns
    -------
    float
        At most 1; 0 is chance. NaN without images, or if all calls are the same.

    Raises
    ------
    ValueError
        If the numbers of readers differ, or there are fewer than two.
    """
    counts = np.asarray(counts, dtype=np.float64)
    if not len(counts):
        return float("nan")
    readers = counts.sum(axis=1)
    if (readers != readers[0]).any() or readers[0] < 2:
        raise ValueError("every image needs the same number of readers, two at least")
    n = readers[0]
    observed = float((((counts**2).sum(axis=1) - n) / (n * (n - 1))).mean())
    chance = float(((counts.sum(axis=0) / counts.sum()) ** 2).sum())
    return (observed - chance) / (1 - chance) if chance < 1 else float("nan")
