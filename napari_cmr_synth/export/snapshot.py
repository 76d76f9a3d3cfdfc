"""Layers as they are at a moment, so that a worker can write them while they are painted on."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .._layer_geometry import attributes_of
from .._layers import GRID, scan_of_layer
from .._masks import is_mask, mask_layers, unwrapped

if TYPE_CHECKING:
    from .._layers import LayerData


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A layer to write.

    Parameters
    ----------
    data : (array, attributes, layer type)
        As napari hands them to a writer; the grid stands in the metadata.
    placed : bool
        Whether its place in the patient is known.
    """

    data: LayerData
    placed: bool


def exportable(viewer: Any) -> list[Any]:
    """Layers that can be written, the topmost first: grey images and masks of 2 to 4 axes."""
    from napari.layers import Image

    masks = mask_layers(viewer)
    return [
        layer
        for layer in reversed(list(unwrapped(viewer).layers))
        if layer in masks
        or (
            isinstance(layer, Image)
            and not layer.rgb
            and not layer.multiscale
            and layer.ndim in (2, 3, 4)
        )
    ]


def snapshot(layer: Any) -> Snapshot:
    """Copy a mask, whose voxels may change; an image, which nobody paints on, is taken as it is.

    Raises
    ------
    InputError
        If the layer is no scan.
    """
    without_voxels = np.broadcast_to(np.zeros((), layer.data.dtype), layer.data.shape)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        scan = scan_of_layer(without_voxels, attributes_of(layer))
    attributes = {
        **attributes_of(layer),
        "metadata": {**layer.metadata, GRID: scan},
        "contrast_limits": getattr(layer, "contrast_limits", None),
    }
    mask = is_mask(layer)
    data = np.array(layer.data) if mask else layer.data
    return Snapshot((data, attributes, "labels" if mask else "image"), placed=not said)
