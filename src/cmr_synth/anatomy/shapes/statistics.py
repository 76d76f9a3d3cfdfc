"""What is learned from the shapes of patients: means by pathology, modes, and their function."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.shapes import layout
from cmr_synth.errors import InputError

FUNCTION = ("lv_edv_ml", "lv_ef", "lv_mass_g", "rv_edv_ml", "rv_ef")
"""Measurements that shapes are regressed on, of those of `function_of_shape`."""

FEWEST_PATIENTS = 5
"""Of each pathology that a mean is learned of."""

_SHARES = np.array([name.endswith("ef") for name in FUNCTION])
_LEAST_EF = 0.03  # the logit of less tells nothing

_MM: dict[str, float] = {
    "tilt": 6.0,  # where the heart lies in the chest is no shape: it weighs little
    "length": 45.0,
    "cap": 5.0,
    "descent": 1.0,
    "rv_top": 1.0,
    "rv_length": 35.0,
    "centre": 1.0,
    "endo": 20.0,
    "wall": 10.0,
    "rv_middle": 30.0,
    "rv_width": 40.0,
    "rv_gap": 6.0,
    "rv_depth": 25.0,
}
"""By how many mm outlines move, about, where a number of a block changes by 1."""


@dataclass(frozen=True, eq=False)
class Statistics:
    """A linear Gaussian model of shapes, in the order of `pathologies`.

    Attributes
    ----------
    pathologies : tuple of str
        "normal" is the first.
    means : (pathologies, `layout.SIZE`) array
    modes : (modes, `layout.SIZE`) array
        Departures from the mean for one standard deviation of each mode.
    on_function : (modes, functions) array
        Mean of the modes' scores for a departure of `function_values` from the pathology's mean.
    spread : (modes, modes) array
        Square root (Cholesky) of the scores' covariance about that mean.
    function_means, function_deviations : (pathologies, functions) arrays
        Of `function_values`.
    function_correlation : (functions, functions) array
        Within pathologies.
    """

    pathologies: tuple[str, ...]
    means: NDArray[np.float64]
    modes: NDArray[np.float64]
    on_function: NDArray[np.float64]
    spread: NDArray[np.float64]
    function_means: NDArray[np.float64]
    function_deviations: NDArray[np.float64]
    function_correlation: NDArray[np.float64]

    @classmethod
    def arrays(cls) -> tuple[str, ...]:
        """Names of what is kept as numbers."""
        return tuple(field.name for field in fields(cls) if field.name != "pathologies")


def function_values(measured: dict[str, float]) -> NDArray[np.float64]:
    """The measurements of `FUNCTION`, (5,): logarithms, of ejection fractions the log odds."""
    values = np.array([measured[name] for name in FUNCTION], np.float64)
    shares = np.clip(values, _LEAST_EF, 1 - _LEAST_EF)
    return np.where(_SHARES, np.log(shares / (1 - shares)), np.log(np.maximum(values, 1e-3)))


def function_measured(values: NDArray[np.float64]) -> dict[str, float]:
    """The inverse of `function_values`: mL, shares and g."""
    found = np.where(_SHARES, 1 / (1 + np.exp(-values)), np.exp(values))
    return dict(zip(FUNCTION, found.tolist(), strict=True))


def metric_mm() -> NDArray[np.float64]:
    """Weights (`layout.SIZE`,) that make differences of vectors mm of outlines, about.

    The Euclidean length of a weighted difference is the root mean square over angles and levels,
    summed over the outlines of both phases.
    """
    weights = np.ones(layout.SIZE)
    for name, shape in layout.BLOCKS.items():
        scale = np.full(shape, _MM[name.split()[-1]])
        if shape:
            scale /= np.sqrt(shape[0])  # levels
        if name.endswith(("endo", "wall")):
            scale[:, 1:] /= np.sqrt(2)  # the mean square of a wave is half of its amplitude's
        if name.endswith("endo"):
            middle = (np.arange(layout.LEVELS) + 0.5) / layout.LEVELS
            scale *= layout.closing(middle)[:, None]
        if name.endswith(("rv_gap", "rv_depth")):
            scale[:, 1:] /= np.sqrt(2)
        if shape and shape[0] == layout.RV_LEVELS:  # the RV tapers
            middle = (np.arange(layout.RV_LEVELS) + 0.5) / layout.RV_LEVELS
            scale *= (1 - 0.7 * middle).reshape(-1, *[1] * (scale.ndim - 1))
        weights[layout.where(name)] = scale.ravel()
    return weights


def learn(
    vectors: NDArray[np.float64],
    function: NDArray[np.float64],
    pathology: NDArray[np.str_],
    *,
    modes: int,
) -> Statistics:
    """Learn the model from one shape of each patient.

    Parameters
    ----------
    vectors : (patients, `layout.SIZE`) array
    function : (patients, functions) array
        Of `function_values`.
    pathology : (patients,) array of str
        Has to hold "normal".
    modes : int
        Principal components of what differs within pathologies.

    Raises
    ------
    InputError
        If there are too few patients.
    """
    from sklearn.covariance import ledoit_wolf

    names = ("normal", *sorted(set(pathology.tolist()) - {"normal"}))
    at = np.array([names.index(name) for name in pathology])
    counts = np.bincount(at, minlength=len(names))
    if counts.min() < FEWEST_PATIENTS:
        few = names[int(counts.argmin())]
        raise InputError(
            f"{counts.min()} patients of {few!r}; a shape model needs {FEWEST_PATIENTS} of each "
            "pathology, healthy ones ('normal') among them. Leave out rare ones, or add patients."
        )
    if not len(FUNCTION) <= modes <= len(vectors) - len(names) - 1:
        raise InputError(
            f"{modes} modes of {len(vectors)} patients; ask for {len(FUNCTION)} to "
            f"{len(vectors) - len(names) - 1}."
        )
    freedom = len(vectors) - len(names)
    means, centred = _within(vectors, at, len(names))
    weights = metric_mm()
    _, size, axes = np.linalg.svd(centred * weights, full_matrices=False)
    deviation = size[:modes] / np.sqrt(freedom)
    scores = centred * weights @ axes[:modes].T / deviation

    function_means, apart = _within(function, at, len(names))
    deviations = np.stack(
        [np.sqrt((apart[at == k] ** 2).sum(0) / (counts[k] - 1)) for k in range(len(names))]
    )
    standard = apart / deviations[at]
    correlation, _ = ledoit_wolf(standard)
    correlation /= np.sqrt(np.outer(np.diag(correlation), np.diag(correlation)))

    ridge = 1e-3 * np.trace(apart.T @ apart) / len(FUNCTION) * np.eye(len(FUNCTION))
    on_function = np.linalg.solve(apart.T @ apart + ridge, apart.T @ scores).T
    left = scores - apart @ on_function.T
    spread, _ = ledoit_wolf(left)
    spread *= len(left) / (freedom - len(FUNCTION))
    return Statistics(
        pathologies=names,
        means=means,
        modes=axes[:modes] * deviation[:, None] / weights,
        on_function=on_function,
        spread=np.linalg.cholesky(spread),
        function_means=function_means,
        function_deviations=deviations,
        function_correlation=correlation,
    )


def _within(
    values: NDArray[np.float64], at: NDArray[np.int64], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    means = np.stack([values[at == k].mean(axis=0) for k in range(count)])
    return means, values - means[at]
