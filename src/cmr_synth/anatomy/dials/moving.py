"""Labels and pixels moved by a warp.

Labels move by their distance maps, so that outlines stay smooth and lie between pixels as before;
between slices the distances are mixed (shape-based interpolation, Raya and Udupa 1990,
doi:10.1109/42.52980). The wall is moved together with the cavity that it encloses and cannot tear.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.dials.warp import Warp
from cmr_synth.anatomy.labels import BACKGROUND, INFARCT, LV, MYO, NO_REFLOW, RV, UNLABELLED

_ORDER = (UNLABELLED, RV, MYO, NO_REFLOW, INFARCT, LV)  # later ones lie on top of earlier ones
_WALL = (LV, MYO, INFARCT, NO_REFLOW)
_SMOOTH = 0.8  # pixels, standard deviation over the staircase of an outline
_LEAST = 0.02  # of half a pixel, that a pixel is away from an outline at least
_FAR = 1e3  # mm, from a structure that is nowhere


class MovableLabels:
    """A mask that is moved more than once: its distance maps are made once.

    Parameters
    ----------
    labels : (z, y, x) uint8 array
        Engine labels.
    spacing : (z, y, x) in mm
    """

    def __init__(self, labels: NDArray[np.uint8], spacing: tuple[float, float, float]):
        self.labels, self.spacing = labels, spacing

    @cached_property
    def _maps(self) -> dict[int, NDArray[np.float32]]:
        present = [label for label in _ORDER if (self.labels == label).any()]
        return {label: self._map(label) for label in present}

    def _map(self, label: int) -> NDArray[np.float32]:
        region = np.isin(self.labels, _WALL) if label == MYO else self.labels == label
        return np.stack([_signed_distance(plane, self.spacing[1:]) for plane in region])

    def moved(self, warp: Warp, *, slices: tuple[int, ...] | None = None) -> NDArray[np.uint8]:
        """The labels after a move.

        Parameters
        ----------
        warp : Warp
        slices : tuple of int, optional
            Which to make; the others stay background.

        Returns
        -------
        (z, y, x) uint8 array
        """
        from scipy.ndimage import map_coordinates

        out = np.zeros_like(self.labels)
        n = len(self.labels)
        for k in range(n) if slices is None else slices:
            window = self._window(warp)
            depth, rows, columns = _plane(warp, k, window)
            low, share = _between(depth, n)
            if low is None:
                continue
            plane = np.full(rows.shape, BACKGROUND, np.uint8)
            best = np.zeros(rows.shape, np.float32)
            for label, maps in self._maps.items():
                distance = _mixed(maps, low, share)
                if distance is None:
                    continue
                d = map_coordinates(distance, (rows, columns), order=1, mode="nearest")
                if label == RV:
                    best = d
                elif label == MYO:  # RV and wall are neighbours: the nearer one has the pixel
                    d = np.where((plane == RV) & (best < d), 1.0, d)
                plane[d <= 0] = label
            out[k][window] = plane
        return out

    def _window(self, warp: Warp) -> tuple[slice, slice]:
        """The part of a picture in which there can be labels after the move."""
        drawn = np.argwhere((self.labels != BACKGROUND).any(axis=0))
        if not len(drawn):
            return slice(0, 0), slice(0, 0)
        low, high = drawn.min(axis=0), drawn.max(axis=0)
        far = np.abs(np.sqrt(warp.after) - np.sqrt(warp.before)).max()
        margin = np.ceil(far / np.array(self.spacing[1:])).astype(int) + 2
        first = np.maximum(low - margin, 0)
        last = np.minimum(high + margin + 1, self.labels.shape[1:])
        return slice(first[0], last[0]), slice(first[1], last[1])


def move_labels(labels: NDArray[np.uint8], warp: Warp) -> NDArray[np.uint8]:
    """Move a mask, (z, y, x) engine labels."""
    return MovableLabels(labels, warp.spacing).moved(warp)


def move_pixels(pixels: NDArray[np.float32], warp: Warp) -> NDArray[np.float32]:
    """Move an image by the warp that its mask is moved by.

    Parameters
    ----------
    pixels : (z, y, x) float array
    warp : Warp

    Returns
    -------
    (z, y, x) float32 array
        Pixels that do not move keep their value to the bit; the others are interpolated with
        cubic splines within the slice, linearly between slices, and stay inside the range of the
        image.
    """
    from scipy.ndimage import map_coordinates, spline_filter

    pixels = np.asarray(pixels, dtype=np.float32)
    smooth = np.stack([spline_filter(plane, order=3, output=np.float32) for plane in pixels])
    out = pixels.copy()
    own = np.indices(pixels.shape[1:])
    for k, depth, rows, columns in warp.planes(pixels.shape):
        depth = float(np.clip(depth, 0, len(pixels) - 1))
        still = depth == k
        moving = (np.abs(rows - own[0]) > 1e-9) | (np.abs(columns - own[1]) > 1e-9) | (not still)
        at = np.stack([rows[moving], columns[moving]])
        low = min(int(depth), max(len(pixels) - 2, 0))
        share = depth - low
        value = np.zeros(at.shape[1], np.float32)
        for number, weight in ((low, 1 - share), (low + 1, share)):
            if weight > 0:
                value += weight * map_coordinates(
                    smooth[number], at, order=3, mode="nearest", prefilter=False
                )
        out[k][moving] = np.clip(value, pixels.min(), pixels.max())
    return out


def _plane(
    warp: Warp, k: int, window: tuple[slice, slice]
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Where the pixels of a window of slice k come from, in voxels."""
    dz, dy, dx = warp.spacing
    y, x = np.meshgrid(
        np.arange(window[0].start, window[0].stop) * dy,
        np.arange(window[1].start, window[1].stop) * dx,
        indexing="ij",
    )
    depth, rows, columns = warp.source(k * dz, y, x)
    return depth / dz, rows / dy, columns / dx


def _between(depth: float, n: int) -> tuple[int | None, float]:
    """The slice before a depth and the share of the one after it; None outside of the stack.

    A slice stands for its thickness: the first and the last reach half a slice outward.
    """
    if not -0.5 <= depth <= n - 0.5:
        return None, 0.0
    depth = min(max(depth, 0.0), n - 1.0)
    low = min(int(depth), max(n - 2, 0))
    share = depth - low
    return (low, 0.0) if share < 1e-6 else (low, share)


def _mixed(maps: NDArray[np.float32], low: int, share: float) -> NDArray[np.float32] | None:
    """Distance map between two slices; a structure that one of them lacks ends half-way."""
    if share == 0:
        return maps[low] if maps[low].min() <= 0 else None
    pair = maps[low], maps[low + 1]
    here = [bool(one.min() <= 0) for one in pair]
    if all(here):
        return np.asarray((1 - share) * pair[0] + share * pair[1], dtype=np.float32)
    if here[0] and share < 0.5:
        return pair[0]
    return pair[1] if here[1] and share >= 0.5 else None


def _signed_distance(region: NDArray[np.bool_], spacing: tuple[float, ...]) -> NDArray[np.float32]:
    """Distance of each pixel to an outline that runs between pixels, negative inside, in mm.

    The staircase of pixels is smoothed: of a straight edge all pixels would lie half a pixel from
    the outline, and a small move would change none of them and a larger one all at once. No pixel
    changes sides by that.
    """
    from scipy.ndimage import distance_transform_edt, gaussian_filter

    if not region.any():
        return np.full(region.shape, _FAR, np.float32)
    if region.all():
        return np.full(region.shape, -_FAR, np.float32)
    half = float(np.mean(spacing)) / 2
    outside = distance_transform_edt(~region, sampling=spacing)
    inside = distance_transform_edt(region, sampling=spacing)
    stairs = np.where(region, half - inside, outside - half)
    smooth = gaussian_filter(stairs, _SMOOTH, mode="nearest")
    least = _LEAST * half
    return np.where(region, np.minimum(smooth, -least), np.maximum(smooth, least)).astype(
        np.float32
    )
