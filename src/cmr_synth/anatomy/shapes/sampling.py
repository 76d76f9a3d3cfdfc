"""Drawing hearts from the statistics, with the function that was asked for."""

from __future__ import annotations

import numpy as np

from cmr_synth.anatomy.shapes import layout
from cmr_synth.anatomy.shapes.matching import with_function
from cmr_synth.anatomy.shapes.parameters import ShapeParameters
from cmr_synth.anatomy.shapes.statistics import Statistics, function_measured
from cmr_synth.anatomy.shapes.wishes import drawn_function, mixed

FARTHEST = 2.5
"""Standard deviations beyond which no score is drawn."""
TILTS = (-1.1, 0.9)
"""Radians by which the middle of the septum lies below the picture's left, as in ACDC: planning of
the short axis turns hearts no further."""


def drawn_shape(
    statistics: Statistics,
    rng: np.random.Generator,
    *,
    pathology: str,
    severity: float,
    asked: dict[str, float],
) -> ShapeParameters:
    """Draw a heart, and bring it to the function that was drawn for it."""
    wanted = drawn_function(statistics, rng, pathology, severity, asked)
    weights = mixed(statistics, pathology, severity)
    departure = wanted - weights @ statistics.function_means
    noise = np.clip(rng.normal(size=len(statistics.modes)), -FARTHEST, FARTHEST)
    scores = statistics.on_function @ departure + statistics.spread @ noise
    vector = weights @ statistics.means + scores @ statistics.modes
    vector[layout.where("ED descent")] = 0.0
    vector[layout.where("tilt")] = np.clip(vector[layout.where("tilt")], *TILTS)
    start = ShapeParameters(vector=vector)
    return with_function(statistics, start, function_measured(wanted))
