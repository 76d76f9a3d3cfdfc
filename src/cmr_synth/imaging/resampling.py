"""Resampling of planes along their own axes, as two matrix products.

A grid whose rows and columns run along those of the picture is reached by one linear map an axis.
The map of an axis is a small matrix: made once for a stack, it resamples every plane of it, some
ten times faster than interpolation pixel by pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_PAD = 12  # edge pixels repeated before a spline is fitted, as scipy.ndimage does for "nearest"


def resample(
    slices: NDArray,
    scale: Sequence[float],
    offset: Sequence[float],
    shape: tuple[int, int],
    *,
    order: int = 3,
) -> NDArray[np.float32]:
    """Sample planes at ``offset + scale * (row, column)``; beyond the edge, the nearest pixel.

    Where the new pixels are larger, a Gaussian filter comes first that keeps what they can hold.

    Parameters
    ----------
    slices : (..., y, x) array
    scale, offset : two numbers each
        Along (y, x), in pixels of `slices`.
    shape : (rows, columns)
    order : int
        1 for linear interpolation, 3 for cubic splines (which overshoot at edges).

    Returns
    -------
    (..., rows, columns) float32 array
    """
    along = [
        _axis(slices.shape[-2 + a], float(scale[a]), float(offset[a]), shape[a], order)
        for a in (0, 1)
    ]
    pixels = np.asarray(slices, dtype=np.float32)
    return np.matmul(along[0], np.matmul(pixels, along[1].T))


@lru_cache(maxsize=64)
def _axis(count: int, scale: float, offset: float, made: int, order: int) -> NDArray[np.float32]:
    """The (made, count) matrix of one axis."""
    from scipy import ndimage

    places = offset + scale * np.arange(made)
    if order == 1:
        matrix = _weighted(np.eye(count), np.clip(places, 0, count - 1), _linear, first=0)
    elif order == 3:
        padded = np.pad(np.eye(count), ((_PAD, _PAD), (0, 0)), mode="edge")
        fitted = ndimage.spline_filter1d(padded, 3, axis=0, mode="nearest")
        places = np.clip(places + _PAD, 0, len(padded) - 1)
        matrix = _weighted(fitted, places, _cubic, first=-1)
    else:
        raise ValueError(f"interpolation is of order 1 or 3, not {order}")
    # A Gaussian of this width turns the input's unit pixel into the output's (both as
    # Gaussians of half a pixel), so that fine detail does not fold back as aliasing.
    sigma = 0.5 * np.sqrt(max(scale * scale - 1.0, 0.0))
    if sigma > 0:
        matrix = matrix @ ndimage.gaussian_filter1d(np.eye(count), sigma, axis=0, mode="nearest")
    matrix = matrix.astype(np.float32)
    matrix.setflags(write=False)  # shared by all who ask for it
    return matrix


def _weighted(
    lines: NDArray,
    places: NDArray,
    weights_of: Callable[[NDArray], tuple[NDArray, ...]],
    *,
    first: int,
) -> NDArray:
    """Weighted sums of neighbouring lines, (places, columns); `first` is the first neighbour."""
    whole = np.floor(places).astype(int)
    weights = weights_of(places - whole)
    total = np.zeros((len(places), lines.shape[1]))
    for k, weight in enumerate(weights):
        total += weight[:, None] * lines[np.clip(whole + first + k, 0, len(lines) - 1)]
    return total


def _linear(t: NDArray) -> tuple[NDArray, ...]:
    return 1 - t, t


def _cubic(t: NDArray) -> tuple[NDArray, ...]:
    """The cubic B-spline at -1 - t, -t, 1 - t and 2 - t."""
    return (
        (1 - t) ** 3 / 6,
        (4 - 6 * t**2 + 3 * t**3) / 6,
        (1 + 3 * t + 3 * t**2 - 3 * t**3) / 6,
        t**3 / 6,
    )
