"""Where the slices of a stack lie between the base of a heart and its apex."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEVELS = ("basal", "mid", "apical")
"""Thirds of a heart from base to apex, as z below 1/3, below 2/3, and the rest."""


def slice_position(area: NDArray[np.float64]) -> NDArray[np.float32]:
    """Position of each slice between base (0) and apex (1), from the labelled area per slice.

    Stacks are stored in either direction; the end with the larger heart is the base. Slices
    beyond the labelled ones are clipped to 0 and 1.

    Parameters
    ----------
    area : (z,) array
        Labelled area of each slice, any unit.

    Returns
    -------
    (z,) float32 array
    """
    area = np.asarray(area, dtype=np.float64)
    drawn = np.flatnonzero(area > 0)
    if drawn.size == 0:
        return np.full(len(area), 0.5, dtype=np.float32)
    first, last = int(drawn[0]), int(drawn[-1])
    if first == last:
        return np.full(len(area), 0.5, dtype=np.float32)
    position = (np.arange(len(area)) - first) / (last - first)
    half = (last - first + 1) // 2
    base_area = area[first : first + half].sum()
    apex_area = area[last - half + 1 : last + 1].sum()
    if base_area < apex_area:
        position = 1.0 - position
    return np.clip(position, 0.0, 1.0).astype(np.float32)


def positions_in_stack(area: NDArray[np.integer]) -> NDArray[np.float32] | None:
    """Positions that follow from the stack, (z,); None where one slice alone is labelled.

    Parameters
    ----------
    area : (z,) array
        Labelled area of each slice, any unit.
    """
    return None if np.count_nonzero(area) == 1 else slice_position(area.astype(np.float64))


def level_of(z: float) -> str:
    """One of `LEVELS`, of a position between base, 0, and apex, 1."""
    return LEVELS[min(int(z * 3), 2)]
