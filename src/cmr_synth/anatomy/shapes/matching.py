"""Bringing a heart to a function: volumes, ejection fractions and mass that it is to have.

Of the outlines first, in the way in which patients differ by their function; then of the masks on
a grid, in which a slice more or less at the base is a jump, by the radii alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.measurements import DENSITY_G_PER_ML
from cmr_synth.anatomy.shapes import layout
from cmr_synth.anatomy.shapes.outlines import function_of_shape
from cmr_synth.anatomy.shapes.parameters import ShapeParameters
from cmr_synth.anatomy.shapes.statistics import FUNCTION, Statistics

NEAR = 5e-3
"""Relative error of a volume at which masks have the function that was asked for."""

_ROUNDS = 8
_LONGEST_STEP = 3.0  # e to the power of which is the largest change of a volume
_FARTHEST = 0.5  # logarithm of a radius or thickness, by which masks are changed at most

Volumes = Mapping[str, Mapping[str, float]]
"""mL by phase, then structure, as `measurements.volumes_ml` gives them."""


def with_function(
    statistics: Statistics, start: ShapeParameters, wanted: Mapping[str, float]
) -> ShapeParameters:
    """Bring a shape to a function along the directions in which hearts differ by it.

    Powell's hybrid method (MINPACK) in the directions of the regression of shape on function.

    Parameters
    ----------
    statistics : Statistics
    start : ShapeParameters
    wanted : mapping
        Of `FUNCTION` to mL, shares and g, as the outlines are to measure.

    Returns
    -------
    ShapeParameters
        The nearest that was found.
    """
    from scipy.optimize import root

    matter = [k for k, name in enumerate(FUNCTION) if name in wanted]
    directions = (statistics.on_function.T @ statistics.modes)[matter]
    for unmoved in ("ED descent", "tilt"):
        directions[:, layout.where(unmoved)] = 0.0
    goal = _residues(wanted, wanted)

    def left(step: NDArray[np.float64]) -> NDArray[np.float64]:
        there = start.moved(np.clip(step, -_LONGEST_STEP, _LONGEST_STEP) @ directions)
        return _residues(function_of_shape(there), wanted) - goal

    nothing = np.zeros(len(matter))
    found = root(left, nothing, method="hybr", options={"xtol": 1e-3, "eps": 1e-4, "maxfev": 80})
    if np.abs(found.fun).max() > np.abs(left(nothing)).max():
        return start
    return start.moved(np.clip(found.x, -_LONGEST_STEP, _LONGEST_STEP) @ directions)


def with_masks_function(
    start: ShapeParameters,
    wanted: Mapping[str, float],
    volumes: Callable[[ShapeParameters], Volumes],
) -> ShapeParameters:
    """Bring a shape to a function that its masks measure, by radii and thickness alone.

    The cavity grows or shrinks in each phase, the wall with its mass in both, and the depth of the
    RV in each phase, all of them evenly.

    Parameters
    ----------
    start : ShapeParameters
    wanted : mapping
        Of `FUNCTION` to mL, shares and g.
    volumes : callable
        What the masks of a shape measure.

    Returns
    -------
    ShapeParameters
        The nearest that was found.
    """
    shape, best, nearest = start, start, np.inf
    goal: dict[tuple[str, str], float] = {}
    total: dict[tuple[str, str], float] = {}
    for _ in range(_ROUNDS):
        found = volumes(shape)
        goal = goal or _goal(found, wanted)
        missed = {
            (phase, structure): float(np.log(ml / max(found[phase][structure], 1e-3)))
            for (phase, structure), ml in goal.items()
        }
        error = max(map(abs, missed.values()), default=0.0)
        if error < nearest:
            best, nearest = shape, error
        if nearest < NEAR:
            break
        by = np.zeros(layout.SIZE)
        for (phase, structure), logarithm in missed.items():
            part, share = _KNOBS[structure]
            before = total.get((phase, structure), 0.0)
            now = float(np.clip(before + share * logarithm, -_FARTHEST, _FARTHEST))
            total[phase, structure] = now
            layout.block(by, f"{phase} {part}")[:, 0] += now - before
        shape = shape.moved(by)
    return best


_KNOBS = {"LV": ("endo", 0.5), "MYO": ("wall", 0.9), "RV": ("rv_depth", 0.8)}
"""By structure, whose series is raised, and by how much for the logarithm of a volume."""


def _goal(found: Volumes, wanted: Mapping[str, float]) -> dict[tuple[str, str], float]:
    """mL of each phase and structure that has to change, or must not while others do."""
    goal: dict[tuple[str, str], float] = {}
    for side, structure in (("lv", "LV"), ("rv", "RV")):
        edv, ef = (wanted.get(f"{side}_{name}") for name in ("edv_ml", "ef"))
        before = found["ED"][structure], found["ES"][structure]
        if edv is None and ef is None and not (side == "rv" and goal):
            continue
        goal["ED", structure] = before[0] if edv is None else edv
        share = before[1] / before[0] if ef is None else 1 - ef
        goal["ES", structure] = goal["ED", structure] * share
    mass = wanted.get("lv_mass_g")
    if mass is not None or goal:
        ed = found["ED"]["MYO"] if mass is None else mass / DENSITY_G_PER_ML
        goal["ED", "MYO"] = ed
        goal["ES", "MYO"] = found["ES"]["MYO"] * ed / found["ED"]["MYO"]
    return goal


def _residues(measured: Mapping[str, float], of: Mapping[str, float]) -> NDArray[np.float64]:
    """Logarithms of volumes and mass, and of the share that is not ejected: smooth everywhere."""
    values = [
        1 - measured[name] if name.endswith("ef") else measured[name]
        for name in FUNCTION
        if name in of
    ]
    return np.log(np.maximum(np.array(values, np.float64), 1e-3))
