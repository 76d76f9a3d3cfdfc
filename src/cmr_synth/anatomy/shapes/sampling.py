"""Drawing hearts from the statistics, with the function that was asked for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.shapes import layout
from cmr_synth.anatomy.shapes.outlines import function_of_shape
from cmr_synth.anatomy.shapes.parameters import ShapeParameters
from cmr_synth.anatomy.shapes.statistics import FUNCTION, Statistics, function_values
from cmr_synth.anatomy.shapes.wishes import drawn_function, mixed

SCORES = 2.5  # standard deviations beyond which no score is drawn
_STEPS = 6
_NEAR = 2e-3  # of a logarithm: 0.2 %
_LONGEST_STEP = 0.4

Measure = Callable[[ShapeParameters], dict[str, float]]
"""From a shape to measurements that include those of `FUNCTION`."""


def drawn_shape(
    statistics: Statistics,
    rng: np.random.Generator,
    *,
    pathology: str,
    severity: float,
    asked: dict[str, float],
) -> tuple[ShapeParameters, NDArray[np.float64]]:
    """Draw a heart and the function (`function_values`) that it was brought to."""
    wanted = drawn_function(statistics, rng, pathology, severity, asked)
    weights = mixed(statistics, pathology, severity)
    departure = wanted - weights @ statistics.function_means
    noise = np.clip(rng.normal(size=len(statistics.modes)), -SCORES, SCORES)
    scores = statistics.on_function @ departure + statistics.spread @ noise
    vector = weights @ statistics.means + scores @ statistics.modes
    vector[layout.where("ED descent")] = 0.0
    start = ShapeParameters(vector=vector)
    return with_function(statistics, start, wanted), wanted


def with_function(
    statistics: Statistics,
    start: ShapeParameters,
    wanted: NDArray[np.float64],
    *,
    measure: Measure = function_of_shape,
) -> ShapeParameters:
    """Bring a shape to a function along the directions in which hearts differ by it.

    Newton's method in the five directions of the regression of shape on function.

    Parameters
    ----------
    statistics : Statistics
    start : ShapeParameters
    wanted : (5,) array
        Of `function_values`; NaN where it does not matter.
    measure : callable
        What the function is read off; by default the outlines.
    """
    directions = statistics.on_function.T @ statistics.modes  # (functions, SIZE)
    directions[:, layout.where("ED descent")] = 0.0
    matter = np.isfinite(wanted)
    shape, left = start, _left(measure, start, wanted, matter)
    jacobian = None
    for _ in range(_STEPS):
        if np.abs(left).max(initial=0) < _NEAR:
            break
        if jacobian is None:
            jacobian = _jacobian(shape, directions[matter], matter)
        step = np.linalg.lstsq(jacobian, left, rcond=1e-3)[0]
        step *= min(1.0, _LONGEST_STEP / max(float(np.abs(step).max()), 1e-12))
        tried = _moved(shape, step @ directions[matter])
        remains = _left(measure, tried, wanted, matter)
        if np.abs(remains).max() > 2 * np.abs(left).max():
            break
        shape, left, jacobian = tried, remains, None if _STEPS > 4 else jacobian
    return shape


def _left(
    measure: Measure,
    shape: ShapeParameters,
    wanted: NDArray[np.float64],
    matter: NDArray[np.bool_],
) -> NDArray[np.float64]:
    return np.asarray((wanted - function_values(measure(shape)))[matter])


def _jacobian(
    shape: ShapeParameters, directions: NDArray[np.float64], matter: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Change of the function of the outlines along each direction, (functions, directions)."""
    step = 0.02
    here = function_values(function_of_shape(shape))
    columns = [
        (function_values(function_of_shape(_moved(shape, step * way))) - here)[matter] / step
        for way in directions
    ]
    return np.stack(columns, axis=1)


def _moved(shape: ShapeParameters, by: NDArray[np.float64]) -> ShapeParameters:
    return ShapeParameters(
        vector=shape.vector + by, centre=shape.centre, first_slice_mm=shape.first_slice_mm
    )


assert len(FUNCTION) == 5  # documented as such
