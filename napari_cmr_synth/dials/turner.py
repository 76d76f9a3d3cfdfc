"""A mask layer that follows the dials: the slice in view at once, all of it as one step of undo.

While a slider is dragged, the slice in view is written into the layer's array, past the history, so
that the picture of the live preview follows. When it is let go, what stood there is put back and
the whole mask is set through `data_setitem`, which undo takes back in one step. The dials are
always turned on the mask as it was before the first of them, so that nothing wears off.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal
from superqt.utils import QSignalDebouncer

from cmr_synth.anatomy.dials import Effect
from cmr_synth.errors import InputError

from .._in_view import in_view
from .._jobs import Job, Latest, Questions
from .._mask_layer import check_editable, to_engine, to_own, write
from .._masks import numbers_of, structure_numbers, unwrapped
from .sliders import Setting

if TYPE_CHECKING:
    from cmr_synth.imaging.scan import Scan
    from cmr_synth.synthesis.dialled import Turned, Upright

REMEMBERED = 200  # settings of one mask that undo finds the sliders for


@dataclass(frozen=True, eq=False)
class _Begun:
    """A mask as it was before dials were turned.

    Parameters
    ----------
    numbers : array
        Of the layer, in its own numbers and shape.
    upright : Upright
    """

    numbers: NDArray[Any]
    upright: Upright


@dataclass(frozen=True, eq=False)
class _Turn:
    """A question to the thread, and its answer."""

    begun: tuple[_Begun, ...]
    setting: Setting
    turned: tuple[Turned, ...] = ()
    refused: str = ""


class Turner(QObject):
    """Turns the dials of a mask layer, and of another one of the same heart alike.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    parent : QObject, optional
    """

    turned = Signal(object)
    """Effects by layer, a dict, after the mask was set."""

    refused = Signal(str)
    """Why the dials cannot be turned so."""

    found = Signal(object)
    """A `Setting` that the mask has got by undo, redo or an edit; the sliders are to show it."""

    def __init__(self, viewer: Any, parent: QObject | None = None):
        super().__init__(parent)
        self._viewer = unwrapped(viewer)
        self._layers: tuple[Any, ...] = ()
        self._begun: dict[int, _Begun] = {}  # by place among the layers
        self._known: dict[bytes, tuple[Setting, dict[Any, tuple[Effect, ...]]]] = {}
        self._last = b""
        self._shown: dict[tuple[int, ...], NDArray[Any]] = {}  # slices while a slider is dragged
        self._asked: _Turn | None = None
        self._job: Latest | None = None
        self._ahead: Job | None = None
        self._soon = QSignalDebouncer(parent=self)
        self._soon.setTimeout(30)
        self._soon.triggered.connect(self._look)

    @property
    def busy(self) -> bool:
        """Whether a slider is dragged, or the whole mask is not set yet."""
        return bool(self._shown) or self._asked is not None

    def follow(self, layer: Any, other: Any = None) -> None:
        """Turn the dials of this mask from now on, beginning with it as it is.

        Parameters
        ----------
        layer : napari Labels layer or None
        other : napari Labels layer, optional
            The same heart in another phase.
        """
        self.put_back()
        for one in self._layers:
            one.events.set_data.disconnect(self._on_data)
            one.events.paint.disconnect(self._on_data)
        self._layers = tuple(unwrapped(one) for one in (layer, other) if one is not None)
        for one in self._layers:
            one.events.set_data.connect(self._on_data)
            one.events.paint.connect(self._on_data)
        self._begin()

    def look_ahead(self) -> None:
        """Look at the mask in a thread, so that the first turn of a dial need not wait for it."""
        if not self._layers or 0 in self._begun or self._ahead is not None:
            return
        layer = self._layers[0]
        try:
            numbers, engine = self._engine_of(layer)
        except InputError:  # is said when a dial is turned
            return

        def work() -> Iterator[_Begun]:
            from cmr_synth.synthesis.dialled import Upright

            yield _Begun(numbers, Upright.of(engine))

        def keep(begun: _Begun) -> None:
            if self._layers[:1] == (layer,) and np.array_equal(layer.data, begun.numbers):
                self._begun.setdefault(0, begun)

        self._ahead = Job(
            "Looking at the mask",
            work,
            on_result=keep,
            on_done=lambda *_: setattr(self, "_ahead", None),  # it holds the layer
            show_progress=False,
            tell=lambda error: None,  # as above
        )
        self._ahead.start()

    def show(self, setting: Setting) -> None:
        """Show the slice in view with these dials, for as long as a slider is dragged.

        Raises
        ------
        InputError
            If the mask is none to turn dials on, or these cannot be turned.
        """
        if not self._layers:
            raise InputError("there is no mask to turn dials on; open or paint one.")
        layer, begun = self._layers[0], self._begun_of(0)
        frame, k = in_view(self._viewer, layer)
        heart = begun.upright.hearts.get(frame)
        if heart is None:
            return
        upright = begun.upright
        k = min(k, len(heart.labels) - 1)
        plane = heart.slices(setting.dials, (k,))[k]
        lead = (frame, k)[4 - layer.ndim :] if layer.ndim > 2 else ()
        from cmr_synth.imaging.orientation import undo

        own = self._own(layer, undo(upright.orientation, plane), begun.numbers[lead])
        self._shown.setdefault(lead, np.array(layer.data[lead]))
        layer.data[lead] = own
        layer.refresh(extent=False)

    def set(self, setting: Setting) -> None:
        """Set the whole mask to these dials, soon and as one step of undo."""
        if not self._layers:
            return
        try:
            setting.dials  # noqa: B018 - may refuse
            begun = tuple(self._begun_of(i) for i in range(len(self._layers)))
        except InputError as error:
            self.put_back()
            self.refused.emit(str(error))
            return
        if self._job is None or not self._job.running:
            self._job = Latest("Dials", _answers, on_result=self._receive)
            self._job.start()
        self._asked = _Turn(begun, setting)
        self._job.questions.ask(self._asked)

    def put_back(self) -> None:
        """Take away what was only shown."""
        if not self._shown:
            return
        layer = self._layers[0]
        for lead, numbers in self._shown.items():
            layer.data[lead] = numbers
        self._shown = {}
        layer.refresh(extent=False)

    def beginning(self) -> NDArray[Any]:
        """Numbers of the mask before dials were turned.

        Raises
        ------
        InputError
            If there is no mask, or it is none to turn dials on.
        """
        if not self._layers:
            raise InputError("there is no mask to turn dials on; open or paint one.")
        return self._begun_of(0).numbers

    def stop(self) -> None:
        """End the thread; what was only shown goes."""
        self.put_back()
        if self._ahead is not None:
            self._ahead.cancel()
        if self._job is not None:
            self._job.cancel()
            self._job = None

    def _begin(self) -> None:
        self._begun, self._known = {}, {}
        self._asked = None
        if self._layers:
            self._last = _digest(self._layers)
            self._known[self._last] = (Setting(), {})

    def _begun_of(self, place: int) -> _Begun:
        """The mask as it was, looked at when it is first needed."""
        from cmr_synth.synthesis.dialled import Upright

        if place not in self._begun:
            numbers, engine = self._engine_of(self._layers[place])
            self._begun[place] = _Begun(numbers, Upright.of(engine))
        return self._begun[place]

    def _receive(self, answer: _Turn) -> None:
        asked = self._asked
        if asked is None or (answer.begun, answer.setting) != (asked.begun, asked.setting):
            return  # a later one is on its way, or the mask was edited
        self._asked = None
        self.put_back()
        if answer.refused:
            self.refused.emit(answer.refused)
            return
        effects: dict[Any, tuple[Effect, ...]] = {}
        for layer, begun, turned in zip(self._layers, answer.begun, answer.turned, strict=True):
            own = turned.mask.array.reshape(layer.data.shape)  # (1, y, x) -> (y, x) of a slice
            write(layer, [((), self._own(layer, own, begun.numbers))])
            effects[layer] = turned.effects[turned.reference]
        self._last = _digest(self._layers)
        self._known[self._last] = (answer.setting, effects)
        while len(self._known) > REMEMBERED:
            self._known.pop(next(iter(self._known)))
        self.turned.emit(effects)

    def _on_data(self, event: Any = None) -> None:
        if not self.busy:
            self._soon.throttle()

    def _look(self) -> None:
        """The mask may have been changed by somebody else: find its setting, or begin with it."""
        if self.busy or not self._layers:
            return
        now = _digest(self._layers)
        if now == self._last:
            return
        self._last = now
        if now not in self._known:
            self._begin()
        setting, effects = self._known[now]
        self.found.emit(setting)
        self.turned.emit(effects)

    @staticmethod
    def _engine_of(layer: Any) -> tuple[NDArray[Any], Scan]:
        """A copy of a layer's numbers, and the engine's labels."""
        check_editable(layer)
        scan: Scan = numbers_of(layer)
        engine = scan.with_array(to_engine(scan.array, structure_numbers(layer)))
        return np.array(layer.data), engine

    @staticmethod
    def _own(layer: Any, labels: NDArray[np.uint8], before: NDArray[Any]) -> NDArray[Any]:
        """In the layer's numbers; scar is myocardium where they have none for it."""
        from cmr_synth.anatomy.labels import SCAR, scar_as_myocardium

        numbers = structure_numbers(layer)
        return to_own(
            labels if SCAR.keys() <= numbers.keys() else scar_as_myocardium(labels), before, numbers
        )


def _answers(questions: Questions[_Turn]) -> Iterator[_Turn]:
    for asked in questions:
        try:
            turned = tuple(one.upright.turned(asked.setting.dials) for one in asked.begun)
            yield _Turn(asked.begun, asked.setting, turned)
        except InputError as error:
            yield _Turn(asked.begun, asked.setting, refused=str(error))


def _digest(layers: tuple[Any, ...]) -> bytes:
    found = hashlib.blake2b(digest_size=16)
    for layer in layers:
        found.update(np.ascontiguousarray(layer.data).tobytes())
    return found.digest()
