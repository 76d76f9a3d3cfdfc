"""An error with the difficulty of its slice taken out.

All errors are logarithms, so that a model that errs twice as far on every slice differs by a
constant. Nothing here looks at who was a member.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def calibrated(
    error: NDArray[np.floating],
    reference: NDArray[np.floating],
    groups: NDArray,
    *,
    persons: NDArray,
    instrument: NDArray[np.floating] | None = None,
) -> NDArray[np.float64]:
    """How much smaller errors are than the slices' difficulty would have them.

    The attacked model's error is a + b d and the reference's d, each with noise of its own. Least
    squares of one on the other finds a smaller b than there is, because of the noise of the
    reference, and leaves a part of the difficulty in. The error of a second reference has noise
    independent of the first one's: as instrument it finds b itself (two-stage least squares).
    Without one, b is the ratio of the deviations (reduced major axis), which is right where the
    two models are as noisy as each other.

    Parameters
    ----------
    error, reference : (n,) arrays
        Logarithms of the errors of the attacked model, and of one that was not trained on the
        slice's person.
    groups : (n,) array
        Persons of one group are compared; a, not b, is the group's own.
    persons : (n,) array
        Of slices; b is found between persons, whose means have less noise.
    instrument : (n,) array, optional
        Logarithm of the error of another reference.

    Returns
    -------
    (n,) array
        The greater, the more like a member.
    """
    names, first, at = np.unique(persons, return_index=True, return_inverse=True)
    counts = np.bincount(at)

    def between(values: NDArray[np.floating]) -> NDArray[np.float64]:
        means = np.bincount(at, weights=values) / counts
        return _centred(means, groups[first])

    own, known = between(error), between(reference)
    if instrument is not None:
        second = between(instrument)
        slope = _over(float(own @ second), float(known @ second))
    else:
        slope = _over(float(np.sqrt(own @ own)), float(np.sqrt(known @ known)))
    return -(_centred(error, groups) - slope * _centred(reference, groups))


def _centred(values: NDArray[np.floating], groups: NDArray) -> NDArray[np.float64]:
    result = np.asarray(values, np.float64).copy()
    for group in np.unique(groups):
        rows = groups == group
        result[rows] -= result[rows].mean()
    return result


def _over(one: float, other: float) -> float:
    """A slope; 1 where the reference finds all slices as hard, so that there is none."""
    return one / other if abs(other) > 1e-12 else 1.0
