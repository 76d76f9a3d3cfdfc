"""A smooth, invertible move of a heart and what is around it.

In each slice points move along rays from the LV's centre. With u = r^2 the move is piecewise
linear in u between the outlines of `outlines`, so that its slope is the change of area: 1 in the
wall keeps the mass, 1.3 in the cavity makes it 30 % larger, and exchanging both ends of the knots
is the exact inverse. Along the long axis points move by a piecewise linear function as well. The
move is continuous; its derivative jumps at the outlines alone, where tissue changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.dials.outlines import STEP


@dataclass(frozen=True, eq=False)
class Warp:
    """A move of the space of a stack of (z, y, x) `spacing` in mm.

    Parameters
    ----------
    spacing : (z, y, x) in mm
    centres : (n, 2) array
        Where the rays of each slice begin, (y, x) in mm.
    before, after : (n, angles, knots) arrays
        Squared radii in mm^2 that go into each other, rising from 0; the last is the same in both.
    z_before, z_after : (m,) arrays
        Depths in mm that go into each other, rising; beyond them everything moves with the end.
    inverted : bool
        Whether it is the way back.
    """

    spacing: tuple[float, float, float]
    centres: NDArray[np.float64]
    before: NDArray[np.float64]
    after: NDArray[np.float64]
    z_before: NDArray[np.float64]
    z_after: NDArray[np.float64]
    inverted: bool = False

    @property
    def inverse(self) -> Warp:
        """The way back, exactly."""
        return replace(self, inverted=not self.inverted)

    @property
    def reach_mm(self) -> float:
        """Distance from the centre beyond which nothing moves."""
        return float(np.sqrt(self.before[..., -1].max()))

    def source_depth(self, z_mm: float) -> float:
        """Depth in mm that arrives at this one."""
        ends = (self.z_before, self.z_after) if self.inverted else (self.z_after, self.z_before)
        return _along(z_mm, *ends)

    def source(
        self, z_mm: float, y_mm: NDArray[np.float64], x_mm: NDArray[np.float64]
    ) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """Where the points of a plane come from.

        Parameters
        ----------
        z_mm : float
            Depth of the plane from the first slice.
        y_mm, x_mm : arrays of one shape
            From the centre of the first pixel.

        Returns
        -------
        (z, y, x) in mm
        """
        depth = self.source_depth(z_mm)
        # the knots are those of the slice before the move along the axis
        level = z_mm if self.inverted else depth
        centre, before, after = self._at(level)
        ends = (before, after) if self.inverted else (after, before)
        y, x = y_mm - centre[0], x_mm - centre[1]
        u = y * y + x * x
        moved = _radial(u, np.arctan2(y, x), *ends)
        share = np.sqrt(np.divide(moved, u, out=np.ones_like(u), where=u > 0))
        return depth, centre[0] + share * y, centre[1] + share * x

    def planes(
        self, shape: tuple[int, int, int]
    ) -> Iterator[tuple[int, float, NDArray[np.float64], NDArray[np.float64]]]:
        """For each slice of a grid: its number, and where its pixels come from, in voxels."""
        dz, dy, dx = self.spacing
        y, x = np.meshgrid(np.arange(shape[1]) * dy, np.arange(shape[2]) * dx, indexing="ij")
        for k in range(shape[0]):
            depth, rows, columns = self.source(k * dz, y, x)
            yield k, depth / dz, rows / dy, columns / dx

    def displacement_mm(self, shape: tuple[int, int, int]) -> NDArray[np.float64]:
        """From each voxel to where its content comes from, (z, y, x, 3), (z, y, x) in mm.

        With the last axis reversed it is the displacement field of SimpleITK, whose resampling
        pulls, too.
        """
        size = np.array(self.spacing)
        field = np.empty((*shape, 3))
        rows, columns = np.indices(shape[1:])
        for k, depth, y, x in self.planes(shape):
            field[k] = np.stack([np.full(y.shape, depth - k), y - rows, x - columns], -1) * size
        return field

    def _at(
        self, z_mm: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Centre and knots at a depth, between the slices on either side."""
        at = float(np.clip(z_mm / self.spacing[0], 0, len(self.centres) - 1))
        low = min(int(at), max(len(self.centres) - 2, 0))
        share = at - low
        high = min(low + 1, len(self.centres) - 1)
        centre, before, after = (
            (1 - share) * values[low] + share * values[high]
            for values in (self.centres, self.before, self.after)
        )
        return centre, before, after


def _along(z: float, of: NDArray[np.float64], to: NDArray[np.float64]) -> float:
    if z <= of[0]:
        return float(z + to[0] - of[0])
    if z >= of[-1]:
        return float(z + to[-1] - of[-1])
    return float(np.interp(z, of, to))


def _radial(
    u: NDArray[np.float64],
    angle: NDArray[np.float64],
    of: NDArray[np.float64],
    to: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Squared radii moved by the knots of the directions on either side of each angle."""
    at = (angle / STEP) % len(of)
    low = at.astype(np.intp)
    share = at - low
    low %= len(of)
    high = (low + 1) % len(of)
    # knots first, so that each is one block of memory
    starts, ends = ((1 - share) * k.T[:, low] + share * k.T[:, high] for k in (of, to))
    moved = np.zeros_like(u)
    for knot in range(len(starts) - 1):
        span = starts[knot + 1] - starts[knot]
        moved += (ends[knot + 1] - ends[knot]) / span * np.clip(u - starts[knot], 0, span)
    return moved + np.maximum(u - starts[-1], 0)
