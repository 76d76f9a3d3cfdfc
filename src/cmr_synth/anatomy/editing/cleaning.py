"""Masks tidied up: ragged outlines smoothed, stray pieces removed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.editing._grid import (
    checked,
    checked_spacing,
    each_slice,
    edges,
    pieces,
)
from cmr_synth.anatomy.labels import BACKGROUND, LV, MYO, RV, STRUCTURES, UNLABELLED, is_heart
from cmr_synth.errors import InputError

SMOOTHING_MM = 1.5  # standard deviation of the Gaussian: about one pixel of a usual scan


def smooth(
    labels: NDArray[Any], spacing: tuple[float, ...], *, sigma_mm: float = SMOOTHING_MM
) -> NDArray[np.uint8]:
    """Smooth the outlines within each slice without opening the wall.

    The epicardium and the RV share their border, so they are smoothed together and no gap opens
    at the septum; the endocardium is smoothed inside the wall. A wall that was closed stays
    closed, a structure that was whole stays whole, and the LV keeps its area. Pinholes in the
    wall are closed.

    Parameters
    ----------
    labels : ([z,] y, x) integer array
        Engine labels; unlabelled pixels stay as they are.
    spacing : ([z,] y, x) in mm
    sigma_mm : float
        Detail smaller than about twice this length goes.

    Returns
    -------
    ([z,] y, x) uint8 array

    Raises
    ------
    InputError
        If nothing is drawn, the length is not positive, or everything is smooth already.
    """
    mask = checked(labels, (2, 3))
    in_plane = checked_spacing(spacing, mask.ndim)[-2:]
    if not 0 < sigma_mm <= 20:
        raise InputError(f"smooth: by {sigma_mm:g} mm; give a length above 0, 20 at the most.")
    if not is_heart(mask).any():
        raise InputError("smooth: nothing is drawn here.")
    sigma = [sigma_mm / step for step in in_plane]
    return each_slice(
        mask, lambda plane: _smoothed(plane, sigma), "smooth: the outlines are smooth already."
    )


def remove_strays(labels: NDArray[Any]) -> NDArray[np.uint8]:
    """Keep the largest piece of each structure in each slice.

    A stray piece becomes what mostly surrounds it: a dot of RV within the LV becomes LV.

    Parameters
    ----------
    labels : ([z,] y, x) integer array
        Engine labels. Pixels that touch at a corner are of one piece.

    Returns
    -------
    ([z,] y, x) uint8 array

    Raises
    ------
    InputError
        If every structure is in one piece.
    """
    return each_slice(
        checked(labels, (2, 3)),
        _largest_pieces,
        "remove strays: every structure is in one piece in its slice already.",
    )


def _smoothed(plane: NDArray[np.uint8], sigma: list[float]) -> NDArray[np.uint8]:
    from scipy.ndimage import binary_fill_holes, gaussian_filter

    lv, wall, rv = (plane == label for label in (LV, MYO, RV))
    if not (lv | wall | rv).any():
        return plane

    def soft(region: NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.asarray(gaussian_filter(region.astype(np.float64), sigma, mode="nearest"))

    heart = binary_fill_holes(lv | wall) if wall.any() else lv
    left, right = soft(heart & ~rv), soft(rv)
    rest = 1 - left - right
    new_heart = _kept_whole((left > right) & (left >= rest), heart)
    new_rv = _kept_whole((right >= left) & (right > rest), rv) & ~new_heart
    new_lv = new_heart & lv
    if wall.any():
        new_lv = _kept_whole(_same_area(soft(lv), lv) & new_heart, lv) & new_heart
        if _is_closed(lv, wall):
            new_lv = _inside(new_lv, new_heart)
    elif lv.any():
        new_lv = new_heart

    out = np.where(plane == UNLABELLED, plane, np.uint8(BACKGROUND))
    free = plane != UNLABELLED
    out[free & new_rv] = RV
    if wall.any():
        # A hole of background or RV within the wall that outlasts the filter is no raggedness.
        hole = heart & ~(lv | wall)
        hole &= soft(hole) >= 0.5
        out[free & new_heart & ~hole] = MYO
        out[free & hole] = plane[free & hole]
    out[free & new_lv] = LV
    return out


def _kept_whole(after: NDArray[np.bool_], before: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What smoothing made of a structure, or more of it where it would be lost or torn."""
    if not before.any() or not after.any():
        return before
    numbered, count = pieces(after)
    if count <= pieces(before)[1]:
        return after
    sizes = np.bincount(numbered.ravel())[1:]
    largest = numbered == 1 + sizes.argmax()
    return largest if sizes.max() > 0.9 * sizes.sum() else after | before


def _same_area(soft: NDArray[np.float64], region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels where a smoothed region is highest, as many as the region had."""
    count = int(region.sum())
    if not count:
        return region
    threshold = np.partition(soft.ravel(), -count)[-count]
    return np.asarray((soft >= threshold) & (soft > 0))


def _is_closed(lv: NDArray[np.bool_], wall: NDArray[np.bool_]) -> bool:
    """Whether no pixel of the LV shares an edge with anything but LV and wall."""
    return bool(lv.any()) and all(bool(side[lv].all()) for side in edges(lv | wall))


def _inside(region: NDArray[np.bool_], hull: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The region without the pixels that share an edge with what lies outside of its hull."""
    kept = region.copy()
    for side in edges(hull):
        kept &= side
    return kept if kept.any() else region


def _largest_pieces(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    from scipy.ndimage import binary_dilation

    out = plane.copy()
    for label in STRUCTURES.values():
        numbered, count = pieces(out == label)
        if count < 2:
            continue
        sizes = np.bincount(numbered.ravel())
        largest = 1 + int(sizes[1:].argmax())
        for number in range(1, count + 1):
            if number == largest:
                continue
            stray = numbered == number
            around = out[binary_dilation(stray, np.ones((3, 3))) & ~stray]
            out[stray] = np.bincount(around).argmax() if around.size else BACKGROUND
    return out
