"""The way from a user's slice to the network's working grid and back, as one reversible object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmr_synth.errors import InputError
from cmr_synth.imaging.resampling import resample

_TIE = 1e-6  # shares of labels that differ by less differ by rounding alone


@dataclass(frozen=True, kw_only=True)
class WorkingGrid:
    """The grid a network was trained on.

    Parameters
    ----------
    shape : (y, x)
        Pixels.
    spacing : float
        Pixel size in mm, the same along both axes.
    """

    shape: tuple[int, int] = (128, 128)
    spacing: float = 1.5

    @property
    def field_of_view(self) -> tuple[float, float]:
        """Extent along (y, x) in mm."""
        return self.shape[0] * self.spacing, self.shape[1] * self.spacing


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where the working grid lies on a user's slices.

    The slices are in canonical in-plane orientation (see `orientation`). Both directions
    sample the same continuous plane: pixel (r, c) of the grid lies at
    ``centre + (r - (rows - 1) / 2, c - (columns - 1) / 2) * grid.spacing / spacing`` voxels.

    Parameters
    ----------
    shape : (y, x)
        Voxels of the user's slices.
    spacing : (y, x) in mm
        Voxel size of the user's slices.
    centre : (y, x) in voxels
        Point of the user's slices that falls on the middle of the grid.
    grid : WorkingGrid
        The network's grid.
    """

    shape: tuple[int, int]
    spacing: tuple[float, float]
    centre: tuple[float, float]
    grid: WorkingGrid

    def image_to_grid(self, slices: NDArray) -> NDArray[np.float32]:
        """Resample pixels to the working grid.

        Cubic interpolation after a Gaussian filter that keeps what the coarser grid can hold;
        beyond the user's field of view the nearest edge pixel is repeated (see `covered`).

        Parameters
        ----------
        slices : (..., y, x) array

        Returns
        -------
        (..., rows, columns) float32 array
            Within the range of the input.
        """
        slices = self._checked(slices, self.shape)
        scale = [self.grid.spacing / s for s in self.spacing]
        return _resample(slices, scale, self._offset_to_grid(), self.grid.shape, fill=None)

    def image_from_grid(self, slices: NDArray, *, fill: float = 0.0) -> NDArray[np.float32]:
        """Resample pixels of the working grid to the user's slices; `fill` beyond the grid."""
        slices = self._checked(slices, self.grid.shape)
        scale = [s / self.grid.spacing for s in self.spacing]
        return _resample(slices, scale, self._offset_from_grid(), self.shape, fill=fill)

    def labels_to_grid(self, labels: NDArray, *, fill: int = 0) -> NDArray[np.uint8]:
        """Resample labels to the working grid by interpolating each label's indicator.

        Smoother than nearest neighbour and never invents a label: each pixel gets the label
        with the largest interpolated indicator.
        """
        labels = self._checked(labels, self.shape)
        scale = [self.grid.spacing / s for s in self.spacing]
        return _resample_labels(labels, scale, self._offset_to_grid(), self.grid.shape, fill)

    def labels_from_grid(self, labels: NDArray, *, fill: int = 0) -> NDArray[np.uint8]:
        """Resample labels of the working grid to the user's slices."""
        labels = self._checked(labels, self.grid.shape)
        scale = [s / self.grid.spacing for s in self.spacing]
        return _resample_labels(labels, scale, self._offset_from_grid(), self.shape, fill)

    def covered(self) -> NDArray[np.bool_]:
        """Grid pixels that lie inside the user's field of view, (rows, columns)."""
        inside = []
        for axis in (0, 1):
            scale = self.grid.spacing / self.spacing[axis]
            position = self._offset_to_grid()[axis] + scale * np.arange(self.grid.shape[axis])
            inside.append((position >= -0.5) & (position <= self.shape[axis] - 0.5))
        return inside[0][:, None] & inside[1][None, :]

    def _offset_to_grid(self) -> list[float]:
        return [
            self.centre[a] - (self.grid.shape[a] - 1) / 2 * self.grid.spacing / self.spacing[a]
            for a in (0, 1)
        ]

    def _offset_from_grid(self) -> list[float]:
        return [
            (self.grid.shape[a] - 1) / 2 - self.centre[a] * self.spacing[a] / self.grid.spacing
            for a in (0, 1)
        ]

    def _checked(self, slices: NDArray, shape: tuple[int, int]) -> NDArray:
        if slices.shape[-2:] != shape:
            raise ValueError(f"slices of {slices.shape[-2:]} given, this placement is for {shape}")
        return slices


def place(
    foreground: NDArray,
    spacing: tuple[float, float],
    *,
    grid: WorkingGrid,
    name: str = "mask",
    must_fit: bool = True,
) -> Placement:
    """Centre the working grid on the heart.

    Parameters
    ----------
    foreground : (..., y, x) bool array
        The heart in canonical orientation; all slices of a stack share one placement, so that
        the synthetic stack is aligned.
    spacing : (y, x) in mm
    grid : WorkingGrid
    name : str
        Used in error messages.
    must_fit : bool
        Refuse a heart that is larger than the grid.

    Raises
    ------
    InputError
        If the mask is empty, or larger than the grid and `must_fit`.
    """
    foreground = np.asarray(foreground, dtype=bool)
    flat: NDArray[np.bool_] = np.any(foreground.reshape(-1, *foreground.shape[-2:]), axis=0)
    if not flat.any():
        raise InputError(f"{name}: every voxel is background; paint or label a heart first.")
    centre, extent = [], []
    for axis in (0, 1):
        index = np.flatnonzero(flat.any(axis=1 - axis))
        centre.append(float(index[0] + index[-1]) / 2)
        extent.append(float(index[-1] - index[0] + 1) * spacing[axis])
    if must_fit and any(e > f for e, f in zip(extent, grid.field_of_view, strict=True)):
        raise InputError(
            f"{name}: the heart is {extent[0]:.0f} x {extent[1]:.0f} mm, larger than the model's "
            f"field of view of {grid.field_of_view[0]:.0f} x {grid.field_of_view[1]:.0f} mm; "
            "check the voxel spacing in its header."
        )
    return Placement(
        shape=(int(flat.shape[0]), int(flat.shape[1])),
        spacing=(float(spacing[0]), float(spacing[1])),
        centre=(centre[0], centre[1]),
        grid=grid,
    )


def _resample(
    slices: NDArray,
    scale: list[float],
    offset: list[float],
    shape: tuple[int, int],
    *,
    fill: float | None,
    order: int = 3,
) -> NDArray[np.float32]:
    flat = np.asarray(slices, dtype=np.float32).reshape(-1, *slices.shape[-2:])
    out = resample(flat, scale, offset, shape, order=order)
    if len(flat):  # splines overshoot at edges
        np.clip(out, *(f(flat, (1, 2), keepdims=True) for f in (np.min, np.max)), out=out)
    if fill is not None:
        for axis in (0, 1):
            position = offset[axis] + scale[axis] * np.arange(shape[axis])
            beyond = (position < -0.5) | (position > flat.shape[axis + 1] - 0.5)
            out[(slice(None), beyond) if axis == 0 else (slice(None), slice(None), beyond)] = fill
    return out.reshape(*slices.shape[:-2], *shape)


def _resample_labels(
    labels: NDArray,
    scale: list[float],
    offset: list[float],
    shape: tuple[int, int],
    fill: int,
) -> NDArray[np.uint8]:
    values = np.unique(labels)
    best = np.full((*labels.shape[:-2], *shape), 0.0, dtype=np.float32)
    out = np.full(best.shape, fill, dtype=np.uint8)
    for value in values:
        share = _resample(
            (labels == value).astype(np.float32), scale, offset, shape, fill=0.0, order=1
        )
        wins = share > best + _TIE
        out[wins] = value
        best[wins] = share[wins]
    return out
