"""Can these be end-diastole and end-systole of one heart? Findings in plain words, as data.

Beside the findings of each stack, what cannot be between the two.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import (
    LV,
    MYO,
    STRUCTURES,
    UNLABELLED,
    revert,
    scar_as_myocardium,
)
from cmr_synth.anatomy.plausibility import Finding, stack_findings
from cmr_synth.errors import InputError

CODES: dict[str, str] = {
    "es-larger": "a ventricle is larger at end-systole than at end-diastole",
    "wall-changes": "the wall is another one at end-systole",
    "phases-apart": "the LV of end-systole lies elsewhere",
}
"""What can be found of a pair, beside the codes of stacks."""

WALL_KEPT = (0.7, 1.7)
"""Volume of the wall at end-systole over that at end-diastole. Muscle keeps its volume, but slices
at the base come and go: 0.89 to 1.47 in ACDC."""
APART_MM = 20.0
"""Between the centres of the LV at end-diastole and end-systole, in-plane; at most 12 in ACDC."""


def pair_findings(
    ed: NDArray[Any],
    es: NDArray[Any],
    spacing: tuple[float, float, float] = (8.0, 1.5, 1.5),
    *,
    name: str = "mask",
) -> list[Finding]:
    """Look over both phases of one heart, and for what cannot be between them.

    Parameters
    ----------
    ed, es : (z, y, x) integer arrays
        Engine labels at end-diastole and end-systole on one grid.
    spacing : (z, y, x) in mm
        Distance between slices, then pixel size.
    name : str
        What error messages call the heart.

    Returns
    -------
    list of Finding
        Those of the stacks, ED first, then those of the pair.

    Raises
    ------
    InputError
        As `stack_findings`, or if the grids differ.
    """
    if np.shape(ed) != np.shape(es):
        raise InputError(
            f"{name}: ED is {np.shape(ed)} and ES {np.shape(es)}; give both on one grid."
        )
    found = [
        finding
        for labels, phase in ((ed, "ED"), (es, "ES"))
        for finding in stack_findings(labels, spacing, name=f"{name} {phase}")
    ]
    phases = [revert(scar_as_myocardium(labels), "mnms", name=name) for labels in (ed, es)]
    if any((labels == UNLABELLED).any() for labels in phases):
        return found
    return [*found, *_larger_in_systole(*phases), *_another_wall(*phases, spacing=spacing)]


def _larger_in_systole(ed: NDArray[np.uint8], es: NDArray[np.uint8]) -> list[Finding]:
    found = []
    for structure in ("LV", "RV"):
        before, after = (int((labels == STRUCTURES[structure]).sum()) for labels in (ed, es))
        if before and after > before:
            message = (
                f"The {structure} is {after / before - 1:.0%} larger at ES than at ED; the phases "
                "are perhaps swapped."
            )
            found.append(Finding("es-larger", message, "error", structure=structure))
    return found


def _another_wall(
    ed: NDArray[np.uint8], es: NDArray[np.uint8], *, spacing: tuple[float, float, float]
) -> list[Finding]:
    found = []
    before, after = (int((labels == MYO).sum()) for labels in (ed, es))
    if before and not WALL_KEPT[0] <= after / before <= WALL_KEPT[1]:
        message = (
            f"The wall at ES has {after / before:.0%} of its volume at ED; muscle keeps its volume."
        )
        found.append(Finding("wall-changes", message, "warning", structure="MYO"))
    hearts = [np.isin(labels, (LV, MYO)) for labels in (ed, es)]
    if all(heart.any() for heart in hearts):
        centres = [np.argwhere(heart)[:, 1:].mean(axis=0) for heart in hearts]
        apart = float(np.linalg.norm((centres[0] - centres[1]) * np.asarray(spacing[1:])))
        if apart > APART_MM:
            message = f"The LV at ES lies {apart:.0f} mm from that at ED; one of them is misplaced."
            found.append(Finding("phases-apart", message, "warning", structure="LV"))
    return found
