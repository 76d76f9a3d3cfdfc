"""The Dials panel: sliders move a mask from health to disease while the live preview follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from cmr_synth.anatomy.dials import PRESETS, Dials, preset
from cmr_synth.errors import InputError

from .._canvas import guard_removal
from .._fields import Number
from .._layout import button, form, group, narrow_combo, scrolled, side_by_side, word_wrapped
from .._listening import Listening
from .._mask_picker import MaskPicker
from .._masks import mask_layers, unwrapped
from .._messages import show_problem
from .._panel import Panel
from .cine import Cine
from .effects_table import EffectsTable
from .side_by_side import SideBySide
from .sliders import Setting, SliderForm
from .turner import Turner

if TYPE_CHECKING:
    import napari

    from cmr_synth.anatomy.dials import Effect

HINT = "Turn on Live preview in Synthesize, and the picture follows the sliders."


class DialsPanel(Panel):
    """Turns disease dials on a mask.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    parent : QWidget, optional
    """

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None):
        super().__init__(parent)
        self._viewer = unwrapped(viewer)
        guard_removal(self._viewer)
        self.picker = MaskPicker(self._viewer)
        self.other = narrow_combo()
        self.other.setToolTip(
            "A mask of the same heart at the other phase, ED or ES; the dials turn both alike."
        )
        self.form = SliderForm()
        self.table = EffectsTable()
        self.status = word_wrapped(HINT)
        self.turner = Turner(self._viewer, self)
        self.beside = SideBySide(self._viewer, self)
        self.cine = Cine(self._viewer, self)
        self.reset_button = button(
            "Reset", "All dials to 0: the mask as it was, to the voxel.", self.reset
        )
        self.compare_with = narrow_combo()
        self.compare_with.addItem("the mask without dials", "")
        for name, (title, _) in PRESETS.items():
            self.compare_with.addItem(title, name)
        self.compare_button = button(
            "Side by side",
            "Pictures of the slice in view, with the dials as they are and with the other choice, "
            "from one seed: only the anatomy differs.",
            self.compare,
        )
        self.back_button = button("Back", "Show again what was shown before.", self.beside.leave)
        self.ef = Number()
        self.ef.setRange(5, 85)
        self.ef.setValue(60)
        self.ef.setDecimals(0)
        self.ef.setSuffix(" %")
        self.ef.setToolTip("Ejection fraction of the LV.")
        self.beat_button = button(
            "Make it beat",
            "A cine of the mask from end-diastole to end-systole and back, as a new layer.",
            self.beat,
        )
        self.play_button = button("Play", "Run through the frames, or stop.", self.cine.play)
        self._build()
        for part in (self.beside, self.cine):
            part.failed.connect(self.status.setText)
            part.changed.connect(self._show_state)
        self.form.moved.connect(self._on_moved)
        self.form.released.connect(self._on_released)
        self.turner.turned.connect(self._on_turned)
        self.turner.refused.connect(self._refuse)
        self.turner.found.connect(self._on_found)
        self.picker.layer_changed.connect(self._on_layer)
        self.other.activated.connect(self._on_other)
        events = self._viewer.layers.events
        listed = (events.inserted, events.removed, events.renamed)
        Listening(self).to(*listed, call=self._list_others)
        self._on_layer()

    def event(self, event: QEvent) -> bool:
        """End the thread when the panel is taken out of the window: nobody else would."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.turner.stop()
            self.beside.stop()
            self.cine.stop()
        return super().event(event)

    def showEvent(self, event: Any) -> None:  # noqa: N802 (Qt's name)
        """Be ready for the first turn of a dial."""
        super().showEvent(event)
        self.turner.look_ahead()

    def reset(self) -> None:
        """Turn everything back."""
        self.form.setting = Setting()
        self._on_released()

    def compare(self) -> None:
        """Pictures with the dials as they are, and of the other choice, in a grid."""
        other = self.compare_with.currentData()
        setting = self.form.setting
        own = PRESETS[setting.disease][0] if setting.disease else "dials as they are"
        title = PRESETS[other][0] if other else "without dials"
        if own == title:
            title += ", typical"
        try:
            chosen = {own: setting.dials, title: preset(other) if other else Dials()}
            self.beside.show(self.picker.layer, self.turner.beginning(), chosen)
        except InputError as error:
            self._refuse(str(error))

    def beat(self) -> None:
        """Make a cine of the mask."""
        try:
            self.cine.beat(self.picker.layer, self.ef.value() / 100)
        except InputError as error:
            self._refuse(str(error))

    def _show_state(self) -> None:
        there = self.picker.layer is not None
        self.compare_button.setEnabled(there and not self.beside.running)
        self.back_button.setEnabled(self.beside.grid.active and not self.beside.running)
        self.beat_button.setEnabled(there and not self.cine.running)
        self.play_button.setText("Stop" if self.cine.playing else "Play")
        if self.beside.running:
            self.status.setText("Making pictures.")
        elif self.cine.running:
            self.status.setText("Making the cine.")
        elif self.status.text().startswith("Making"):
            self.status.setText("")

    def _on_moved(self) -> None:
        try:
            self.turner.show(self.form.setting)
            self.status.setText("")
        except InputError as error:
            self.turner.put_back()
            self.status.setText(str(error))

    def _on_released(self) -> None:
        self.turner.set(self.form.setting)

    def _on_turned(self, effects: dict[Any, tuple[Effect, ...]]) -> None:
        self.status.setText(_phases(effects) or HINT)
        first = next(iter(effects.values()), ())
        self.table.show_effects(first)

    def _on_found(self, setting: Setting) -> None:
        self.form.setting = setting

    def _refuse(self, why: str) -> None:
        self.status.setText(why)
        show_problem(why)

    def _on_layer(self) -> None:
        self._list_others()
        self._on_other()
        self.form.setEnabled(self.picker.layer is not None)
        self._show_state()

    def _on_other(self, *_: object) -> None:
        self.form.setting = Setting()
        self.table.show_effects(())
        self.turner.follow(self.picker.layer, self.other.currentData())
        if self.isVisible():
            self.turner.look_ahead()

    def _list_others(self, event: Any = None) -> None:
        layer, chosen = self.picker.layer, self.other.currentData()
        self.other.clear()
        self.other.addItem("none", None)
        for other in mask_layers(self._viewer):
            if layer is not None and other is not layer and other.data.shape == layer.data.shape:
                self.other.addItem(other.name, other)
        self.other.setCurrentIndex(max(0, self.other.findData(chosen)))
        if chosen is not None and self.other.currentData() is not chosen:  # it was deleted
            self._on_other()

    def _build(self) -> None:
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 4, 0)
        column.setSpacing(4)
        column.addWidget(group("Mask", self.picker, form(("Other phase", self.other))))
        column.addWidget(group("Dials", self.form))
        column.addWidget(group("Requested and measured", self.table))
        column.addWidget(
            group(
                "Beside",
                side_by_side(self.compare_with, self.compare_button, self.back_button),
            )
        )
        column.addWidget(group("Beat", side_by_side(self.ef, self.beat_button, self.play_button)))
        column.addStretch()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(scrolled(content), stretch=1)
        layout.addWidget(side_by_side(self.status, self.reset_button))
        self.setMinimumWidth(300)


def _phases(effects: dict[Any, tuple[Effect, ...]]) -> str:
    """The ejection fraction of a heart at two phases, before and now."""
    volumes = [
        next((e for e in found if e.name == "LV volume"), None) for found in effects.values()
    ]
    if len(volumes) != 2 or None in volumes:
        return ""
    words = []
    for what in ("before", "measured"):
        ed, es = sorted((getattr(volume, what) for volume in volumes), reverse=True)
        words.append(f"{100 * (ed - es) / ed:.0f} %" if ed else "unknown")
    return f"LV ejection fraction {words[0]} before, {words[1]} now."
