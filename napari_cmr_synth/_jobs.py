"""All work beside the window: in a thread, cancelled within one step, delivered to the GUI thread.

A job runs an iterator in a thread of its own. What the iterator yields reaches the GUI thread
through a queued signal, so callbacks may touch widgets and layers, and the iterator may not. Most
panels start a job at the press of a button. `Latest` is the same for what follows the hand: one
job that answers question after question, of which only the last counts.
"""

from __future__ import annotations

import atexit
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from qtpy.compat import isalive
from qtpy.QtCore import QObject, QThread, QTimer, Signal
from qtpy.QtWidgets import QMainWindow, QWidget

from ._activity import bar_in_the_dock
from ._messages import show_problem

REDRAW_S = 0.05  # progress is drawn at most this often; every drawing costs the window a moment
SHOWN_AFTER_S = 0.7
"""A bar in the dock is for work that takes longer: to make one holds the window for 0.1 s."""
PATIENCE_MS = 20_000  # for a running step when the program ends

T = TypeVar("T")

_running: set[Job] = set()


class Job(QObject):
    """One long piece of work.

    Parameters
    ----------
    title : str
        What the activity dock calls it.
    make : callable
        Called in the worker thread; returns the iterator to run. Items with attributes `step` and
        `steps` are progress, all others results.
    on_result : callable
        Takes each result, in the GUI thread.
    on_done : callable, optional
        Takes (cancelled, error) at the end, in the GUI thread; error is None if all went well.
        It is told after this, unless the panel says it by then.
    parent : QWidget, optional
        Widget that the job works for; without it, the window of the current viewer. When it is
        deleted or its window closed, the job is cancelled and calls nothing any more.
    show_progress : bool
        Whether the activity dock shows it.
    tell : callable, optional
        Takes what went wrong, in the GUI thread; by default a message says it.
    """

    progressed = Signal(int, int)
    """Step and steps."""

    finished = Signal()
    """After `on_done`, whatever the end."""

    def __init__(
        self,
        title: str,
        make: Callable[[], Iterator[Any]],
        *,
        on_result: Callable[[Any], object],
        on_done: Callable[[bool, BaseException | None], object] | None = None,
        parent: QWidget | None = None,
        show_progress: bool = True,
        tell: Callable[[BaseException], object] = show_problem,
    ):
        super().__init__()
        self._title = title
        self._make = make
        self._on_result = on_result
        self._on_done = on_done
        # weak: a job that has ended must not keep a window alive
        self._parent = None if parent is None else weakref.ref(parent)
        self._window: QMainWindow | None = None  # while it runs
        self._was_visible = False
        self._show_progress = show_progress
        self._tell = tell
        self._worker: _Worker | None = None
        self._bar: Any = None
        self._error: BaseException | None = None
        self._stepped = (0, 0)
        self._first = (0.0, 0)  # when the first progress came, and its step
        self._drawn = 0.0
        self._started = 0.0
        self._bar_due = False

    @property
    def running(self) -> bool:
        """From `start` until the thread has ended, also while a cancelled step runs out."""
        return self._worker is not None

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called on what runs now."""
        return self._worker is not None and self._worker.stop.is_set()

    @property
    def seconds_left(self) -> float | None:
        """Time left by the speed so far; None before two steps are done."""
        (step, steps), (since, first) = self._stepped, self._first
        if step <= first:
            return None
        return (time.monotonic() - since) / (step - first) * (steps - step)

    def start(self) -> None:
        """Start the work; does nothing while it runs."""
        if self.running:
            return
        self._error, self._stepped, self._first, self._drawn = None, (0, 0), (0.0, 0), 0.0
        self._started = time.monotonic()
        self._worker = worker = _Worker(self._make)
        worker.item.connect(self._receive)
        worker.failed.connect(self._fail)
        worker.finished.connect(self._end_soon)
        _running.add(self)
        self._window = _window_of(None if self._parent is None else self._parent())
        if self._window is not None:
            self._was_visible = self._window.isVisible()
            self._window.destroyed.connect(self.cancel)
        worker.start()

    def cancel(self, *_: object) -> None:
        """Stop at the next item that the iterator yields; no result comes after this call."""
        if self._worker is not None:
            self._worker.stop.set()

    def wait(self, milliseconds: int = PATIENCE_MS) -> None:
        """Block until the thread has ended; only for the end of the program."""
        if self._worker is not None:
            self._worker.wait(milliseconds)

    def _receive(self, item: Any) -> None:
        if self.cancelled:
            return
        if not self._is_wanted():
            self.cancel()
            return
        if hasattr(item, "step") and hasattr(item, "steps"):
            self._progress(int(item.step), int(item.steps))
            return
        try:
            self._on_result(item)
        except Exception as error:  # a layer may be gone; the thread must still be ended
            self._fail(error)
            self.cancel()

    def _progress(self, step: int, steps: int) -> None:
        # napari's bars process events whenever they change, so that this is called again, and
        # `_end` may be, before a call that draws comes back
        now = time.monotonic()
        first = not self._stepped[1]
        self._stepped = (step, steps)
        self.progressed.emit(step, steps)
        if first:
            self._first = (now, step)
            self._bar_due = self._show_progress
        if self._bar_due and now - self._started >= SHOWN_AFTER_S:
            self._bar_due = False  # first, for this is called again while it is made
            self._show_bar(step, steps)
        elif self._bar is not None and now - self._drawn >= REDRAW_S:
            self._drawn = now
            self._bar.update(step - self._bar.n)

    def _show_bar(self, step: int, steps: int) -> None:
        worker = self._worker
        bar = bar_in_the_dock(self._title, step, steps, self.cancel)
        if worker is not None and self._worker is worker:
            self._bar = bar
        else:  # it ended meanwhile
            bar.close()

    def _fail(self, error: BaseException) -> None:
        self._error = error

    def _end_soon(self) -> None:
        # the last result was shown a moment ago; first let the window see to the user
        QTimer.singleShot(0, self._end)

    def _end(self) -> None:
        worker, self._worker = self._worker, None
        if worker is None:
            return
        worker.wait()  # it has told its end but may not have reached it, and Qt aborts without
        cancelled = worker.stop.is_set() and self._error is None
        _running.discard(self)
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        if self._is_wanted():
            error = self._error
            if self._on_done is not None:
                self._on_done(cancelled, error)
            if error is not None:
                self._tell(error)
        self._error = self._window = None  # a traceback holds frames, and they hold arrays
        self.finished.emit()

    def _is_wanted(self) -> bool:
        """Whether the widget that it works for is there, and its window open."""
        if self._parent is not None:
            parent = self._parent()
            if parent is None or not isalive(parent):
                return False
        if self._window is None:
            return True
        try:
            return self._window.isVisible() or not self._was_visible
        except RuntimeError:  # its C++ half is deleted
            return False


class Questions(Generic[T]):
    """What the GUI thread asks of a job's thread; a new question takes the place of one that waits.

    The job's thread iterates over it: the loop waits for questions until `close`.
    """

    def __init__(self) -> None:
        self.dropped = 0
        """Questions that a later one replaced before they were answered."""
        self._changed = threading.Condition()
        self._next: T | None = None
        self._closed = False

    @property
    def waiting(self) -> T | None:
        """The question that comes next, if there is one already."""
        return self._next

    @property
    def closed(self) -> bool:
        """Whether there will be no more."""
        return self._closed

    def ask(self, question: T) -> None:
        """Answer this next; what still waits is dropped. Nothing comes of it after `close`."""
        with self._changed:
            if self._closed:
                return
            self.dropped += self._next is not None
            self._next = question
            self._changed.notify()

    def close(self) -> None:
        """Let the loop end, and forget what waits."""
        with self._changed:
            self._closed, self._next = True, None
            self._changed.notify()

    def __iter__(self) -> Iterator[T]:
        while (question := self._take()) is not None:
            yield question

    def _take(self) -> T | None:
        with self._changed:
            while self._next is None and not self._closed:
                self._changed.wait()
            question, self._next = self._next, None
            return question


class Latest(Job):
    """A job that follows the hand: it answers questions one at a time, and the latest wins.

    It differs from other jobs in what it is asked and when it ends. They are given all at the
    start, show how far they are, and end when they are done. This one keeps what it has loaded
    between questions, has no end before `cancel`, so nothing to show in the activity dock, and its
    iterator may look at `Questions.waiting` to leave an answer for a newer question. Thread,
    delivery, errors, closed windows and the end of the program are those of any job.

    Parameters
    ----------
    title : str
    answer : callable
        Called in the worker thread with the `Questions`; returns the iterator of answers.
    on_result, on_done, parent, tell
        As in `Job`.
    """

    def __init__(
        self,
        title: str,
        answer: Callable[[Questions[Any]], Iterator[Any]],
        *,
        on_result: Callable[[Any], object],
        on_done: Callable[[bool, BaseException | None], object] | None = None,
        parent: QWidget | None = None,
        tell: Callable[[BaseException], object] = show_problem,
    ):
        self.questions: Questions[Any] = Questions()
        super().__init__(
            title,
            lambda: answer(self.questions),
            on_result=on_result,
            on_done=on_done,
            parent=parent,
            show_progress=False,
            tell=tell,
        )

    def cancel(self, *_: object) -> None:
        """End it after the step that runs; no answer comes after this call."""
        super().cancel()
        self.questions.close()


class _Worker(QThread):
    """Runs the iterator; all that it knows of Qt is its signals."""

    item = Signal(object)
    failed = Signal(object)

    def __init__(self, make: Callable[[], Iterator[Any]]):
        super().__init__()
        self._make = make
        self.stop = threading.Event()

    def run(self) -> None:
        """Pass on what the iterator yields until it ends or is stopped."""
        items: Any = None
        try:
            items = iter(self._make())
            for item in items:
                if self.stop.is_set():
                    break
                self.item.emit(item)
        except BaseException as error:  # an exception that leaves a QThread ends the program
            if not self.stop.is_set():
                self.failed.emit(error)
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()


def _window_of(parent: QWidget | None) -> QMainWindow | None:
    widget = parent
    while widget is not None and not isinstance(widget, QMainWindow):
        widget = widget.parentWidget()  # a floating dock belongs to its window all the same
    if widget is None:
        import napari

        viewer = napari.current_viewer()
        widget = getattr(viewer.window, "_qt_window", None) if viewer is not None else None
    return widget


def _end_all() -> None:
    """Let every thread run out: Qt aborts if one is destroyed while it runs."""
    for job in list(_running):
        job.cancel()
    for job in list(_running):
        job.wait()


atexit.register(_end_all)
