"""The heart mask widget: make a mask, paint and contour it, and see what it measures."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget
from superqt import QCollapsible

from cmr_synth.anatomy.editing import expand, remove_strays, ring, smooth
from cmr_synth.anatomy.labels import STRUCTURES
from cmr_synth.errors import InputError

from .._canvas import guard_removal
from .._layout import group, scrolled, word_wrapped
from .._mask_layer import go_to, place
from .._mask_picker import MaskPicker
from .._masks import add_scar, structure_numbers, unwrapped
from .._messages import show_note, show_problem
from .._panel import Panel
from .contours import apply_contours, start_contour
from .edits import copy_from, different_grids, edit, fill_slices, name_structures
from .finding_panel import FindingPanel
from .forms import ContourForm, Legend, NewMaskForm, ToolsForm
from .keys import KeyBindings, help_html
from .measurements_panel import MeasurementsPanel
from .new_mask import add_mask
from .placing_panel import PlacingPanel

if TYPE_CHECKING:
    import napari

NO_MASK = (
    "There is no mask to work on. Make one under New mask, or open one, or convert an image "
    "layer with a right click on it: Convert to Labels."
)


class HeartMaskWidget(Panel):
    """Makes and edits heart masks; every tool is one step that undo takes back.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    parent : QWidget, optional
    """

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("heart_mask")
        self._viewer = unwrapped(viewer)
        guard_removal(self._viewer)
        self._followed: Any = None
        self.picker = MaskPicker(self._viewer, self)
        self.grid_note = word_wrapped("")
        self.grid_note.setObjectName("grid_note")
        self.finding = FindingPanel(self._viewer, self)
        self.new = NewMaskForm(self)
        self.placing = PlacingPanel(self._viewer, self)
        self.legend = Legend(self)
        self.contours = ContourForm(self)
        self.tools = ToolsForm(self)
        self.measurements = MeasurementsPanel(self._viewer, self)
        self.keys = KeyBindings(self._viewer, self)
        self.destroyed.connect(self.keys.release)
        self._lay_out()
        self._connect()
        self._list_images()
        self._mask_changed()

    @property
    def mask(self) -> Any:
        """The mask to work on.

        Raises
        ------
        InputError
            If there is none, or it was removed meanwhile.
        """
        layer = self.picker.layer
        if layer is None or layer not in self._viewer.layers:
            active = self._viewer.layers.selection.active
            if active is not None:
                kind = type(active).__name__.lower()
                raise InputError(f"{active.name}: is a layer of type {kind}, no mask. {NO_MASK}")
            raise InputError(NO_MASK)
        return layer

    def sizeHint(self) -> QSize:  # noqa: N802 - a name of Qt
        """Narrow enough to leave the picture its room."""
        return QSize(350, 900)

    # What the keys call by name, see `_mask_keys.PRESET`

    def slice_up(self) -> None:
        """Show the slice above."""
        self._attempt(partial(self._step, -1))

    def slice_down(self) -> None:
        """Show the slice below."""
        self._attempt(partial(self._step, 1))

    def go_ed(self) -> None:
        """Show end-diastole."""
        self._attempt(partial(self.measurements.go_to_phase, "ed"))

    def go_es(self) -> None:
        """Show end-systole."""
        self._attempt(partial(self.measurements.go_to_phase, "es"))

    def toggle_mask(self) -> None:
        """Hide or show the mask."""

        def toggle() -> None:
            self.mask.visible = not self.mask.visible

        self._attempt(toggle)

    def select_lv(self) -> None:
        """Paint LV blood pool."""
        self.select("LV")

    def select_myo(self) -> None:
        """Paint myocardium."""
        self.select("MYO")

    def select_rv(self) -> None:
        """Paint RV blood pool."""
        self.select("RV")

    def draw_endo(self) -> None:
        """Draw the endocardial contour."""
        self.draw("endo")

    def draw_epi(self) -> None:
        """Draw the epicardial contour."""
        self.draw("epi")

    def draw_rv(self) -> None:
        """Draw the RV contour."""
        self.draw("RV")

    def apply_contours(self) -> None:
        """Turn the contours into the mask."""
        self._attempt(lambda: self._tell(apply_contours(self._viewer, self.mask)))

    def ring(self) -> None:
        """Put a wall around the LV."""
        options = {"over_rv": self.tools.over_rv.isChecked()}
        mm = self.tools.thickness.value()
        self._edit(lambda labels, spacing: ring(labels, spacing, mm, **options))

    def expand(self) -> None:
        """Expand the selected structure."""
        self._move_border(self.tools.distance.value())

    def contract(self) -> None:
        """Contract the selected structure."""
        self._move_border(-self.tools.distance.value())

    def smooth(self) -> None:
        """Smooth the outlines."""
        self._edit(smooth)

    def remove_strays(self) -> None:
        """Keep the largest piece of each structure."""
        self._edit(lambda labels, _: remove_strays(labels))

    def copy_above(self) -> None:
        """Copy the slice above into the one shown."""
        self._attempt(lambda: self._tell(copy_from(self._viewer, self.mask, -1)))

    def copy_below(self) -> None:
        """Copy the slice below into the one shown."""
        self._attempt(lambda: self._tell(copy_from(self._viewer, self.mask, 1)))

    def fill_between(self) -> None:
        """Draw the slices left out."""
        self._attempt(lambda: self._tell(fill_slices(self._viewer, self.mask)))

    def undo(self) -> None:
        """Take the last edit of the mask back."""
        self._attempt(lambda: self.mask.undo())

    def redo(self) -> None:
        """Do the edit again that was taken back."""
        self._attempt(lambda: self.mask.redo())

    # What the forms call

    def create(self) -> None:
        """Add the mask that the form describes."""

        def add() -> None:
            wanted = self.new.wanted()
            layers = add_mask(self._viewer, wanted, self.new.image())
            self.picker.choose(layers[0])
            if wanted.anatomy is None:
                layers[0].mode = "paint"
            self.new_box.collapse(animate=False)

        self._attempt(add)

    def place_template(self) -> None:
        """Show the heart that the form describes with handles around it."""
        self._attempt(lambda: self.placing.start(self.new.wanted(), self.new.image()))

    def select(self, structure: str) -> None:
        """Paint a structure from now on; "" erases."""

        def paint() -> None:
            mask = self.mask
            self._viewer.layers.selection.active = mask
            if not structure:
                mask.mode = "erase"
                return
            mask.selected_label = structure_numbers(mask)[structure]
            if mask.mode not in ("paint", "fill", "polygon"):
                mask.mode = "paint"

        self._attempt(paint)
        self._show_selected()

    def paint_scar(self) -> None:
        """Give the mask numbers for scar, and paint infarct."""

        def add() -> None:
            add_scar(self.mask)
            self.select("infarct")

        self._attempt(add)

    def draw(self, kind: str) -> None:
        """Start drawing a contour."""
        freehand = self.contours.freehand.isChecked()
        self._attempt(
            lambda: start_contour(self._viewer, self.mask, kind, freehand=freehand) and None
        )

    def _move_border(self, mm: float) -> None:
        structure = STRUCTURES[self.legend.structure or "LV"]
        self._edit(lambda labels, spacing: expand(labels, spacing, structure, mm))

    def _edit(self, tool: Callable[[Any, Any], Any]) -> None:
        whole = self.tools.whole_stack()
        self._attempt(lambda: self._tell(edit(self._viewer, self.mask, tool, whole_stack=whole)))

    def _step(self, by: int) -> None:
        mask = self.mask
        where = place(self._viewer, mask)
        if where and 0 <= where[-1] + by < mask.data.shape[-3]:
            go_to(self._viewer, mask, where[-1] + by)

    def _tell(self, changed: int) -> None:
        self._viewer.status = f"{changed} voxels changed. Ctrl+Z takes it back."
        if not changed:
            show_note("Nothing changed: the mask looked like this already.")

    def _attempt(self, action: Callable[[], Any]) -> None:
        """Say in one line what went wrong; the layers stay as they were."""
        try:
            action()
        except Exception as error:  # shown to the user, with a traceback in the log
            show_problem(error)

    # Layout and what follows the viewer

    def _lay_out(self) -> None:
        inner = QWidget(self)
        layout = QVBoxLayout(inner)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(6)
        self.find_box = QCollapsible("Find the heart", inner)
        self.find_box.addWidget(self.finding)
        self.find_box.expand(animate=False)
        self.new_box = QCollapsible("New mask", inner)
        self.new_box.addWidget(self.new)
        self.new_box.addWidget(self.placing)
        self.new_box.expand(animate=False)
        self.key_box = QCollapsible("Keys", inner)
        key_help = QLabel(help_html(self.keys.taken), inner)
        key_help.setTextFormat(Qt.TextFormat.RichText)
        key_help.setWordWrap(True)
        self.key_box.addWidget(key_help)
        mask = group("Mask", self.picker, self.grid_note)
        for part in (
            self.find_box,
            self.new_box,
            mask,
            group("Structures", self.legend),
            group("Contours", self.contours),
            group("Edit", self.tools),
            group("Measurements", self.measurements),
            self.key_box,
        ):
            layout.addWidget(part)
        layout.addStretch(1)
        scroll = scrolled(inner, self)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scroll)

    def _connect(self) -> None:
        self.picker.layer_changed.connect(self._mask_changed)
        self.finding.found.connect(self.picker.choose)
        self.new.create.clicked.connect(self.create)
        self.new.place.clicked.connect(self.place_template)
        self.placing.placed.connect(self.picker.choose)
        self.placing.running_changed.connect(lambda on: self.new.setVisible(not on))
        self.legend.chosen.connect(self.select)
        self.legend.scar_wanted.connect(self.paint_scar)
        self.contours.draw.connect(self.draw)
        self.contours.apply.clicked.connect(self.apply_contours)
        for name, button in self.tools.buttons.items():
            button.clicked.connect(getattr(self, name))
        layers = self._viewer.layers
        # napari keeps weak references to methods, so nothing has to be disconnected at the end.
        for emitter in (layers.events.inserted, layers.events.removed, layers.events.renamed):
            emitter.connect(self._layers_changed)
        layers.selection.events.active.connect(self._layers_changed)

    def _layers_changed(self, _event: Any = None) -> None:
        if isalive(self):
            self._list_images()
            self._note_grids()

    def _mask_changed(self) -> None:
        if self._followed is not None:
            for emitter in self._watched(self._followed):
                emitter.disconnect(self._show_selected)
        layer = self._followed = self.picker.layer
        if layer is not None:
            name_structures(layer)
            for emitter in self._watched(layer):
                emitter.connect(self._show_selected)
        self.measurements.set_layer(layer)
        self.finding.show_mask(layer)
        for part in (self.legend, self.contours, self.tools):
            part.setEnabled(layer is not None)
        self._show_selected()
        self._note_grids()

    @staticmethod
    def _watched(layer: Any) -> tuple[Any, ...]:
        return layer.events.selected_label, layer.events.features, layer.events.mode

    def _show_selected(self, _event: Any = None) -> None:
        if not isalive(self):
            return
        layer = self.picker.layer
        numbers = {} if layer is None else structure_numbers(layer)
        chosen = next((s for s, n in numbers.items() if n == layer.selected_label), None)
        erasing = layer is not None and layer.mode == "erase"
        self.legend.show_numbers(numbers)
        self.legend.show_chosen("" if erasing else chosen)
        self.tools.show_structure(self.legend.structure)

    def _list_images(self) -> None:
        from napari.layers import Image

        images = [layer for layer in reversed(self._viewer.layers) if isinstance(layer, Image)]
        active = self._viewer.layers.selection.active
        self.new.offer(images, active if active in images else None)

    def _note_grids(self) -> None:
        """Say so if the mask does not lie on the grid of the image under it."""
        from napari.layers import Image

        mask, notes = self.picker.layer, []
        shown = [layer for layer in self._viewer.layers if isinstance(layer, Image)]
        if mask is not None and mask in self._viewer.layers:
            notes = [different_grids(mask, image) for image in shown if image.visible]
        fits = not notes or not all(notes)  # on any one of them is enough
        self.grid_note.setText("" if fits else f"\N{WARNING SIGN} {notes[-1]}")
        self.grid_note.setVisible(not fits)
