"""A mask made to beat: a cine of masks as a new layer, and napari playing it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QWidget

from cmr_synth.anatomy.beating import Plan
from cmr_synth.anatomy.labels import ConventionGuess

from .._in_view import in_view
from .._layers import labels_layer
from .._mask_layer import to_engine
from .._masks import ENGINE, numbers_of, structure_numbers
from .one_job import OneJob

FRAMES = 20
FPS = 20.0  # of one beat a second
WATCH_MS = 250  # napari starts and stops playing in a thread of its own, and by its own button


class Cine(OneJob):
    """Lets masks beat, and plays them; `changed` tells of playing, too.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    parent : QWidget
        Whose window the job works for.
    """

    def __init__(self, viewer: Any, parent: QWidget):
        super().__init__(viewer, parent)
        self._watch = QTimer(self)
        self._watch.setInterval(WATCH_MS)
        self._watch.timeout.connect(self._look)

    @property
    def playing(self) -> bool:
        """Whether napari runs through frames; no more when the window was closed meanwhile."""
        shown = getattr(self._viewer.window, "_qt_viewer", None)
        return shown is not None and bool(shown.dims.is_playing)

    def beat(self, layer: Any, ef: float) -> None:
        """Make a cine of a mask at end-diastole, of the frame in view if it is one already.

        Parameters
        ----------
        layer : napari Labels layer
        ef : float
            Ejection fraction of the LV as a share.

        Raises
        ------
        InputError
            If the layer is no mask, or the fraction none that a heart has.
        """
        if self.running:
            return
        plan = Plan(ef=ef, frames=FRAMES)
        numbers = numbers_of(layer)
        frame, _ = in_view(self._viewer, layer)
        still = numbers.frame(frame)
        engine = still.with_array(to_engine(still.array, structure_numbers(layer)))

        def run() -> Iterator[Any]:
            from cmr_synth.synthesis.beating import beat_mask
            from cmr_synth.synthesis.dialled import Upright

            yield from beat_mask(Upright.of(engine), plan)

        self._start("Beating", run, self._receive)

    def play(self) -> None:
        """Run through the frames of the cine in view, or stop."""
        if self.playing:
            self._dims.stop()
        elif self._viewer.dims.ndim == 4:
            self._dims.play(0, fps=FPS)
            self._watch.start()
        else:
            self.failed.emit("There is no cine to play; open one, or make a mask beat.")
        self.changed.emit()

    def stop(self) -> None:
        """Neither make nor play any more."""
        self._watch.stop()
        self._cancel()
        if self.playing:
            self._dims.stop()

    @property
    def _dims(self) -> Any:
        return self._viewer.window._qt_viewer.dims

    def _look(self) -> None:
        if not self.playing:
            self._watch.stop()
        self.changed.emit()

    def _receive(self, beating: Any) -> None:
        known = ConventionGuess(ENGINE, 1.0, "Made by the program, in its own numbers.")
        data, attributes, _ = labels_layer(beating.mask, guess=known)
        attributes["name"] = f"{beating.mask.stem} beating"
        point = self._viewer.dims.point
        layer = self._viewer.add_labels(data, **attributes)
        z = point[-3] if len(point) >= 3 else 0.0
        self._viewer.dims.set_point(self._viewer.dims.ndim - 3, z)
        self._viewer.layers.selection.active = layer
