"""Image layers of a viewer to choose among, and the scan that one shows."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import QFormLayout, QWidget

from .._layer_geometry import attributes_of
from .._layers import scan_of_layer
from .._layout import narrow_combo
from .._listening import Listening
from .._masks import unwrapped

if TYPE_CHECKING:
    from cmr_synth.imaging.scan import Scan


OWN = "The model's own"


class ImagePicker(QWidget):
    """Offers the image layers of a viewer, and none as the first choice.

    A subclass calls `_on_layers` once its own fields are there.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    title, tip : str
        Of the field.
    parent : QWidget, optional
    """

    def __init__(self, viewer: Any, title: str, tip: str, parent: QWidget | None = None):
        super().__init__(parent)
        self._viewer = unwrapped(viewer)
        self.layers = narrow_combo(self)
        self.layers.setToolTip(tip)
        self._form = QFormLayout(self)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._form.addRow(title, self.layers)
        events = self._viewer.layers.events
        listed = (events.inserted, events.removed, events.reordered, events.renamed)
        Listening(self).to(*listed, call=self._on_layers)

    def _on_layers(self, *_: object) -> None:
        """Offer what is there, the topmost first; what was chosen stays so."""
        from napari.layers import Image

        chosen = self.layers.currentData()
        images = [layer for layer in reversed(self._viewer.layers) if isinstance(layer, Image)]
        self.layers.blockSignals(True)
        self.layers.clear()
        self.layers.addItem(OWN, None)
        for layer in images:
            self.layers.addItem(layer.name, layer)
        self.layers.setCurrentIndex(images.index(chosen) + 1 if chosen in images else 0)
        self.layers.blockSignals(False)
        self._on_layer()

    def _on_layer(self, *_: object) -> None:
        """Another one is chosen, or the same once more."""


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
