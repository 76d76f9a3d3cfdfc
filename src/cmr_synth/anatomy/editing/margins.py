"""Borders moved by millimetres: the wall from the LV, and structures expanded or contracted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.editing._grid import (
    checked,
    checked_spacing,
    each_slice,
    edges,
    moved_outline,
)
from cmr_synth.anatomy.labels import BACKGROUND, LV, MYO, RV, STRUCTURES, UNLABELLED
from cmr_synth.errors import InputError

LARGEST_MM = 100.0  # beyond it the number is no wall and no correction


def ring(
    labels: NDArray[Any],
    spacing: tuple[float, ...],
    thickness_mm: float,
    *,
    over_rv: bool = False,
) -> NDArray[np.uint8]:
    """Put a wall of even thickness around the LV, in place of the myocardium that is there.

    Parameters
    ----------
    labels : ([z,] y, x) integer array
        Engine labels; slices without LV stay as they are.
    spacing : ([z,] y, x) in mm
    thickness_mm : float
        From the endocardium to the epicardium.
    over_rv : bool
        Let the wall take pixels from the RV.

    Returns
    -------
    ([z,] y, x) uint8 array

    Raises
    ------
    InputError
        If there is no LV, the thickness is not between 0 and 100 mm, or nothing changes.
    """
    mask = checked(labels, (2, 3))
    in_plane = checked_spacing(spacing, mask.ndim)[-2:]
    if not 0 < thickness_mm <= LARGEST_MM:
        raise InputError(
            f"wall thickness {thickness_mm:g} mm; give a number above 0, 100 at the most."
        )
    if not (mask == LV).any():
        raise InputError("wall from the LV: no LV blood pool here. Draw it first.")

    def walled(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
        lv = plane == LV
        if not lv.any():
            return plane
        wall = moved_outline(lv, in_plane, thickness_mm) & ~lv
        if not over_rv:
            wall &= plane != RV
        out = np.where(plane == MYO, np.uint8(BACKGROUND), plane)
        out[wall] = MYO
        return out

    return each_slice(
        mask, walled, f"wall from the LV: there is a wall of {thickness_mm:g} mm already."
    )


def expand(
    labels: NDArray[Any], spacing: tuple[float, ...], structure: int, by_mm: float
) -> NDArray[np.uint8]:
    """Move the border of a structure outward, or inward by a negative distance.

    For the LV that is the endocardium: it grows into the wall, and what it leaves becomes wall
    again. For the myocardium it is the epicardium; the endocardium stays. The RV and the
    epicardium grow into background only, so no other structure loses pixels.

    Parameters
    ----------
    labels : ([z,] y, x) integer array
        Engine labels; slices without the structure stay as they are.
    spacing : ([z,] y, x) in mm
    structure : int
        `LV`, `MYO` or `RV`.
    by_mm : float
        Positive expands, negative contracts.

    Returns
    -------
    ([z,] y, x) uint8 array

    Raises
    ------
    InputError
        If the structure is unknown or absent, the distance is 0 or over 100 mm, nothing would be
        left of it, or nothing changes on this grid.
    """
    mask = checked(labels, (2, 3))
    in_plane = checked_spacing(spacing, mask.ndim)[-2:]
    names = {number: name for name, number in STRUCTURES.items()}
    if structure not in names:
        known = ", ".join(f"{number} ({name})" for number, name in names.items())
        raise InputError(f"unknown structure {structure}; known are {known}.")
    name = names[structure]
    if not 0 < abs(by_mm) <= LARGEST_MM:
        raise InputError(f"{name}: by {by_mm:g} mm; give a distance above 0, 100 mm at the most.")
    if not (mask == structure).any():
        raise InputError(f"{name}: nothing to expand or contract, it is not drawn here.")
    move = {LV: _endocardium, MYO: _epicardium, RV: _free_border}[structure]

    def moved(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return move(plane, in_plane, by_mm) if (plane == structure).any() else plane

    out = each_slice(
        mask,
        moved,
        f"{name}: nothing changes. The distance is less than half a pixel "
        f"({min(in_plane) / 2:.2g} mm), or other structures leave no room.",
    )
    if not (out == structure).any():
        raise InputError(f"{name}: contracted by {-by_mm:g} mm nothing would be left of it.")
    return out


def _endocardium(
    plane: NDArray[np.uint8], spacing: tuple[float, ...], by_mm: float
) -> NDArray[np.uint8]:
    before = plane == LV
    after = moved_outline(before, spacing, by_mm)
    out = plane.copy()
    if by_mm > 0:
        out[after & np.isin(plane, (BACKGROUND, UNLABELLED, MYO))] = LV
        return out
    # What the LV leaves belongs to the wall only where there is one beside it.
    beside_wall = bool((_outer_rim(before) & (plane == MYO)).any())
    out[before & ~after] = MYO if beside_wall else BACKGROUND
    return out


def _epicardium(
    plane: NDArray[np.uint8], spacing: tuple[float, ...], by_mm: float
) -> NDArray[np.uint8]:
    from scipy.ndimage import binary_fill_holes

    heart = binary_fill_holes((plane == LV) | (plane == MYO))
    after = moved_outline(heart, spacing, by_mm)
    out = plane.copy()
    out[after & ~heart & np.isin(plane, (BACKGROUND, UNLABELLED))] = MYO
    out[(plane == MYO) & ~after] = BACKGROUND
    return out


def _free_border(
    plane: NDArray[np.uint8], spacing: tuple[float, ...], by_mm: float
) -> NDArray[np.uint8]:
    before = plane == RV
    after = moved_outline(before, spacing, by_mm)
    out = plane.copy()
    out[after & np.isin(plane, (BACKGROUND, UNLABELLED))] = RV
    out[before & ~after] = BACKGROUND
    return out


def _outer_rim(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels outside of a region that share an edge with it."""
    beside = np.zeros_like(region)
    for neighbours in edges(region):
        beside |= neighbours
    return beside & ~region
