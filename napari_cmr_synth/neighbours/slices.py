"""Slices of a synthetic layer on the grid of archives, and planes of the grid on the layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.errors import InputError

from .._layer_geometry import attributes_of
from .._layers import scan_of_layer
from .._overlay import mask_of
from .._results import AS_MADE, RECORD

if TYPE_CHECKING:
    from napari.layers import Layer

    from cmr_synth.evaluation.one_picture.placed_scan import PlacedScan


@dataclass(frozen=True, eq=False)
class LayerSlices:
    """A synthetic layer as it is searched with.

    Parameters
    ----------
    placed : PlacedScan or None
        None for pictures made without a mask, which lie on the grid as they are.
    planes : (t, z, y, x) array
    as_made : dict of (frame, slice) to (y, x) array
    record : dict
    """

    placed: PlacedScan | None
    planes: NDArray
    as_made: dict[tuple[int, int], NDArray[np.float32]]
    record: dict[str, Any]

    def drawn(self) -> list[tuple[int, int]]:
        """(frame, slice) of all slices that can be searched with."""
        if self.placed is not None:
            return self.placed.drawn()
        return [(int(t), int(k)) for t, k in np.argwhere(self.planes.any(axis=(2, 3)))]

    def on_grid(self, frame: int, slice: int) -> NDArray[np.float32]:
        """Pixels (128, 128) of a slice.

        Raises
        ------
        InputError
            If it is empty, or shows no heart in the mask.
        """
        known = self.as_made.get((frame, slice))
        if self.placed is not None:
            self.placed.require(frame, slice)
            picture, _ = self.placed.picture_on_grid(frame, slice, as_made=known)
        else:
            picture = self.planes[frame, slice]
            if not picture.any():
                raise InputError(f"slice {slice} is empty; synthesize it first.")
        return np.clip(picture, 0, 1).astype(np.float32)

    def from_grid(self, plane: NDArray[np.float32]) -> NDArray[np.float32]:
        """A plane of the grid on the layer's own."""
        if self.placed is None:
            return plane
        return np.asarray(self.placed.from_grid(plane, labels=False), np.float32)

    def level(self, slice: int) -> str:
        """Third of the heart; empty where it is not known."""
        from cmr_synth.imaging.positions import level_of

        z = (self.record.get("slice_positions") or {}).get(str(slice))
        if z is None and self.placed is not None:
            z = self.placed.position(slice)
        return "" if z is None else level_of(float(z))


def slices_of(viewer: Any, layer: Layer) -> LayerSlices:
    """Place a layer by its mask.

    Raises
    ------
    InputError
        If the mask is gone, or does not fit.
    """
    from cmr_synth.evaluation.one_picture.placed_scan import PlacedScan

    record = layer.metadata[RECORD]
    scan = scan_of_layer(layer.data, attributes_of(layer))
    placed = None
    if record.get("mask") is not None:
        _, mask, _ = mask_of(viewer, layer)
        placed = PlacedScan.of(scan, mask)
    planes = scan.array if scan.is_cine else scan.array[None]
    return LayerSlices(placed, planes, layer.metadata.get(AS_MADE, {}), dict(record))
