"""What is made ahead of need while nobody uses the window, so that nobody waits for it later."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from qtpy.QtCore import QObject, Qt, QTimer
from qtpy.QtGui import QCursor
from qtpy.QtWidgets import QApplication

from . import _jobs

TICK_MS = 150
"""How often it is looked whether the hand rests: what it does next is not far from that."""


class WhileIdle(QObject):
    """Takes one step after the other, each when the mouse has rested and nothing is computed.

    Parameters
    ----------
    steps : iterable of callables
        Each is called in the GUI thread, and holds the window as long as it takes.
    parent : QObject
        Ends it when it is deleted.
    """

    def __init__(self, steps: Iterable[Callable[[], object]], parent: QObject):
        super().__init__(parent)
        self._steps: Iterator[Callable[[], object]] = iter(steps)
        self._seen: object = None
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._tick)
        self._timer.start()

    @property
    def active(self) -> bool:
        """Whether steps are left."""
        return self._timer.isActive()

    def stop(self) -> None:
        """Leave what is left."""
        self._timer.stop()

    def _tick(self) -> None:
        if self._in_use():
            return
        step = next(self._steps, None)
        if step is None:
            self.stop()
            return
        step()

    def _in_use(self) -> bool:
        """Whether the mouse was moved since the last look, or something goes on."""
        seen = QCursor.pos()
        moved, self._seen = seen != self._seen, seen
        pressed = QApplication.mouseButtons() != Qt.MouseButton.NoButton
        asked = QApplication.activeModalWidget() or QApplication.activePopupWidget()
        return moved or pressed or asked is not None or bool(_jobs._running)
