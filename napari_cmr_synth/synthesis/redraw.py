"""The thread behind the live preview: it keeps a model warm and draws what was asked for last."""

from __future__ import annotations

import atexit
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from cmr_synth.anatomy.labels import convert
from cmr_synth.errors import InputError
from cmr_synth.imaging.scan import Scan

from .._models import loaded
from .._options import SynthesisOptions

if TYPE_CHECKING:
    from cmr_synth.generators.zoo import Model
    from cmr_synth.synthesis.interactive import Session

STEPS = 1
"""Network evaluations of a preview at most. One keeps the heart right and leaves the surroundings
hazy; a second makes them clear and costs 40 ms (`benchmarks/live_preview.py --steps 2`)."""

_open: set[Redrawer] = set()


@dataclass(frozen=True, eq=False)
class Request:
    """One slice of a mask as it is now.

    Attributes
    ----------
    labels : (z, y, x) array
        Numbers of the frame as in the layer, a copy.
    frame, k : int
        Which frame it is, and the slice to draw.
    convention : str
        What the numbers mean.
    asked : float
        When the edit ended, on the clock of `time.perf_counter`.
    urgent : bool
        Whether it ends what is being drawn. Requests in the middle of a stroke wait for it.
    """

    labels: NDArray[Any]
    frame: int
    k: int
    convention: str
    options: SynthesisOptions
    asked: float
    urgent: bool = True


@dataclass(frozen=True, eq=False)
class Answer:
    """What came of a request: a picture, or one line that says why there is none.

    Attributes
    ----------
    source : Redrawer
    pixels : (y, x) float32 array or None
    reason : str
    error : exception or None
        A fault that ends the preview.
    """

    source: Redrawer
    request: Request | None
    pixels: NDArray[np.float32] | None = None
    reason: str = ""
    error: BaseException | None = None


class Redrawer(QObject):
    """Draws slices one at a time in a thread of its own; the latest request wins.

    Parameters
    ----------
    mask : Scan
        ([t,] z, y, x) numbers of the layer at the start; may be empty or hold extra labels.
    convention : str
        What they mean.
    model : str
        Name in the zoo.
    device : str, optional
        As in `_models.loaded`.
    """

    answered = Signal(object)
    """An `Answer`; sent from the thread, so connect it queued."""

    def __init__(self, mask: Scan, convention: str, model: str, device: str | None):
        super().__init__()
        self.dropped = 0
        """Requests that a later one replaced before their picture was there."""
        self._mask = mask
        self._convention = convention
        self._model_name, self._device = model, device
        self._changed = threading.Condition()
        self._next: Request | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="live preview", daemon=True)
        _open.add(self)
        self._thread.start()

    def ask(self, request: Request) -> None:
        """Draw this next; what still waits is dropped."""
        with self._changed:
            self.dropped += self._next is not None
            self._next = request
            self._changed.notify()

    def close(self) -> None:
        """End the thread after the network evaluation that runs; does not wait for it."""
        with self._changed:
            self._closed = True
            self._next = None
            self._changed.notify()

    def join(self, seconds: float = 10.0) -> None:
        """Close, and wait until the thread has ended; for the end of the program."""
        self.close()
        self._thread.join(seconds)

    @property
    def running(self) -> bool:
        """Whether the thread has not ended yet."""
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            model = loaded(self._model_name, self._device)
            self._warm_up(model)
            session: Session | None = None
            while (request := self._take()) is not None:
                try:
                    session = session or self._session(model)
                    answer = self._draw(session, model, request)
                except InputError as error:
                    answer = Answer(self, request, reason=str(error))
                if answer is not None:
                    self._send(answer)
        except BaseException as error:  # nobody else would hear of it
            self._send(Answer(self, None, error=error))
        finally:
            _open.discard(self)

    def _session(self, model: Model) -> Session:
        from cmr_synth.synthesis.interactive import Session

        numbers = np.asarray(self._mask.array)
        labels = convert(numbers, self._convention, name=self._mask.name)
        return Session(self._mask.with_array(labels), model)

    def _warm_up(self, model: Model) -> None:
        """The first evaluation allocates and is slow: better before a stroke than after it."""
        from cmr_synth.generators.interface import Condition

        for _ in model.generator.sample([Condition()], seed=0, steps=1):
            if self._closed:
                return

    def _take(self) -> Request | None:
        with self._changed:
            while self._next is None and not self._closed:
                self._changed.wait()
            request, self._next = self._next, None
            return request

    def _draw(self, session: Session, model: Model, request: Request) -> Answer | None:
        from cmr_synth.synthesis.interactive import Picture

        card, asked = model.card, request.options.request()
        labels = convert(request.labels, request.convention, name=self._mask.name)
        known = card.conditions
        asked = replace(
            asked,
            # the preview's model need not be the one that the words were chosen for
            vendor=asked.vendor if asked.vendor in known.vendors else None,
            phase=asked.phase if asked.phase in known.phases else None,
            pathology=asked.pathology if asked.pathology in known.pathologies else None,
            steps=min(STEPS, card.default_steps or STEPS),
            guidance=1.0,  # any other doubles the work
        )
        run = session.redraw(labels, request.k, asked, frame=request.frame)
        for item in run:
            if isinstance(item, Picture):
                return Answer(self, request, pixels=item.pixels)
            if self._closed or (self._next is not None and self._next.urgent):
                self.dropped += 1
                return None
        return None

    def _send(self, answer: Answer) -> None:
        if not self._closed:
            try:
                self.answered.emit(answer)
            except RuntimeError:  # the program has ended and Qt with it
                self.close()


def _end_all() -> None:
    """Let the threads run out: the interpreter must not end while torch works."""
    for redrawer in list(_open):
        redrawer.join()


atexit.register(_end_all)
