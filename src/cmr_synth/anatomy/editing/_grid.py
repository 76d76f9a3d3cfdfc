"""What the tools share: checked input, the fine grid, distances to an outline, every slice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import revert
from cmr_synth.errors import InputError

FINE = 4  # times as many rows and columns: an area share comes in steps of 1/16
ONE_PIXEL = 1.0  # standard deviation of the Gaussian that straightens an outline, in pixels


def checked(labels: NDArray[Any], dimensions: tuple[int, ...]) -> NDArray[np.uint8]:
    """Engine labels as a new uint8 array.

    Raises
    ------
    InputError
        If the number of axes is another, or the array holds something that is no engine label.
    """
    array = np.asarray(labels)
    if array.ndim not in dimensions:
        expected = " or ".join(
            {2: "one slice (y, x)", 3: "a stack (z, y, x)"}[n] for n in dimensions
        )
        raise InputError(f"labels have {array.ndim} dimensions, expected {expected}.")
    return revert(array, "mnms").copy()  # the engine's own numbers: only checks them


def checked_spacing(spacing: tuple[float, ...], dimensions: int) -> tuple[float, ...]:
    """Spacing of the last axes as floats; more may be given than are needed."""
    if len(spacing) < dimensions or not all(np.isfinite(s) and s > 0 for s in spacing):
        raise InputError(
            f"spacing {tuple(spacing)} mm; expected {dimensions} positive numbers, one per axis."
        )
    return tuple(float(s) for s in spacing[-dimensions:])


def each_slice(
    labels: NDArray[np.uint8],
    change: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
    nothing: str,
) -> NDArray[np.uint8]:
    """Apply a tool to a slice or to every slice of a stack; `nothing` if none changes."""
    slices = labels if labels.ndim == 3 else labels[np.newaxis]
    changed = np.stack([change(plane) for plane in slices])
    if np.array_equal(changed, slices):
        raise InputError(nothing)
    return changed if labels.ndim == 3 else changed[0]


def coarse(fine: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels of which a shape on the fine grid covers at least half, (y, x) bool."""
    rows, columns = fine.shape[0] // FINE, fine.shape[1] // FINE
    counts = fine.reshape(rows, FINE, columns, FINE).sum(axis=(1, 3), dtype=np.int32)
    return np.asarray(counts >= FINE * FINE // 2)


def moved_outline(
    region: NDArray[np.bool_], spacing: tuple[float, ...], outward_mm: float
) -> NDArray[np.bool_]:
    """Move the outline of a region along its normal.

    The edge of the image is no outline: what lies beyond it is not known.

    Parameters
    ----------
    region : (y, x) bool array
        Not empty.
    spacing : (y, x) in mm
    outward_mm : float
        Negative moves it inward.

    Returns
    -------
    (y, x) bool array
    """
    out = np.zeros_like(region)
    window = _window(region, spacing, abs(outward_mm))
    fine = _refined(region[window])
    step = (spacing[0] / FINE, spacing[1] / FINE)
    out[window] = coarse(signed_distance_mm(fine, step) <= outward_mm + 1e-9)
    return out | region if outward_mm >= 0 else out & region


def signed_distance_mm(
    region: NDArray[np.bool_], spacing: tuple[float, ...]
) -> NDArray[np.float64]:
    """Distance of each pixel centre to the outline of a region, negative inside.

    The outline runs half-way between the centres on either side of it.
    """
    from scipy.ndimage import distance_transform_edt

    if region.all():
        return np.full(region.shape, -np.inf)
    if not region.any():
        return np.full(region.shape, np.inf)
    half = float(np.mean(spacing)) / 2
    outside = distance_transform_edt(~region, sampling=spacing) - half
    inside = distance_transform_edt(region, sampling=spacing) - half
    return np.where(region, -inside, outside)


def pieces(region: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    """Connected pieces of a region, corners included, and how many there are."""
    from scipy.ndimage import label

    numbered, count = label(region, structure=np.ones((3, 3)))
    return numbered, int(count)


def edges(region: NDArray[np.bool_]) -> Iterator[NDArray[np.bool_]]:
    """The region as its four neighbours see it; outside the image there is none of it."""
    framed = np.pad(region, 1)
    yield framed[:-2, 1:-1]
    yield framed[2:, 1:-1]
    yield framed[1:-1, :-2]
    yield framed[1:-1, 2:]


def _refined(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The region on the fine grid, its outline a line and no longer a staircase.

    The corners of the stairs stand out by half a pixel, and distances would be measured to them:
    walls came out 0.2 pixels too thick. A region too thin for the filter keeps its width.
    """
    from scipy.ndimage import gaussian_filter, zoom

    share = zoom(region.astype(np.float32), FINE, order=1, mode="nearest", grid_mode=True)
    straight = np.asarray(gaussian_filter(share, FINE * ONE_PIXEL, mode="nearest") >= 0.5)
    if straight.sum() >= 0.9 * FINE * FINE * region.sum():
        return straight
    return np.asarray(share >= 0.5)


def _window(
    region: NDArray[np.bool_], spacing: tuple[float, ...], margin_mm: float
) -> tuple[slice, slice]:
    """The part of the image that a move by `margin_mm` can reach."""
    window = []
    for axis in (0, 1):
        index = np.flatnonzero(region.any(axis=1 - axis))
        margin = int(np.ceil(margin_mm / spacing[axis])) + 2
        window.append(slice(max(0, int(index[0]) - margin), int(index[-1]) + margin + 1))
    return window[0], window[1]
