"""The synthetic layer that a panel is about: its name, and its place above all other pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from ._canvas import guard_removal
from ._grid_view import grid_of_cells
from ._layout import narrow_combo
from ._listening import Listening
from ._masks import OVERLAY, unwrapped
from ._results import MASK, RECORD
from ._unsaved import watch
from .export.button import export_button, save_masks
from .writing.first_choice import offer_nifti_first

if TYPE_CHECKING:
    from napari.layers import Layer

NONE = "No synthetic layer yet"


class SyntheticPicker(QWidget):
    """Follows the synthetic layers of a viewer.

    It takes a new one, or the one that is selected; else it stays, and falls back on the topmost.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    verb : str
        What the panel does with the layer, before its name.
    parent : QWidget, optional
    """

    layer_changed = Signal()
    """Another layer was chosen, or none is left."""

    def __init__(self, viewer: Any, verb: str, parent: QWidget | None = None):
        super().__init__(parent)
        self._viewer = unwrapped(viewer)
        self._layer: Layer | None = None
        guard_removal(self._viewer)
        watch(self._viewer, save_masks)
        offer_nifti_first()
        self.layers = narrow_combo(self)
        self.layers.activated.connect(self._on_picked)
        self.front_button = QPushButton("To front")
        self.front_button.setToolTip("Show this layer above all other pictures")
        self.front_button.clicked.connect(lambda *_: self.show_layer())
        self.export_button = export_button(self._viewer, self._with_mask, self)
        name = QHBoxLayout()
        name.addWidget(QLabel(verb))
        name.addWidget(self.layers, 1)
        buttons = QHBoxLayout()
        buttons.addWidget(self.front_button)
        buttons.addWidget(self.export_button)
        buttons.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(name)
        column.addLayout(buttons)
        events = self._viewer.layers.events
        listed = (events.inserted, events.removed, events.reordered, events.renamed)
        chosen = self._viewer.layers.selection.events.active
        Listening(self).to(*listed, chosen, call=self._follow)
        self._follow()

    @property
    def layer(self) -> Layer | None:
        """The layer that the panel is about."""
        return self._layer

    def show_layer(self) -> None:
        """Bring it to the front; see `bring_to_front`."""
        if self._layer is not None and self._layer in self._viewer.layers:
            bring_to_front(self._viewer, self._layer)

    def _with_mask(self) -> list[Any]:
        """The layer and the mask that it follows, as they are exported together."""
        if self._layer is None:
            return []
        mask = _mask_by_name(self._viewer, self._layer)
        return [self._layer] + ([] if mask is None else [mask])

    def _on_picked(self, *_: object) -> None:
        layer = self.layers.currentData()
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.selection.active = layer  # every panel speaks of the same
            self._take(layer)
            self.show_layer()

    def _follow(self, event: Any = None) -> None:
        if not isalive(self):
            return
        known = [la for la in reversed(list(self._viewer.layers)) if RECORD in la.metadata]
        active = self._viewer.layers.selection.active
        new = getattr(event, "value", None) if getattr(event, "type", "") == "inserted" else None
        wanted = [layer for layer in (new, active, self._layer, *known) if layer in known]
        self._list(known)
        self._take(wanted[0] if wanted else None)

    def _list(self, known: list[Any]) -> None:
        self.layers.clear()
        for index, layer in enumerate(known):
            self.layers.addItem(layer.name, layer)
            self.layers.setItemData(index, layer.name, Qt.ItemDataRole.ToolTipRole)
        if not known:
            self.layers.addItem(NONE, None)
        for part in (self.layers, self.front_button):
            part.setEnabled(bool(known))

    def _take(self, layer: Any) -> None:
        for index in range(self.layers.count()):
            if self.layers.itemData(index) is layer:
                self.layers.setCurrentIndex(index)
        self.layers.setToolTip("" if layer is None else layer.name)
        if layer is not self._layer:
            self._layer = layer
            self.layer_changed.emit()


def bring_to_front(viewer: Any, layer: Any) -> None:
    """Show a picture above all others, and above it its mask and whatever marks it.

    What is selected stays selected. While the layers stand side by side in a grid their order is
    that of the cells, and stays.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    layer : napari layer
        Among those of the viewer.
    """
    from napari.layers import Image

    viewer = unwrapped(viewer)
    layer.visible = True
    if grid_of_cells(viewer).enabled:
        return
    layers = viewer.layers
    above = [other for other in layers if isinstance(other, Image) and other is not layer]
    _raise(layers, layer, above)
    mask = _mask_by_name(viewer, layer)
    marks = [
        other
        for other in layers
        if other.metadata.get(OVERLAY) and other.metadata.get(MASK) == layer.metadata.get(MASK)
    ]
    if mask is not None:
        _raise(layers, mask, [layer])
    for mark in marks:
        _raise(layers, mark, [layer, *([] if mask is None else [mask])])


def _raise(layers: Any, layer: Any, above: list[Any]) -> None:
    """Move a layer up until it lies over others; down it never goes."""
    highest = max((layers.index(other) for other in above), default=-1)
    at = layers.index(layer)
    if at < highest:
        layers.move(at, highest + 1)


def _mask_by_name(viewer: Any, layer: Any) -> Any:
    from napari.layers import Labels

    name = layer.metadata.get(MASK)
    found = (other for other in viewer.layers if other.name == name and isinstance(other, Labels))
    return next(found, None)
