"""Labels and pixels moved by a warp.

Labels move by their distance maps, so that outlines stay smooth and lie between pixels as before;
between slices the distances are mixed (shape-based interpolation, Raya and Udupa 1990,
doi:10.1109/42.52980). The wall is moved together with the cavity that it encloses and cannot tear.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.dials.warp import Warp
from cmr_synth.anatomy.labels import BACKGROUND, INFARCT, LV, MYO, NO_REFLOW, RV, UNLABELLED

_ORDER = (UNLABELLED, RV, MYO, NO_REFLOW, INFARCT, LV)  # later ones lie on top of earlier ones
_WALL = (LV, MYO, INFARCT, NO_REFLOW)
_SMOOTH = 0.8  # pixels, standard deviation over the staircase of an outline
_LEAST = 0.02  # of half a pixel, that a pixel is away from an outline at least
_FAR = 1e3  # mm, from an outline that is nowhere
_BESIDE = (8, 8)  # pixels beside the heart; all that is further away is outside of it as well


class MovableLabels:
    """A mask that is moved more than once: its distance maps are made once, when first needed.

    Parameters
    ----------
    labels : (z, y, x) uint8 array
        Engine labels.
    spacing : (z, y, x) in mm
    """

    def __init__(self, labels: NDArray[np.uint8], spacing: tuple[float, float, float]):
        self.labels, self.spacing = labels, spacing
        self._present = [label for label in _ORDER if (labels == label).any()]
        self._crop = _around(labels, np.array(_BESIDE))
        self._maps: dict[tuple[int, int], NDArray[np.float32] | None] = {}

    def _map(self, label: int, k: int) -> NDArray[np.float32] | None:
        """Distances around the heart to a structure in slice k; None where it is not."""
        if (label, k) not in self._maps:
            plane = self.labels[k][self._crop]
            region = np.isin(plane, _WALL) if label == MYO else plane == label
            found = _signed_distance(region, self.spacing[1:]) if region.any() else None
            self._maps[label, k] = found
        return self._maps[label, k]

    def _mixed(self, label: int, low: int, share: float) -> NDArray[np.float32] | None:
        """Distances between two slices; a structure that one of them lacks ends half-way."""
        here = self._map(label, low)
        if share == 0:
            return here
        after = self._map(label, low + 1)
        if here is not None and after is not None:
            return np.asarray((1 - share) * here + share * after, dtype=np.float32)
        return here if share < 0.5 else after

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
        n, window = len(self.labels), self._window(warp)
        for k in range(n) if slices is None else slices:
            depth, rows, columns = _plane(warp, k, window)
            rows, columns = rows - self._crop[0].start, columns - self._crop[1].start
            low, share = _between(depth, n)
            if low is None:
                continue
            plane = np.full(rows.shape, BACKGROUND, np.uint8)
            best = np.zeros(rows.shape, np.float32)
            for label in self._present:
                distance = self._mixed(label, low, share)
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
        far = np.abs(np.sqrt(warp.after) - np.sqrt(warp.before)).max()
        return _around(self.labels, np.ceil(far / np.array(self.spacing[1:])).astype(int) + 2)


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


def _around(labels: NDArray[np.uint8], margin: NDArray[np.int_]) -> tuple[slice, slice]:
    """Rows and columns of what is drawn in any slice, with (y, x) pixels beside it."""
    drawn = np.argwhere((labels != BACKGROUND).any(axis=0))
    if not len(drawn):
        return slice(0, 0), slice(0, 0)
    first = np.maximum(drawn.min(axis=0) - margin, 0)
    last = np.minimum(drawn.max(axis=0) + margin + 1, labels.shape[1:])
    return slice(int(first[0]), int(last[0])), slice(int(first[1]), int(last[1]))


def _signed_distance(region: NDArray[np.bool_], spacing: tuple[float, ...]) -> NDArray[np.float32]:
    """Distance of each pixel to an outline that runs between pixels, negative inside, in mm.

    The staircase of pixels is smoothed: of a straight edge all pixels would lie half a pixel from
    the outline, and a small move would change none of them and a larger one all at once. No pixel
    changes sides by that.
    """
    from scipy.ndimage import distance_transform_edt, gaussian_filter

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
