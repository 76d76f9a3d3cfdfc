"""Image layers of a viewer to choose among, and the scan that one shows."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import QComboBox

from .._layer_geometry import attributes_of
from .._layers import scan_of_layer

if TYPE_CHECKING:
    from cmr_synth.imaging.scan import Scan


def offer_images(combo: QComboBox, viewer: Any, *, none: str) -> None:
    """Offer the image layers that are there, the topmost first; what was chosen stays so.

    Parameters
    ----------
    combo : QComboBox
    viewer : napari.viewer.Viewer
    none : str
        What it says where no layer is chosen.
    """
    from napari.layers import Image

    chosen = combo.currentData()
    images = [layer for layer in reversed(viewer.layers) if isinstance(layer, Image)]
    combo.blockSignals(True)
    combo.clear()
    combo.addItem(none, None)
    for layer in images:
        combo.addItem(layer.name, layer)
    combo.setCurrentIndex(images.index(chosen) + 1 if chosen in images else 0)
    combo.blockSignals(False)


def copied_scan(layer: Any) -> Scan:
    """The scan that an image layer shows, with pixels of its own.

    Raises
    ------
    InputError
        If it is a colour picture.
    """
    attributes = attributes_of(layer)
    attributes |= {"rgb": layer.rgb, "multiscale": layer.multiscale}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a place that nobody knows matters to files only
        scan = scan_of_layer(layer.data, attributes)
    return scan.with_array(np.array(scan.array))
