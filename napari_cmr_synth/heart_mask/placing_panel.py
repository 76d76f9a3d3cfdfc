"""Buttons beside a template that is being placed by hand."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from cmr_synth.errors import InputError

from .._layout import button, form, narrow_combo, word_wrapped
from .._masks import mask_layers, unwrapped
from .._messages import show_problem
from .finding import fitting
from .placing import start_placing

if TYPE_CHECKING:
    from napari.layers import Image

    from .new_mask import NewMask
    from .placing import Placing

HELP = (
    "Drag inside the box to move the heart, a corner to scale it (with Shift evenly, with Ctrl "
    "about its middle), the handle outside to turn it. Look at every slice and frame, then Place."
)
STEP_MM, STEP_SCALE, STEP_DEGREES = 2.0, 1.05, 5.0
NEW = "a new mask"


class PlacingPanel(QWidget):
    """Hidden until a template is placed.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    parent : QWidget, optional
    """

    placed = Signal(object)
    """The mask that the template was drawn into."""

    running_changed = Signal(bool)
    """Whether a template is being placed."""

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = unwrapped(viewer)
        self.placing: Placing | None = None
        self.into = narrow_combo(self)
        self.into.setToolTip("A new mask, or one on the grid of the scan, as one step to undo.")
        moves: dict[str, tuple[str, dict[str, Any]]] = {
            "\N{LEFTWARDS ARROW}": ("Left", {"shift": (0, -STEP_MM)}),
            "\N{RIGHTWARDS ARROW}": ("Right", {"shift": (0, STEP_MM)}),
            "\N{UPWARDS ARROW}": ("Up", {"shift": (-STEP_MM, 0)}),
            "\N{DOWNWARDS ARROW}": ("Down", {"shift": (STEP_MM, 0)}),
            "+": ("Larger", {"scale": STEP_SCALE}),
            "\N{MINUS SIGN}": ("Smaller", {"scale": 1 / STEP_SCALE}),
            "\N{ANTICLOCKWISE OPEN CIRCLE ARROW}": ("Turn left", {"degrees": STEP_DEGREES}),
            "\N{CLOCKWISE OPEN CIRCLE ARROW}": ("Turn right", {"degrees": -STEP_DEGREES}),
        }
        self.moves = {
            tip: button(text, f"{tip} by a small step", partial(self._change, **change))
            for text, (tip, change) in moves.items()
        }
        self.place = button("Place", "Make it part of the mask; Ctrl+Z takes it back", self.finish)
        self.reset = button("Reset", "Back to where it was drawn", self._reset)
        self.cancel = button("Cancel", "Take the template away", self.stop)
        grid = QGridLayout()
        for number, part in enumerate(self.moves.values()):
            part.setMinimumWidth(24)
            grid.addWidget(part, number // 4, number % 4)
        last = QGridLayout()
        for number, part in enumerate((self.place, self.reset, self.cancel)):
            last.addWidget(part, 0, number)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(word_wrapped(HELP))
        layout.addLayout(grid)
        layout.addWidget(form(("Into", self.into)))
        layout.addLayout(last)
        self.hide()
        # napari keeps weak references to methods, so nothing has to be disconnected at the end
        self._viewer.layers.events.removed.connect(self._removed)

    def start(self, wanted: NewMask, image: Image | None) -> None:
        """Show a template with handles; one that is being placed is taken away first.

        Raises
        ------
        InputError
            As `start_placing`.
        """
        self.stop()
        self.placing = start_placing(self._viewer, wanted, image)
        self.into.clear()
        self.into.addItem(NEW, None)
        for mask in fitting(image, mask_layers(self._viewer)):
            self.into.addItem(mask.name, mask)
        self.show()
        self.running_changed.emit(True)

    def finish(self) -> None:
        """Draw the template into the mask."""
        if self.placing is None:
            return
        mask = self.into.currentData()
        placing, self.placing = self.placing, None  # its layer's end is no cancelling
        try:
            if mask is not None and mask not in self._viewer.layers:
                raise InputError(f"{mask.name}: was removed meanwhile; choose another mask.")
            masks = placing.finish(mask)
        except InputError as error:
            self.placing = placing if placing.there else None
            show_problem(error)
            if self.placing is None:
                self._ended()
            return
        self._ended()
        self.placed.emit(masks[0])

    def stop(self) -> None:
        """Take the template away; nothing else changes."""
        placing, self.placing = self.placing, None
        if placing is not None:
            placing.cancel()
            self._ended()

    def _change(self, **change: Any) -> None:
        if self.placing is not None:
            self.placing.change(**change)
            self.placing.hold()

    def _reset(self) -> None:
        if self.placing is not None:
            self.placing.reset()
            self.placing.hold()

    def _removed(self, _event: Any = None) -> None:
        if isalive(self) and self.placing is not None and not self.placing.there:
            self.stop()

    def _ended(self) -> None:
        self.hide()
        self.running_changed.emit(False)
