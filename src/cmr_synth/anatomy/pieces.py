"""Pieces of a picture: what is enclosed by something else."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def enclosed(outside: NDArray[Any]) -> NDArray[np.bool_]:
    """Parts of a region that do not reach the edge of the picture: holes in what is around it.

    Parameters
    ----------
    outside : (y, x) bool array
        Such as the background.

    Returns
    -------
    (y, x) bool array
        As `scipy.ndimage.binary_fill_holes` would fill, in a fraction of the time.
    """
    from scipy.ndimage import label

    if not outside.size:  # a box around nothing
        return outside.astype(bool)
    pieces, count = label(outside)
    if count < 2:  # one piece is the background itself, or there is no hole without an edge
        edge = outside[0].any() or outside[-1].any() or outside[:, 0].any() or outside[:, -1].any()
        return np.zeros(outside.shape, bool) if edge or not count else np.asarray(outside, bool)
    inner = np.ones(count + 1, bool)
    inner[0] = False
    for line in (pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]):
        inner[line] = False
    return np.asarray(inner[pieces])
