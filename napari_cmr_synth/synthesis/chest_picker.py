"""Whose chest the pictures get: one that the model draws, or that of the mask's own scan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QWidget

from .image_picker import ImagePicker, copied_scan

if TYPE_CHECKING:
    from cmr_synth.imaging.scan import Scan


class ChestPicker(ImagePicker):
    """Offers the image layers of a viewer, for models that take a map of tissues.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    parent : QWidget, optional
    """

    def __init__(self, viewer: Any, parent: QWidget | None = None):
        super().__init__(
            viewer,
            "Chest of",
            "The scan that the mask was drawn on: its lungs, organs and chest wall are kept, the "
            "heart is that of the mask. The live preview leaves it out.",
            parent,
        )
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
