"""Long work beside the window: progress in napari's activity dock, cancelled within one step.

A job runs an iterator in a thread of its own. What the iterator yields reaches the GUI thread
through a queued signal, so callbacks may touch widgets and layers, and the iterator may not.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from qtpy.QtCore import QObject, QThread, QTimer, Signal
from qtpy.QtWidgets import QMainWindow, QWidget

from ._messages import show_problem

REDRAW_S = 0.05  # progress is drawn at most this often; every drawing costs the window a moment
PATIENCE_MS = 20_000  # for a running step when the program ends

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
        The error has been shown already.
    parent : QWidget, optional
        Widget in the window that the job works for; without it, the window of the current viewer.
        When that window closes, the job is cancelled and calls nothing any more.
    show_progress : bool
        Whether the activity dock shows it.
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
    ):
        super().__init__()
        self._title = title
        self._make = make
        self._on_result = on_result
        self._on_done = on_done
        self._parent = parent
        self._window: QMainWindow | None = None  # while it runs
        self._was_visible = False
        self._show_progress = show_progress
        self._worker: _Worker | None = None
        self._bar: Any = None
        self._error: BaseException | None = None
        self._stepped = (0, 0)
        self._first = (0.0, 0)  # when the first progress came, and its step
        self._drawn = 0.0

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
        self._worker = worker = _Worker(self._make)
        worker.item.connect(self._receive)
        worker.failed.connect(self._fail)
        worker.finished.connect(self._end_soon)
        _running.add(self)
        self._window = _window_of(self._parent)
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
        if not self._window_is_open():
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
            if self._show_progress:
                self._show_bar(step, steps)
        elif self._bar is not None and now - self._drawn >= REDRAW_S:
            self._drawn = now
            self._bar.update(step - self._bar.n)

    def _show_bar(self, step: int, steps: int) -> None:
        worker = self._worker
        bar = _bar(self._title, step, steps, self.cancel)
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
        if self._window_is_open():
            if self._error is not None:
                show_problem(self._error)
            if self._on_done is not None:
                self._on_done(cancelled, self._error)
        self._error = self._window = None  # a traceback holds frames, and they hold arrays
        self.finished.emit()

    def _window_is_open(self) -> bool:
        if self._window is None:
            return True
        try:
            return self._window.isVisible() or not self._was_visible
        except RuntimeError:  # its C++ half is deleted
            return False


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


def _bar(title: str, step: int, steps: int, cancel: Callable[[], None]) -> Any:
    """A bar in napari's activity dock, with time left and a cancel button.

    It is not there before the first step: napari's animation beside it has the whole window
    composed again for every picture of it, which takes half the time of what is waited for.
    """
    from napari.utils.progress import cancelable_progress

    class Bar(cancelable_progress):
        def cancel(self) -> None:
            super().cancel()
            cancel()

    # napari shows what follows the last "|" beside the bar
    return Bar(
        desc=title,
        total=steps,
        initial=step,
        bar_format="{desc}|{n_fmt} of {total_fmt}, {remaining} left",
    )


def _end_all() -> None:
    """Let every thread run out: Qt aborts if one is destroyed while it runs."""
    for job in list(_running):
        job.cancel()
    for job in list(_running):
        job.wait()


atexit.register(_end_all)
