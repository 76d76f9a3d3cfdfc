"""A heart moved, scaled and turned in its slices, and a heart between two phases."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.editing._grid import signed_distance_mm
from cmr_synth.anatomy.labels import BACKGROUND, LV, MYO, RV
from cmr_synth.errors import InputError


def moved(
    stack: NDArray[np.uint8], matrix: NDArray[np.floating], shape: tuple[int, int]
) -> NDArray[np.uint8]:
    """Draw a heart again on another grid, the same way in every slice.

    Each structure is interpolated linearly and every pixel gets the one it has most of, so that
    outlines stay smooth where the heart is made larger.

    Parameters
    ----------
    stack : (z, y, x) uint8 array
        Engine labels, without unlabelled pixels.
    matrix : (2, 3) array
        Where a pixel of the new grid looks: its (y, x, 1) to (y, x) of the stack.
    shape : (y, x)
        Of the new grid.

    Returns
    -------
    (z, *shape) uint8 array

    Raises
    ------
    InputError
        If the heart was made so small or so large that no pixel can tell.
    """
    from scipy.ndimage import affine_transform

    matrix = np.asarray(matrix, np.float64)
    size = abs(np.linalg.det(matrix[:, :2]))
    if not (np.isfinite(matrix).all() and 1e-3 < size < 1e3):
        raise InputError("the template was scaled out of all proportion; scale it back.")
    out = np.zeros((len(stack), *shape), np.uint8)
    for index, plane in enumerate(stack):
        labels = np.array([label for label in (LV, MYO, RV) if (plane == label).any()], np.uint8)
        if not labels.size:
            continue
        shares = np.stack(
            [
                affine_transform(
                    np.float32(plane == label), matrix[:, :2], matrix[:, 2], shape, order=1
                )
                for label in labels
            ]
        )
        rest = 1 - shares.sum(axis=0)
        out[index] = np.where(shares.max(axis=0) > rest, labels[shares.argmax(axis=0)], BACKGROUND)
    return out


def between_phases(ed: NDArray[np.uint8], es: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    """A heart on its way from end-diastole to end-systole, slice by slice.

    Outlines lie between those of both phases, by signed distance. A structure that a slice shows
    in one phase only comes or goes half-way.

    Parameters
    ----------
    ed, es : (z, y, x) uint8 arrays
        Engine labels of one heart on one grid.
    share : float
        0 for ED, 1 for ES.
    """
    out = np.zeros_like(ed)
    for index, (first, last) in enumerate(zip(ed, es, strict=True)):
        rv, whole, lv = (
            _between(np.isin(first, labels), np.isin(last, labels), share)
            for labels in ((RV,), (LV, MYO), (LV,))
        )
        out[index][rv] = RV
        out[index][whole] = MYO
        out[index][lv] = LV
    return out


def contraction(frames: int, systole: int) -> NDArray[np.float64]:
    """How far each frame of a cycle is from ED (0) to ES (1), which is frame `systole`.

    Half a cosine down and half a cosine up: smooth, with both phases at rest.
    """
    at = np.arange(frames, dtype=np.float64)
    turn = np.where(
        at <= systole, at / max(systole, 1), 1 + (at - systole) / max(frames - systole, 1)
    )
    return np.asarray((1 - np.cos(np.pi * turn)) / 2)


def _between(first: NDArray[np.bool_], last: NDArray[np.bool_], share: float) -> NDArray[np.bool_]:
    if not first.any() or not last.any():
        return first if share < 0.5 else last
    spacing = (1.0, 1.0)
    distance = (1 - share) * signed_distance_mm(first, spacing)
    return np.asarray(distance + share * signed_distance_mm(last, spacing) <= 0)
