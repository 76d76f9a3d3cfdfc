"""Live preview: while a mask is painted, the picture of the slice in view follows the brush."""

from __future__ import annotations

import time
import warnings
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal
from superqt.utils import QSignalDebouncer, QSignalThrottler

from cmr_synth.errors import InputError

from .._canvas import guard_removal
from .._in_view import in_view
from .._layer_geometry import attributes_of
from .._layers import DESCRIPTION, GRID, scan_of_layer
from .._masks import ENGINE, convention_of, is_mask, unwrapped
from .._messages import show_problem
from .._models import fastest
from .redraw import LEAST, Answer, Question, Redrawer

if TYPE_CHECKING:
    from napari.layers import Image, Labels

    from cmr_synth.imaging.scan import Scan
    from cmr_synth.synthesis.request import Request

NAME = "synthetic preview"

STROKE_MS = 700
"""In a stroke longer than this, the picture is made anew so often before the brush is lifted. Each
time costs the end of the stroke, if it comes just then, the wait for a network evaluation."""


OUTLINE = (1, 1.0)
"""Width in pixels and opacity of the mask while it runs."""


class LivePreview(QObject):
    """Makes the slice in view again after every stroke, undo, edit by a tool and change of slice.

    The picture goes to an image layer just below the mask, which is there as long as the preview
    runs; rename it to keep it.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    request : callable
        Gives the conditions and the seed; asked at each picture. The model is the zoo's fastest,
        whatever they say.
    """

    updated = Signal(float)
    """Milliseconds from the end of a stroke, or another edit, to its picture on the screen."""

    said = Signal(str)
    """One line on how it stands, to show beside the toggle."""

    stopped = Signal()
    """After it ended, whoever ended it."""

    def __init__(
        self,
        viewer: Any,
        request: Callable[[], Request],
        parent: QObject | None = None,
    ):
        super().__init__(parent)
        self._viewer = unwrapped(viewer)
        guard_removal(self._viewer)
        self._asked = request
        self._layer: Any = None
        self._preview: Any = None
        self._redrawer: Redrawer | None = None
        self._canvas: Any = None
        self._drawn = OUTLINE
        self._last: Question | None = None
        self._answered: Question | None = None
        self._edited: float | None = None  # when the edit ended that is to be drawn
        self._unshown: float | None = None  # the same, of a picture not yet on the screen
        self._soon = QSignalDebouncer(parent=self)
        self._soon.triggered.connect(self._request_soon)
        trailing = QSignalThrottler.EmissionPolicy.Trailing
        self._mid_stroke = QSignalThrottler(trailing, self)
        self._mid_stroke.setTimeout(STROKE_MS)
        self._mid_stroke.triggered.connect(self._request_mid_stroke)
        self._why: str | None = None  # it ends, as soon as the layers have settled
        self._settled = QSignalDebouncer(parent=self)
        self._settled.triggered.connect(self._stop_as_told)

    @property
    def active(self) -> bool:
        """Whether it runs."""
        return self._layer is not None

    @property
    def layer(self) -> Labels | None:
        """The mask that it follows."""
        return self._layer

    @property
    def up_to_date(self) -> bool:
        """Whether the picture of the last edit is on the screen, or was said to be impossible."""
        waiting = self._edited is not None or self._unshown is not None
        return not waiting and self._answered is self._last

    @property
    def dropped(self) -> int:
        """Requests that a later one overtook, since the start."""
        return self._redrawer.questions.dropped if self._redrawer is not None else 0

    def start(self, layer: Any) -> None:
        """Follow a mask; what was followed before is left.

        Parameters
        ----------
        layer : napari Labels layer
            May be empty: then the preview waits for a heart. What is no mask is refused with a
            message, and the preview does not start.
        """
        self._end()
        layer = unwrapped(layer)
        try:
            asked = self._asked()
            if not is_mask(layer) or layer not in self._viewer.layers:
                name = getattr(layer, "name", "live preview")
                raise InputError(f"{name}: is no mask; choose a labels layer to follow.")
            convention = asked.labels or convention_of(layer) or ENGINE
            window = getattr(self._viewer.window, "_qt_window", None)
            self._redrawer = Redrawer(_scan_of(layer), convention, fastest(), asked.device, window)
        except InputError as error:
            show_problem(error)
            self.stopped.emit()
            return
        self._layer = layer
        self._outline(layer)
        # a thread outlives whom nobody stopped
        self._unstopped = weakref.finalize(self, self._redrawer.cancel)
        self._redrawer.answered.connect(self._receive)
        self._redrawer.finished.connect(self._on_end)
        self._redrawer.start()
        self._connect()
        self._say("Live preview: loading the model")
        self.refresh()

    def stop(self, why: str = "") -> None:
        """End the preview and take its layer away; does nothing while it is off.

        Parameters
        ----------
        why : str
            What to say about it.
        """
        if self.active:
            self._end()
            self._say(why)
            self.stopped.emit()

    def refresh(self, *_: object) -> None:
        """Make the picture again if the mask, the slice in view or the options have changed."""
        if not self.active:
            return
        if self._edited is None:
            self._edited = time.perf_counter()
        self._soon.throttle()  # one edit may tell of itself several times

    def _end(self) -> None:
        if self._redrawer is None:
            return
        for pending in (self._soon, self._mid_stroke, self._settled):
            _stop(pending)
        self._why = None
        self._disconnect()
        self._redrawer.cancel()
        self._unstopped.detach()
        self._fill_again()
        preview, layers = self._preview, self._viewer.layers
        self._layer = self._redrawer = self._preview = None
        self._last = self._answered = self._edited = self._unshown = None
        if preview is not None and preview.name == NAME and preview in layers:
            layers.remove(preview)

    def _outline(self, mask: Labels) -> None:
        """Draw the mask as bright outlines, so that the picture is seen under the brush."""
        self._drawn = (mask.contour, mask.opacity)
        mask.contour, mask.opacity = OUTLINE

    def _fill_again(self) -> None:
        """Draw the mask as before, unless the user chose something else meanwhile."""
        mask = self._layer
        if (mask.contour, mask.opacity) == OUTLINE:
            mask.contour, mask.opacity = self._drawn

    def _connect(self) -> None:
        events = self._layer.events
        events.paint.connect(self._on_stroke_end)
        events.labels_update.connect(self._on_brush)
        events.set_data.connect(self.refresh)  # undo, redo, change of slice
        for replaced in (events.data, events.scale):
            replaced.connect(self._restart)
        self._viewer.dims.events.current_step.connect(self.refresh)
        self._viewer.layers.events.removed.connect(self._on_removed)
        qt_viewer = getattr(self._viewer.window, "_qt_viewer", None)
        self._canvas = getattr(getattr(qt_viewer, "canvas", None), "native", None)
        if hasattr(self._canvas, "frameSwapped"):  # an OpenGL widget: tells when it has drawn
            self._canvas.frameSwapped.connect(self._on_drawn)
        else:
            self._canvas = None

    def _disconnect(self) -> None:
        events = self._layer.events
        events.paint.disconnect(self._on_stroke_end)
        events.labels_update.disconnect(self._on_brush)
        events.set_data.disconnect(self.refresh)
        for replaced in (events.data, events.scale):
            replaced.disconnect(self._restart)
        self._viewer.dims.events.current_step.disconnect(self.refresh)
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        if self._canvas is not None:
            try:
                self._canvas.frameSwapped.disconnect(self._on_drawn)
            except (RuntimeError, TypeError):  # its C++ half is deleted, and the connection
                pass
        self._canvas = None

    def _on_stroke_end(self, event: Any = None) -> None:
        _stop(self._mid_stroke)
        self._edited = time.perf_counter()
        # At once, for Qt would draw the stroke before it looks at timers. And soon again, for
        # `data_setitem` tells of an edit before it writes it.
        self._request()
        self._soon.throttle()

    def _on_brush(self, event: Any = None) -> None:
        self._mid_stroke.throttle()

    def _restart(self, event: Any = None) -> None:
        self.start(self._layer)

    def _on_removed(self, event: Any) -> None:
        if event.value is self._layer:
            why = f"Live preview ended: {self._layer.name} was deleted."
        elif event.value is self._preview:
            why = "Live preview ended: its layer was deleted."
        else:
            return
        assert self._redrawer is not None
        self._redrawer.cancel()
        self._why = why
        # later: the list is still busy, perhaps removing more than this one
        self._settled.throttle()

    def _stop_as_told(self) -> None:
        self.stop(self._why or "")

    def _on_end(self) -> None:
        """A thread has ended: one that was stopped, or this one by a fault or with the window."""
        redrawer = self._redrawer
        if redrawer is None or redrawer.running or self._why is not None:
            return
        failed = redrawer.failed
        if not failed:
            self._preview = None  # goes with the window
        self.stop("Live preview ended." if failed else "")

    def _request_soon(self) -> None:
        self._request()
        self._edited = None

    def _request_mid_stroke(self) -> None:
        self._request(urgent=False)

    def _request(self, *, urgent: bool = True) -> None:
        """Hand the slice in view to the thread, unless that is what it was handed last."""
        if self._redrawer is None or self._why is not None:
            return
        try:
            asked = self._asked()
        except InputError as error:
            self._say(f"Live preview waits: {error}")
            return
        layer = self._layer
        frame, k = in_view(self._viewer, layer)
        stack = np.asarray(layer.data[frame] if layer.ndim == 4 else layer.data)
        meaning = asked.labels or convention_of(layer) or ENGINE
        question = Question(
            labels=np.array(stack[None] if stack.ndim == 2 else stack),  # (y, x) -> (z, y, x)
            frame=frame,
            k=k,
            request=replace(asked, labels=meaning),
            asked=time.perf_counter() if self._edited is None else self._edited,
            urgent=urgent,
        )
        if self._last is not None and _same(question, self._last):
            return
        self._last = question
        self._redrawer.questions.ask(question)

    def _receive(self, answer: Answer) -> None:
        if not self.active or self._why is not None:
            return
        self._answered = question = answer.question
        layer = self._preview
        if answer.pixels is None:
            self._say(f"Live preview: {answer.reason}")
            if layer is None:
                return
        elif layer is None:
            layer = self._preview = self._add_layer()
        plane = (question.frame, question.k)[4 - layer.ndim :]
        layer.data[plane] = 0 if answer.pixels is None else answer.pixels
        layer.refresh(extent=False, highlight=False)
        if answer.pixels is None:
            return
        self._unshown = question.asked
        if self._canvas is None or not (self._canvas.isVisible() and layer.visible):
            self._on_drawn()

    def _on_drawn(self) -> None:
        if self._unshown is None:
            return
        milliseconds = 1000 * (time.perf_counter() - self._unshown)
        self._unshown = None
        self._say(f"Live preview: {milliseconds:.0f} ms")
        self.updated.emit(milliseconds)

    def _add_layer(self) -> Image:
        """An empty picture below the mask; what is selected stays selected."""
        from napari.layers import Image

        mask, layers = self._layer, self._viewer.layers
        metadata: dict[str, Any] = {DESCRIPTION: "SYNTHETIC preview, made while painting"}
        if GRID in mask.metadata:
            metadata[GRID] = mask.metadata[GRID]
        preview = Image(
            np.zeros(mask.data.shape, dtype=np.float32),
            name=NAME,
            scale=mask.scale,
            translate=mask.translate,
            rotate=mask.rotate,
            shear=mask.shear,
            affine=mask.affine,
            axis_labels=mask.axis_labels,
            units=mask.units,
            contrast_limits=(0.0, 1.0),
            colormap=_over_a_scan(),
            metadata=metadata,
        )
        selected, active = set(layers.selection), layers.selection.active
        layers.insert(layers.index(mask), preview)
        layers.selection = selected
        layers.selection.active = active  # else the next stroke would go nowhere
        return preview

    def _say(self, text: str) -> None:
        self.said.emit(text)


def _over_a_scan() -> Any:
    """Grey, and nothing where there is no picture: a scan below stays visible there."""
    from napari.utils import Colormap

    clear, black, white = (0, 0, 0, 0), (0, 0, 0, 1), (1, 1, 1, 1)
    return Colormap([clear, black, white], name="grey over a scan", controls=[0, LEAST / 2, 1])


def _stop(pending: QSignalDebouncer | QSignalThrottler) -> None:
    """Forget what waits for its time, and let the next one wait for all of it."""
    pending.cancel()
    pending.flush(restart_timer=False)


def _scan_of(layer: Any) -> Scan:
    """The layer's numbers on the grid that it lies on, whatever they are."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a place that nobody knows matters to files only
        return scan_of_layer(np.asarray(layer.data), attributes_of(layer))


def _same(one: Question, other: Question) -> bool:
    return (
        (one.frame, one.k, one.request) == (other.frame, other.k, other.request)
        and one.labels.dtype == other.labels.dtype
        and np.array_equal(one.labels, other.labels)
    )
