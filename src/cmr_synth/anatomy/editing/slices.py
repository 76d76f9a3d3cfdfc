"""From one slice to the next: copies, and the slices between two drawn ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.editing._grid import checked, checked_spacing, signed_distance_mm
from cmr_synth.anatomy.labels import BACKGROUND, LV, MYO, RV, is_heart
from cmr_synth.errors import InputError


def copy_slice(labels: NDArray[Any], source: int, target: int) -> NDArray[np.uint8]:
    """Copy everything drawn in one slice to another, in place of what is there.

    Parameters
    ----------
    labels : (z, y, x) integer array
        Engine labels.
    source, target : int
        Slice numbers from 0.

    Returns
    -------
    (z, y, x) uint8 array

    Raises
    ------
    InputError
        If a slice does not exist, nothing is drawn in the source, or both are the same already.
    """
    stack = checked(labels, (3,))
    for index in (source, target):
        if not 0 <= index < len(stack):
            raise InputError(
                f"copy: there is no slice {index}, the stack has 0 to {len(stack) - 1}."
            )
    if not is_heart(stack[source]).any():
        raise InputError(f"copy: nothing is drawn in slice {source}.")
    if np.array_equal(stack[source], stack[target]):
        raise InputError(f"copy: slice {target} is the same as slice {source} already.")
    stack[target] = stack[source]
    return stack


def fill_between(labels: NDArray[Any], spacing: tuple[float, ...]) -> NDArray[np.uint8]:
    """Draw the slices left out between drawn ones by shape-based interpolation.

    For each structure and each pair of slices that show it with none between, the signed
    distances to the outline are interpolated linearly (Raya and Udupa 1990,
    doi:10.1109/42.52980). LV and wall are interpolated as one shape, from which the LV is then
    taken, so that the wall stays whole; between a slice with both and one with wall alone, the
    apex, the LV narrows to a point. Only background is filled: a slice keeps what is drawn in
    it, and a structure is not touched where it is drawn.

    Parameters
    ----------
    labels : (z, y, x) integer array
        Engine labels.
    spacing : (z, y, x) in mm

    Returns
    -------
    (z, y, x) uint8 array

    Raises
    ------
    InputError
        If no slice lies between two that show the same structure, or the shapes of two such
        slices do not overlap.
    """
    stack = checked(labels, (3,))
    in_plane = checked_spacing(spacing, 3)[1:]
    shapes = {
        LV: stack == LV,
        MYO: np.isin(stack, (LV, MYO)),  # with the LV: rings of different sizes do not mix
        RV: stack == RV,
    }
    if not any(_gaps(stack == label) for label in shapes):
        raise InputError(
            "fill between slices: no slice lies between two that show the same structure. "
            "Draw the first and the last slice, and leave those between empty."
        )
    out = stack.copy()
    for first, last in _gaps(stack == MYO):
        for index, filled in _tapered(shapes[LV], first, last, in_plane):
            out[index][filled & (out[index] == BACKGROUND)] = LV
    for label, shape in shapes.items():  # LV first, so that the wall goes around it
        for first, last in _gaps(stack == label):
            for index, filled in _interpolated(shape, first, last, in_plane):
                out[index][filled & (out[index] == BACKGROUND)] = label
    if np.array_equal(out, stack):
        raise InputError(
            "fill between slices: the shapes of the slices on either side do not overlap. "
            "Draw one of the slices between."
        )
    return out


def _gaps(shown: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Pairs of slices that show a structure, with one or more between that do not."""
    slices = np.flatnonzero(shown.any(axis=(1, 2)))
    return [(int(a), int(b)) for a, b in zip(slices[:-1], slices[1:], strict=True) if b - a > 1]


def _interpolated(
    shape: NDArray[np.bool_], first: int, last: int, spacing: tuple[float, ...]
) -> list[tuple[int, NDArray[np.bool_]]]:
    above, below = (signed_distance_mm(shape[index], spacing) for index in (first, last))
    filled = []
    for index in range(first + 1, last):
        share = (index - first) / (last - first)
        # A shape that fills its slice has an infinite distance, which wins over any other.
        filled.append((index, (1 - share) * above + share * below <= 0))
    return filled


def _tapered(
    lv: NDArray[np.bool_], first: int, last: int, spacing: tuple[float, ...]
) -> list[tuple[int, NDArray[np.bool_]]]:
    """The LV as a cone between a slice that shows it and one that does not."""
    shown = [bool(plane.any()) for plane in lv[first : last + 1]]
    if any(shown[1:-1]) or shown[0] == shown[-1]:
        return []
    base, apex = (first, last) if shown[0] else (last, first)
    distance = signed_distance_mm(lv[base], spacing)
    radius = -float(distance.min())
    return [
        (index, distance + radius * abs(index - base) / abs(apex - base) <= 0)
        for index in range(first + 1, last)
    ]
