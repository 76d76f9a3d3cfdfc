"""Hearts of other shapes: mask and picture bent together about the left ventricle.

A vendor of which one hospital gave scans is known with that hospital's hearts alone: thick walls,
say, only from another vendor. Bending makes thick, thin and wide left ventricles of every scan, so
that a network learns what a mask asks for apart from who was scanned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cmr_synth.anatomy.labels import LV, MYO

ANGLES = 64
STEP = 0.5  # pixels along a ray
CLOSED = 0.9
"""Share of the angles at which there must be wall: an open ring, as at the outflow, is left."""
LEAST = 3.0  # pixels of mean inner radius; a smaller cavity is all edge
REACH = 12.0  # pixels beyond the wall within which the surroundings give way, at least

KINDS = {
    "thick": ((0.55, 0.9), (1.2, 1.9)),
    "wide": ((1.15, 1.5), (0.6, 1.0)),
    "thin": ((1.0, 1.15), (0.5, 0.8)),
}
"""Ranges of the factors of the cavity's radius and of the wall's thickness."""
MOST = 1.35
"""The outer wall does not grow by more: beyond, neighbours would be pressed flat."""


@dataclass(frozen=True, eq=False)
class Ring:
    """The left ventricle of a slice in polar form.

    Parameters
    ----------
    centre : (row, column)
        In pixels.
    inner, outer : (ANGLES,) arrays
        Radii of the wall in pixels, at angles from 0 to 2 pi, from columns towards rows.
    """

    centre: tuple[float, float]
    inner: NDArray[np.float64]
    outer: NDArray[np.float64]


def ring_of(labels: NDArray[np.uint8]) -> Ring | None:
    """The wall about the LV of a slice (y, x), or None where it is no closed ring."""
    cavity = labels == LV
    if not cavity.any() or not (labels == MYO).any():
        return None
    row, column = (float(v.mean()) for v in np.nonzero(cavity))
    angles = np.arange(ANGLES) * (2 * np.pi / ANGLES)
    radii = np.arange(0, min(labels.shape) / 2, STEP)
    rows = (row + radii[None] * np.sin(angles)[:, None]).round().astype(int)
    columns = (column + radii[None] * np.cos(angles)[:, None]).round().astype(int)
    inside = (rows >= 0) & (rows < labels.shape[0]) & (columns >= 0) & (columns < labels.shape[1])
    seen = np.where(inside, labels[np.where(inside, rows, 0), np.where(inside, columns, 0)], 0)
    inner = _last(seen == LV, radii)
    beyond = radii[None] > inner[:, None]
    # the first run of wall beyond the cavity; the papillary muscles lie before its end
    ended = np.cumsum((seen != MYO) & beyond, axis=1) > 0
    outer = np.maximum(_last((seen == MYO) & beyond & ~ended, radii), inner)
    if (outer > inner).mean() < CLOSED or inner.mean() < LEAST:
        return None
    return Ring((row, column), _smooth(inner), _smooth(outer))


def drawn_factors(draw: np.random.Generator) -> tuple[float, float]:
    """Factors of the cavity's radius and of the wall's thickness, of one of `KINDS`."""
    cavity, wall = list(KINDS.values())[int(draw.integers(len(KINDS)))]
    return float(draw.uniform(*cavity)), float(draw.uniform(*wall))


def bent(grid: Tensor, ring: Ring, cavity: float, wall: float, size: tuple[int, int]) -> Tensor:
    """Where to sample a picture so that its left ventricle has another shape.

    Parameters
    ----------
    grid : (y, x, 2) tensor
        Places to sample, as `torch.nn.functional.grid_sample` takes them (x first, -1 to 1, corners
        not aligned).
    ring : Ring
    cavity, wall : float
        Factors of the cavity's radius and of the wall's thickness.
    size : (rows, columns)
        Of the picture that is sampled.

    Returns
    -------
    (y, x, 2) tensor
        The same places, moved along rays from the centre; none far from the wall.
    """
    rows, columns = size
    x = ((grid[..., 0].double().numpy() + 1) * columns - 1) / 2 - ring.centre[1]
    y = ((grid[..., 1].double().numpy() + 1) * rows - 1) / 2 - ring.centre[0]
    radius, place = np.hypot(x, y), np.mod(np.arctan2(y, x), 2 * np.pi) * ANGLES / (2 * np.pi)
    inner, outer = (_at(values, place) for values in (ring.inner, ring.outer))
    new_inner = cavity * inner
    new_outer = np.minimum(new_inner + wall * (outer - inner), MOST * outer)
    new_inner = np.minimum(new_inner, new_outer)
    end = np.maximum(outer, new_outer) + np.maximum(REACH, 2.5 * np.abs(new_outer - outer))
    source = np.where(
        radius < new_inner,
        _between(radius, 0.0, new_inner, 0.0, inner),
        np.where(
            radius < new_outer,
            _between(radius, new_inner, new_outer, inner, outer),
            np.where(radius < end, _between(radius, new_outer, end, outer, end), radius),
        ),
    )
    factor = source / np.maximum(radius, 1e-9)
    moved_x = (2 * (x * factor + ring.centre[1]) + 1) / columns - 1
    moved_y = (2 * (y * factor + ring.centre[0]) + 1) / rows - 1
    return torch.from_numpy(np.stack([moved_x, moved_y], axis=-1)).to(grid.dtype)


def _last(where: NDArray[np.bool_], radii: NDArray[np.float64]) -> NDArray[np.float64]:
    """Greatest radius at which each ray is True; 0 where it never is."""
    return np.asarray((where * radii[None]).max(axis=1))


def _smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.ndimage import gaussian_filter1d

    return np.asarray(gaussian_filter1d(values, 1.5, mode="wrap"))


def _at(values: NDArray[np.float64], place: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values between two angles."""
    low = np.floor(place).astype(int)
    share = place - low
    return np.asarray((1 - share) * values[low % ANGLES] + share * values[(low + 1) % ANGLES])


def _between(
    radius: NDArray[np.float64],
    first: float | NDArray[np.float64],
    last: NDArray[np.float64],
    from_first: float | NDArray[np.float64],
    from_last: NDArray[np.float64],
) -> NDArray[np.float64]:
    share = (radius - first) / np.maximum(last - first, 1e-9)
    return np.asarray(from_first + share * (from_last - from_first))
