"""Intensity normalisation: what a grey value of 0 and of 1 mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cmr_synth.errors import InputError

Pixels = NDArray[np.float32]

SHOULDER = 0.75  # grey value of the heart's brightest blood; what is brighter is compressed above
WINDOW_MARGIN_MM = 10.0
Black = Literal["volume", "window"]


def percentile(array: NDArray, *, low: float = 1.0, high: float = 99.5) -> Pixels:
    """Clip to two percentiles of the whole volume and scale to [0, 1].

    Parameters
    ----------
    array : (..., y, x) array
        Pixels of one volume, any unit. Non-finite values are refused.
    low, high : float
        Percentiles, 0 <= low < high <= 100.

    Returns
    -------
    (..., y, x) float32 array
        Values in [0, 1]; all zero if the two percentiles coincide.

    Raises
    ------
    InputError
        If the array is empty or holds NaN or infinite values.
    """
    if not 0 <= low < high <= 100:
        raise ValueError(f"percentiles must satisfy 0 <= low < high <= 100, got {low} and {high}")
    pixels = _finite(array)
    bottom, top = np.percentile(pixels, [low, high])
    return _rescale(pixels, float(bottom), float(top))


def minmax(array: NDArray) -> Pixels:
    """Scale the whole range of the volume to [0, 1]."""
    pixels = _finite(array)
    return _rescale(pixels, float(pixels.min()), float(pixels.max()))


def zscore(array: NDArray) -> Pixels:
    """Zero mean and unit variance over the foreground.

    The foreground is everything brighter than the volume's mean, a common stand-in where no
    body mask exists. Values are not confined to [0, 1].
    """
    pixels = _finite(array)
    foreground = pixels[pixels > pixels.mean()]
    if foreground.size == 0:
        return np.zeros_like(pixels)
    spread = float(foreground.std())
    return ((pixels - foreground.mean()) / (spread if spread > 0 else 1.0)).astype(np.float32)


def n4(array: NDArray, *, shrink: int = 2, levels: int = 4, iterations: int = 50) -> Pixels:
    """Remove the slowly varying bias field of each slice, then scale by percentiles.

    N4ITK of SimpleITK (Tustison et al. 2010, doi:10.1109/TMI.2010.2046908), slice by slice
    because short-axis slices are too thick and too few for a smooth field along z.
    """
    import SimpleITK as sitk

    pixels = _finite(array)
    corrected = np.empty_like(pixels)
    for index in np.ndindex(pixels.shape[:-2]):
        image = sitk.GetImageFromArray(pixels[index] - pixels[index].min() + 1.0)
        small = sitk.Shrink(image, [shrink, shrink])
        mask = sitk.OtsuThreshold(small, 0, 1)
        n4_filter = sitk.N4BiasFieldCorrectionImageFilter()
        n4_filter.SetMaximumNumberOfIterations([iterations] * levels)
        n4_filter.Execute(small, mask)
        field = sitk.GetArrayFromImage(n4_filter.GetLogBiasFieldAsImage(image))
        corrected[index] = (pixels[index] - pixels[index].min() + 1.0) / np.exp(field)
    return percentile(corrected)


def heart_window(
    heart: NDArray[np.bool_], spacing: tuple[float, float], *, margin_mm: float = WINDOW_MARGIN_MM
) -> NDArray[np.bool_]:
    """The rectangle around a heart, the same on all its slices.

    Parameters
    ----------
    heart : (..., y, x) bool array
        Roughly where it lies; only its outermost rows and columns matter.
    spacing : (y, x) in mm
    margin_mm : float
        Added on each side, as far as the picture goes.

    Returns
    -------
    (y, x) bool array
        All False if no voxel is set.
    """
    flat: NDArray[np.bool_] = np.any(heart.reshape(-1, *heart.shape[-2:]), axis=0)
    window = np.zeros_like(flat)
    if flat.any():
        inside = []
        for axis in (0, 1):
            index = np.flatnonzero(flat.any(axis=1 - axis))
            margin = round(margin_mm / spacing[axis])
            inside.append(slice(max(int(index[0]) - margin, 0), int(index[-1]) + margin + 1))
        window[tuple(inside)] = True
    return window


def around_heart(
    array: NDArray,
    window: NDArray[np.bool_],
    *,
    low: float = 1.0,
    high: float = 95.0,
    black: Black = "volume",
) -> Pixels:
    """Bring hearts of all scanners to one brightness.

    The 1st percentile of the volume becomes 0 and the 95th of a window around the heart 0.75.
    Percentiles of the whole volume are set by the fat next to the coil, which leaves hearts of some
    scanners almost black. What is brighter than the heart approaches 1 along an exponential
    shoulder, so that nothing bright is cut off and the way back exists.

    Late enhancement is often phase-sensitive: signed, stored with an offset, so that air and the
    border are no dark end of the scale, or a black of their own far below it. There the nulled wall
    is to be black, and the window sets both ends.

    Parameters
    ----------
    array : (..., y, x) array
        Pixels of one volume, any unit.
    window : bool array that can be broadcast to `array`
        See `heart_window`; if nothing is set, the whole volume.
    low, high : float
        Percentiles, from 0 to 100 each: of the volume and of the window.
    black : "volume" or "window"
        Whose `low` percentile becomes 0. Of the window, the volume's lowest value is left out: it
        is that of a border without picture.

    Returns
    -------
    (..., y, x) float32 array
        Values in [0, 1]; all zero if the window is no brighter than the volume's darkest pixels.

    Raises
    ------
    InputError
        If the array is empty or holds NaN or infinite values.
    """
    pixels = _finite(array)
    near = pixels[np.broadcast_to(window, pixels.shape)] if np.any(window) else pixels
    dark = pixels
    if black == "window":
        drawn = near[near > pixels.min()]
        dark = drawn if drawn.size else near
    bottom, top = float(np.percentile(dark, low)), float(np.percentile(near, high))
    if top <= bottom:
        return np.zeros_like(pixels)
    linear = np.maximum(SHOULDER * (pixels - bottom) / (top - bottom), 0)
    rest = 1 - SHOULDER
    bent = SHOULDER + rest * -np.expm1(-np.maximum(linear - SHOULDER, 0) / rest)
    return np.where(linear < SHOULDER, linear, bent).astype(np.float32)


ZSCORE = "zscore"
NORMALISATIONS: dict[str, Callable[[NDArray], Pixels]] = {
    "percentile": percentile,
    "percentile-2-98": lambda array: percentile(array, low=2.0, high=98.0),
    "minmax": minmax,
    ZSCORE: zscore,
    "n4": n4,
}
"""Those that need nothing but pixels."""
AROUND_HEART = "around-heart"
ZSCORE_SPAN = 4.0  # standard deviations on both sides that a slice set holds


def normalised(
    array: NDArray,
    name: str,
    heart: NDArray[np.bool_],
    spacing: tuple[float, float],
    *,
    black: Black = "volume",
) -> Pixels:
    """Normalise a volume by any of the names: a key of `NORMALISATIONS`, or "around-heart".

    Parameters
    ----------
    array : (..., y, x) array
        Pixels of one volume, any unit.
    name : str
    heart : (..., y, x) bool array
        Where the heart lies; see `heart_window`.
    spacing : (y, x) in mm
    black : "volume" or "window"
        See `around_heart`; for the others it is nothing.
    """
    if name == AROUND_HEART:
        return around_heart(array, heart_window(heart, spacing), black=black)
    return NORMALISATIONS[name](array)


def in_unit_range(
    array: NDArray,
    name: str,
    heart: NDArray[np.bool_],
    spacing: tuple[float, float],
    *,
    black: Black = "volume",
) -> Pixels:
    """Normalise a volume as `normalised` does, to values that a slice set can hold: 0 to 1.

    A z-score of -4 becomes 0, one of 4 becomes 1, and what lies beyond is clipped.
    """
    pixels = normalised(array, name, heart, spacing, black=black)
    if name != ZSCORE:
        return pixels
    return np.clip(pixels / (2 * ZSCORE_SPAN) + 0.5, 0, 1).astype(np.float32)


def _finite(array: NDArray) -> Pixels:
    pixels = np.asarray(array, dtype=np.float32)
    if pixels.size == 0:
        raise InputError("the image has no voxels; give an image with at least one slice.")
    bad = int(pixels.size - np.isfinite(pixels).sum())
    if bad:
        raise InputError(
            f"the image holds {bad} NaN or infinite values; export it again without them."
        )
    return pixels


def _rescale(pixels: Pixels, bottom: float, top: float) -> Pixels:
    if top <= bottom:
        return np.zeros_like(pixels)
    # clipped after the division, whose rounding may lead out of [0, 1]
    return np.clip((pixels - bottom) / (top - bottom), 0, 1).astype(np.float32)
