"""Work of the panel that goes on beside it, one job at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QWidget

from cmr_synth.errors import InputError

from .._jobs import Job
from .._masks import unwrapped


class OneJob(QObject):
    """Base of what makes something of a mask in a thread.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    parent : QWidget
        Whose window the job works for.
    """

    changed = Signal()
    """It began or ended."""

    failed = Signal(str)
    """Why nothing comes of it."""

    def __init__(self, viewer: Any, parent: QWidget):
        super().__init__(parent)
        self._viewer = unwrapped(viewer)
        self._widget = parent
        self._job: Job | None = None

    @property
    def running(self) -> bool:
        """Whether something is being made."""
        return self._job is not None

    def _start(
        self, title: str, work: Callable[[], Iterator[Any]], receive: Callable[[Any], object]
    ) -> None:
        self._job = Job(title, work, on_result=receive, on_done=self._done, parent=self._widget)
        self._job.finished.connect(self._end)
        self._job.start()
        self.changed.emit()

    def _cancel(self) -> None:
        if self._job is not None:
            self._job.cancel()

    def _done(self, cancelled: bool, error: BaseException | None) -> None:
        if error is not None:
            self.failed.emit(
                str(error) if isinstance(error, InputError) else f"Failed: {type(error).__name__}."
            )

    def _end(self) -> None:
        self._job = None
        self.changed.emit()
