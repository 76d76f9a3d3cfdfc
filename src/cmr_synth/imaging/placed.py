"""Slices of a mask or scan on a model's grid, and what is made there back on their own grid.

Two moves in a row: stored slices are turned to the canonical orientation (`orientation`), and the
working grid is laid on them, centred on the heart (`grid`). Whoever makes, judges or compares
pictures goes this way, so that all of them mean the same pixel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cmr_synth.imaging.grid import Placement, WorkingGrid, place
from cmr_synth.imaging.orientation import (
    Orientation,
    apply,
    apply_to_spacing,
    in_plane_orientation,
    undo,
)


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Where a working grid lies on slices as they are stored.

    Parameters
    ----------
    orientation : Orientation
        To the canonical display.
    placement : Placement
        Of the grid on the slices in that display.
    """

    orientation: Orientation
    placement: Placement

    @classmethod
    def around(
        cls,
        heart: NDArray[np.bool_],
        affine: NDArray[np.floating],
        spacing: tuple[float, float, float],
        *,
        grid: WorkingGrid,
        name: str,
        convention: str | None = None,
        orientation: Orientation | None = None,
        must_fit: bool = True,
    ) -> Placed:
        """Centre a grid on a heart; all slices of a stack share one placement.

        Parameters
        ----------
        heart : (..., y, x) bool array
            As stored.
        affine : (4, 4) array
        spacing : (z, y, x) in mm
        grid : WorkingGrid
        name : str
            Used in error messages.
        convention : str, optional
            Cohort whose orientation holds where the affine has lost the direction.
        orientation : Orientation, optional
            Where it is known better than from the affine; see `heart_side`.
        must_fit : bool
            Refuse a heart that is larger than the grid.

        Raises
        ------
        InputError
            If there is no heart, it is larger than the grid and `must_fit`, or the convention is
            unknown.
        """
        if orientation is None:
            orientation = in_plane_orientation(affine, convention=convention)
        placement = place(
            apply(orientation, heart),
            apply_to_spacing(orientation, spacing)[1:],
            grid=grid,
            name=name,
            must_fit=must_fit,
        )
        return cls(orientation=orientation, placement=placement)

    @classmethod
    def on_the_middle(
        cls,
        shape: tuple[int, int],
        affine: NDArray[np.floating],
        spacing: tuple[float, float, float],
        *,
        grid: WorkingGrid,
    ) -> Placed:
        """Centre a grid on the middle of stored slices of `shape` (y, x)."""
        orientation = in_plane_orientation(affine)
        rows, columns = shape[::-1] if orientation.transpose else shape
        placement = Placement(
            shape=(rows, columns),
            spacing=apply_to_spacing(orientation, spacing)[1:],
            centre=((rows - 1) / 2, (columns - 1) / 2),
            grid=grid,
        )
        return cls(orientation=orientation, placement=placement)

    def on(self, grid: WorkingGrid) -> Placed:
        """Another grid at the same place."""
        return replace(self, placement=replace(self.placement, grid=grid))

    def image_to_grid(self, slices: NDArray) -> NDArray[np.float32]:
        """Pixels of stored slices (..., y, x) on the grid; see `Placement.image_to_grid`."""
        return self.placement.image_to_grid(apply(self.orientation, slices))

    def image_from_grid(self, slices: NDArray, *, fill: float = 0.0) -> NDArray[np.float32]:
        """Pixels of the grid on the stored slices; `fill` beyond the grid."""
        return undo(self.orientation, self.placement.image_from_grid(slices, fill=fill))

    def labels_to_grid(self, labels: NDArray, *, fill: int = 0) -> NDArray[np.uint8]:
        """Labels of stored slices (..., y, x) on the grid; see `Placement.labels_to_grid`."""
        return self.placement.labels_to_grid(apply(self.orientation, labels), fill=fill)

    def labels_from_grid(self, labels: NDArray, *, fill: int = 0) -> NDArray[np.uint8]:
        """Labels of the grid on the stored slices."""
        return undo(self.orientation, self.placement.labels_from_grid(labels, fill=fill))
