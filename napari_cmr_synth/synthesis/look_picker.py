"""Whose look the pictures get: that of the model, or of a real picture in the viewer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QWidget

from .._fields import Number
from .._in_view import in_view
from .image_picker import ImagePicker, copied_scan

if TYPE_CHECKING:
    from cmr_synth.generators.zoo import Model
    from cmr_synth.imaging.scan import Scan
    from cmr_synth.synthesis.reference import Reference


@dataclass(frozen=True, eq=False)
class Look:
    """A slice of a picture whose contrast, brightness and grain are taken over.

    Attributes
    ----------
    scan : Scan
        A copy of the layer's pixels.
    k, frame : int
        The slice that was in view.
    strength : float in [0, 1]
    """

    scan: Scan
    k: int
    frame: int
    strength: float

    def on_grid_of(self, model: Model) -> Reference:
        """Prepare it for a model; takes a moment, so for a worker thread.

        Raises
        ------
        InputError
            If the slice is constant or tiny.
        """
        from cmr_synth.imaging.grid import WorkingGrid
        from cmr_synth.synthesis.reference import reference_on_grid

        grid = model.card.grid
        return reference_on_grid(
            self.scan,
            WorkingGrid(shape=grid.shape, spacing=grid.spacing_mm),
            k=self.k,
            frame=self.frame,
        )


class LookPicker(ImagePicker):
    """Offers the image layers of a viewer.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    parent : QWidget, optional
    """

    def __init__(self, viewer: Any, parent: QWidget | None = None):
        super().__init__(
            viewer,
            "Look of",
            "A real picture, whose contrast, brightness and grain on the slice in view are taken "
            "over; the anatomy stays that of the mask. The live preview leaves it out.",
            parent,
        )
        self.strength = Number()
        self.strength.setRange(0.0, 1.0)
        self.strength.setSingleStep(0.1)
        self.strength.setValue(0.5)
        self.strength.setToolTip("0 is as without the picture, 1 takes all of its look.")
        self._form.addRow("Strength", self.strength)
        self.layers.currentIndexChanged.connect(self._on_layer)
        self._on_layers()

    def look(self) -> Look | None:
        """What is chosen, copied from the layer; None for the model's own look.

        Raises
        ------
        InputError
            If the layer is a colour picture.
        """
        layer = self.layers.currentData()
        if layer is None:
            return None
        scan = copied_scan(layer)
        frame, k = in_view(self._viewer, layer)
        return Look(scan, k, frame, self.strength.value())

    def _on_layer(self, *_: object) -> None:
        self.strength.setEnabled(self.layers.currentData() is not None)
