"""Which layer is the mask, and what its numbers mean: two choices and the reason in words.

What is said here belongs to the layer: the pickers of all panels show it, whoever said it.
"""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFormLayout, QWidget
from superqt.utils import QSignalDebouncer

from cmr_synth.anatomy.own_numbers import says_numbers

from ._layers import SURE_ENOUGH
from ._layout import narrow_combo, show_row, side_by_side, word_wrapped
from ._listening import Listening
from ._masks import (
    SHOWN,
    WITH_SCAR,
    confirm,
    confirmed,
    convention_of,
    guess,
    mask_layers,
    numbers_in,
    shown,
    unwrapped,
)
from ._numbers_form import NumbersForm
from ._unsaved import watch
from .export.button import export_button, save_masks
from .writing.first_choice import offer_nifti_first

QUIET_MS = 400  # after the last stroke, until what is painted is looked at again
CHOOSE = "Choose the meaning of the numbers"
OWN = "Say which number is which..."
OWN_NUMBERS = "own numbers"
"""Data of that entry."""
CONFIRMED = "Confirmed by you."
TIP = "Labels layer with the heart that the picture shall follow."


class MaskPicker(QWidget):
    """Follows the labels layers of a viewer.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    parent : QWidget, optional
    """

    layer_changed = Signal()
    """Another layer was chosen, or none is left."""

    edited = Signal()
    """The chosen mask or its convention changed; not at every stroke, but soon after the last."""

    def __init__(self, viewer: Any, parent: QWidget | None = None):
        super().__init__(parent)
        self._viewer = unwrapped(viewer)
        watch(self._viewer, save_masks)
        offer_nifti_first()
        self._layer: Any = None
        self._shown: str | None = None  # what was confirmed, as the reason tells it
        self._to_layer = Listening(self)
        self.layers = narrow_combo(self)
        self.layers.setToolTip(TIP)
        self.conventions = narrow_combo(self)
        self.conventions.setToolTip(
            "ACDC and M&Ms write the same numbers for different structures. The guess goes by "
            "topology: the myocardium encloses the LV."
        )
        self.conventions.addItem(CHOOSE, None)
        for convention, words in SHOWN.items():
            self.conventions.addItem(words, convention)
        for words, numbers in WITH_SCAR.items():
            self.conventions.addItem(words, numbers)
        self.conventions.addItem(OWN, OWN_NUMBERS)
        self.numbers = NumbersForm()
        self.numbers.said.connect(self._on_numbers_said)
        self.reason = word_wrapped("")

        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        self.export_button = export_button(self._viewer, self._chosen, self)
        form.addRow("Mask", side_by_side(self.layers, self.export_button))
        form.addRow("Numbers", self.conventions)
        form.addRow("", self.numbers)
        form.addRow(self.reason)
        show_row(self.numbers, False)

        self._soon = QSignalDebouncer(parent=self)
        self._soon.setTimeout(QUIET_MS)
        self._soon.triggered.connect(self.look_again)
        self.layers.activated.connect(self._on_layer_picked)
        self.conventions.activated.connect(self._on_convention_picked)
        events = self._viewer.layers.events
        listening = Listening(self)
        listed = (events.inserted, events.removed, events.reordered, events.renamed)
        listening.to(*listed, call=self._on_layers)
        listening.to(self._viewer.layers.selection.events.active, call=self._on_selection)
        self._on_layers()

    @property
    def layer(self) -> Any:
        """The chosen labels layer, or None if there is none."""
        return self._layer

    @property
    def convention(self) -> str | None:
        """Meaning of its numbers as chosen or guessed; None while nobody knows."""
        chosen: str | None = self.conventions.currentData()
        if chosen == OWN_NUMBERS:
            return confirmed(self._layer) if self._layer is not None and self._own else None
        return chosen

    @property
    def _own(self) -> bool:
        """Whether numbers were said one by one for the chosen mask."""
        return self._layer is not None and says_numbers(confirmed(self._layer))

    def choose(self, layer: Any) -> None:
        """Choose a mask, as a click in the combo box does."""
        wanted = unwrapped(layer)
        for index in range(self.layers.count()):
            if self.layers.itemData(index) is wanted:
                self.layers.setCurrentIndex(index)
                self._on_layer_picked()

    def confirm(self) -> None:
        """Keep the convention shown with the layer, as what the user agreed to."""
        if self._layer is not None and self.convention and not confirmed(self._layer):
            confirm(self._layer, self.convention)
            self._show_reason()

    def _chosen(self) -> list[Any]:
        """What is offered for export first: the selected layers, and the mask in any case."""
        selected = [la for la in self._viewer.layers.selection if la is not self._layer]
        return selected + ([] if self._layer is None else [self._layer])

    def _on_layers(self, event: Any = None) -> None:
        known = mask_layers(self._viewer)
        self.layers.clear()
        for index, layer in enumerate(known):
            self.layers.addItem(layer.name, layer)
            self.layers.setItemData(index, layer.name, Qt.ItemDataRole.ToolTipRole)
        self.layers.setEnabled(bool(known))
        if not known:
            self.layers.addItem("No mask: paint or open one", None)
        active = self._viewer.layers.selection.active
        chosen = next(
            (layer for layer in (self._layer, active) if layer in known),
            known[0] if known else None,
        )
        self.layers.setCurrentIndex(known.index(chosen) if chosen is not None else 0)
        self._show_name()
        if chosen is not self._layer:
            self._follow(chosen)

    def _on_selection(self, event: Any = None) -> None:
        """The mask that is selected is the one that is used."""
        active = self._viewer.layers.selection.active
        if active is not None and active is not self._layer:
            self.choose(active)

    def _show_name(self) -> None:
        """The whole name under the mouse, which the box may be too narrow for."""
        name = "" if self.layers.currentData() is None else f"{self.layers.currentText()}\n"
        self.layers.setToolTip(name + TIP)

    def _on_layer_picked(self, *_: object) -> None:
        self._show_name()
        if self.layers.currentData() is not self._layer:
            self._follow(self.layers.currentData())

    def _on_convention_picked(self, *_: object) -> None:
        chosen = self.conventions.currentData()
        if chosen == OWN_NUMBERS:
            self._offer_numbers()
        elif self._layer is not None and chosen is not None:
            confirm(self._layer, chosen)
        self._show_reason()
        self.edited.emit()

    def _offer_numbers(self) -> None:
        """Let the numbers be said, starting from what they seem to mean."""
        layer = self._layer
        show_row(self.numbers, layer is not None)
        if layer is not None:
            self.numbers.show_mask(numbers_in(layer), convention_of(layer))

    def _on_numbers_said(self, said: str) -> None:
        if self._layer is not None:
            confirm(self._layer, said)  # the pickers hear of it by the layer's event
            self._guess()
            self.edited.emit()

    def _follow(self, layer: Any) -> None:
        self._to_layer.stop()
        self._layer = layer
        if layer is not None:
            events = layer.events
            edits = (events.paint, events.data, events.labels_update)
            self._to_layer.to(*edits, call=self._on_edit)
            self._to_layer.to(events.metadata, call=self._on_confirmed)  # here or in another panel
        self._guess()
        self.layer_changed.emit()
        self.edited.emit()

    def _on_confirmed(self, event: Any = None) -> None:
        known = confirmed(self._layer) if self._layer is not None else None
        if known is not None and known != self._shown:
            self._guess()
            self.edited.emit()

    def _on_edit(self, event: Any = None) -> None:
        self._soon.throttle()

    def look_again(self) -> None:
        """Take account of what was painted up to now."""
        self._soon.cancel()
        if self._layer is not None and not confirmed(self._layer):
            self._guess()
        self.edited.emit()

    def _guess(self) -> None:
        """Show what is known about the numbers of the chosen layer."""
        layer = self._layer
        seems = guess(layer) if layer is not None else None
        known = confirmed(layer) if layer is not None else None
        if known is None and seems is not None and seems.confidence >= SURE_ENOUGH:
            known = seems.convention
        own = says_numbers(known)
        entry = OWN_NUMBERS if own else known
        self.conventions.setCurrentIndex(max(0, self.conventions.findData(entry)))
        self.conventions.setEnabled(layer is not None)
        if own:
            self._offer_numbers()
        else:
            show_row(self.numbers, False)
        self._show_reason()

    def _show_reason(self) -> None:
        layer = self._layer
        self._shown = None if layer is None else confirmed(layer)
        if layer is None:
            self.reason.setText("A mask is a labels layer with LV, myocardium and RV.")
        elif self.conventions.currentData() == OWN_NUMBERS and not self._own:
            found = ", ".join(map(str, numbers_in(layer))) or "none yet"
            self.reason.setText(f"Numbers in {layer.name}: {found}. Say which is which.")
        elif self._shown and says_numbers(self._shown):
            self.reason.setText(f"{CONFIRMED} {_sentence(shown(self._shown))}")
        elif self._shown:
            self.reason.setText(CONFIRMED)
        elif (seems := guess(layer)) is None:
            self.reason.setText("Nothing is drawn yet, or the numbers follow no known convention.")
        elif seems.confidence >= SURE_ENOUGH:
            self.reason.setText(f"Guessed: {seems.reason} Synthesize confirms it.")
        else:
            self.reason.setText(f"Not sure: {seems.reason} Please choose.")


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."
