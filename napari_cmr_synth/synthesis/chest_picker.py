"""Whose chest the pictures get: one that the model draws, or that of the mask's own scan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFormLayout, QWidget

from .._layout import narrow_combo
from .._listening import Listening
from .._masks import unwrapped
from .image_combo import copied_scan, offer_images

if TYPE_CHECKING:
    from cmr_synth.imaging.scan import Scan

OWN = "The model's own"


class ChestPicker(QWidget):
    """Offers the image layers of a viewer, for models that take a map of tissues.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    parent : QWidget, optional
    """

    def __init__(self, viewer: Any, parent: QWidget | None = None):
        super().__init__(parent)
        self._viewer = unwrapped(viewer)
        self.layers = narrow_combo(self)
        self.layers.setToolTip(
            "The scan that the mask was drawn on: its lungs, organs and chest wall are kept, the "
            "heart is that of the mask. The live preview leaves it out."
        )
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Chest of", self.layers)
        events = self._viewer.layers.events
        listed = (events.inserted, events.removed, events.reordered, events.renamed)
        Listening(self).to(*listed, call=self._on_layers)
        self._on_layers()

    def scan(self) -> Scan | None:
        """What is chosen, copied from the layer; None for a chest of the model's own.

        Raises
        ------
        InputError
            If the layer is a colour picture.
        """
        layer = self.layers.currentData()
        return None if layer is None else copied_scan(layer)

    def _on_layers(self, *_: object) -> None:
        offer_images(self.layers, self._viewer, none=OWN)
