"""From a closed contour to a filled structure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.editing._grid import FINE, checked, coarse
from cmr_synth.anatomy.labels import BACKGROUND, LV, MYO, RV
from cmr_synth.errors import InputError

CONTOURS: dict[str, str] = {
    "endo": "inner border of the wall: what it encloses becomes LV blood pool",
    "epi": "outer border of the wall: what it encloses, but for the LV, becomes myocardium",
    "RV": "border of the RV blood pool: never overwrites the LV or the myocardium",
}
"""The contours by name, and what each one means."""


def rasterise(
    points: Sequence[tuple[float, float]] | NDArray[Any], shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Fill a closed contour.

    Parameters
    ----------
    points : (n, 2) array
        (y, x) in pixels, whole numbers at pixel centres; the last point is joined to the first.
        Where a freehand line crosses itself, everything that it encloses counts as inside.
    shape : (y, x)
        Of the image; what lies beyond it is cut.

    Returns
    -------
    (y, x) bool array
        Pixels of which at least half is inside, judged on 16 points of each.

    Raises
    ------
    InputError
        If the contour has fewer than three different points, one that is no number, or encloses
        no pixel of the image.
    """
    from scipy.ndimage import binary_fill_holes
    from skimage.draw import polygon

    corners = np.asarray(points, dtype=np.float64)
    if corners.ndim != 2 or corners.shape[1] != 2 or len(np.unique(corners, axis=0)) < 3:
        raise InputError(
            "contour: has fewer than three different points (y, x), so it encloses nothing. "
            "Draw once around the structure."
        )
    if not np.isfinite(corners).all():
        raise InputError("contour: has a point that is no number. Draw it again.")
    fine_shape = (shape[0] * FINE, shape[1] * FINE)
    # Fine pixel s of a coarse one has its centre at (s - 1.5) / 4 from the centre of the latter.
    on_fine = corners * FINE + (FINE - 1) / 2
    rows, columns = polygon(on_fine[:, 0], on_fine[:, 1], fine_shape)
    fine = np.zeros(fine_shape, dtype=bool)
    fine[rows, columns] = True
    if rows.size:  # loops of a line that crosses itself are counted out by the even-odd rule
        box = (
            slice(int(rows.min()), int(rows.max()) + 1),
            slice(int(columns.min()), int(columns.max()) + 1),
        )
        fine[box] = binary_fill_holes(fine[box])
    filled = coarse(fine)
    if not filled.any():
        raise InputError(
            "contour: encloses no pixel of the image. Draw it larger, or within the image."
        )
    return filled


def draw_contour(
    labels: NDArray[Any],
    points: Sequence[tuple[float, float]] | NDArray[Any],
    kind: str,
) -> NDArray[np.uint8]:
    """Make a contour the border of its structure in one slice.

    A contour replaces the border that was there. Endo: the LV is what it encloses; what it leaves
    of the former LV becomes wall where there is one. Epi: the myocardium is what it encloses
    without the LV. RV: the RV is what it encloses outside LV and myocardium. Endo and epi give
    the same mask in either order.

    Parameters
    ----------
    labels : (y, x) integer array
        Engine labels.
    points : (n, 2) array
        As for `rasterise`.
    kind : str
        A key of `CONTOURS`.

    Returns
    -------
    (y, x) uint8 array

    Raises
    ------
    InputError
        If the kind is unknown, as `rasterise`, or if an RV contour lies within the LV and wall.
    """
    if kind not in CONTOURS:
        raise InputError(f"unknown contour {kind!r}; known are {', '.join(CONTOURS)}.")
    drawn = checked(labels, (2,))
    inside = rasterise(points, (drawn.shape[0], drawn.shape[1]))
    if kind == "endo":
        has_wall = bool((drawn == MYO).any())
        drawn[(drawn == LV) & ~inside] = MYO if has_wall else BACKGROUND
        drawn[inside] = LV
    elif kind == "epi":
        drawn[(drawn == MYO) & ~inside] = BACKGROUND
        drawn[inside & (drawn != LV)] = MYO
    else:
        free = inside & (drawn != LV) & (drawn != MYO)
        if not free.any():
            raise InputError(
                "RV contour: lies within the LV and the myocardium, which it does not overwrite. "
                "Draw it outside of the wall."
            )
        drawn[(drawn == RV) & ~inside] = BACKGROUND
        drawn[free] = RV
    return drawn
