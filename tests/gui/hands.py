"""What a user's hands do in a window: click, choose, type, and wait for what comes of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from qtpy.QtCore import QEventLoop, QPoint, QRect, Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QLineEdit,
    QScrollArea,
    QSlider,
    QTabWidget,
    QWidget,
)

PATIENCE_S = 600  # on a busy machine torch is imported and weights are read in minutes
SOON_S = 30  # until a panel is laid out there
LEFT = Qt.MouseButton.LeftButton


def click(widget: QWidget, at: QPoint | None = None, *, twice: bool = False) -> None:
    """Click on what can be seen and used, or will be in a moment; what scrolls is scrolled there.

    Raises
    ------
    TimeoutError
        If a user could not click there.
    """
    where = _middle(widget) if at is None else at

    def in_reach() -> bool:
        _scroll_to(widget)
        seen = widget.visibleRegion().boundingRect()
        return widget.isVisible() and widget.isEnabled() and bool(seen.contains(where))

    if not in_reach():  # such as before the panel is laid out
        named = f"{type(widget).__name__} {getattr(widget, 'text', lambda: '')()!r}"
        until(in_reach, f"{named} cannot be clicked", patience=SOON_S)
    QTest.mouseClick(widget, LEFT, pos=where)
    if twice:
        QTest.mouseDClick(widget, LEFT, pos=where)


def click_item(view: Any, row: int, column: int = 0, *, twice: bool = False) -> None:
    """Click on an entry of a list or table."""
    index = view.model().index(row, column)
    view.scrollTo(index)
    place: QRect = view.visualRect(index)
    click(view.viewport(), place.center(), twice=twice)


def choose(combo: QComboBox, data: Any) -> None:
    """Choose an entry with the arrow keys."""
    _scroll_to(combo)
    wanted = combo.findData(data)
    assert wanted >= 0, f"{data!r} is not offered"
    combo.setFocus()
    while combo.currentIndex() != wanted:
        before = combo.currentIndex()
        QTest.keyClick(combo, Qt.Key.Key_Down if before < wanted else Qt.Key.Key_Up)
        assert combo.currentIndex() != before, f"{data!r} cannot be chosen"


def fill(field: Any, text: str) -> None:
    """Type in place of what a field holds, and leave it."""
    _scroll_to(field)
    assert field.isVisible() and field.isEnabled()
    field.setFocus()
    field.selectAll()
    line = field if isinstance(field, QLineEdit) else field.lineEdit()
    QTest.keyClicks(line, text)
    QTest.keyClick(line, Qt.Key.Key_Tab)


def turn(slider: QSlider, steps: int) -> None:
    """Move a slider by keys."""
    _scroll_to(slider)
    slider.setFocus()
    for _ in range(abs(steps)):
        QTest.keyClick(slider, Qt.Key.Key_PageUp if steps > 0 else Qt.Key.Key_PageDown)


def show_tab(tabs: QTabWidget, title: str) -> None:
    """Click on a tab."""
    (number,) = (n for n in range(tabs.count()) if tabs.tabText(n) == title)
    bar = tabs.tabBar()
    click(bar, bar.tabRect(number).center())


@contextmanager
def answering(path: Path) -> Iterator[None]:
    """Let the file dialogs of the system be answered with this."""
    with (
        patch.object(QFileDialog, "getExistingDirectory", lambda *_, **__: str(path)),
        patch.object(QFileDialog, "getSaveFileName", lambda *_, **__: (str(path), "")),
    ):
        yield


def until(done: Callable[[], Any], what: str, *, patience: float = PATIENCE_S) -> None:
    """Let Qt's own event loop run until something has come of what was done.

    Parameters
    ----------
    done : callable
        Whether it has come: a picture, a file, a word in a panel, a button that can be pressed
        again. That nothing runs is no sign: it may not have begun, or have failed.
    what : str
        In words.
    patience : float
        Seconds.

    Raises
    ------
    AssertionError
        If the window says meanwhile that something went wrong.
    TimeoutError
        If it does not come.
    """
    from napari.utils.notifications import NotificationSeverity, notification_manager

    loop, check = QEventLoop(), QTimer()
    end = time.monotonic() + patience
    known = len(notification_manager.records)
    ended: list[BaseException | None] = []

    def look() -> None:
        wrong = [
            record.message
            for record in notification_manager.records[known:]
            if record.severity >= NotificationSeverity.ERROR
        ]
        try:  # an exception must not leave a slot of Qt
            if wrong:
                ended.append(AssertionError(f"{what}: the window says {wrong[0]!r}"))
            elif done():
                ended.append(None)
            elif time.monotonic() > end:
                ended.append(TimeoutError(f"{what}: nothing came of it within {patience:g} s"))
        except Exception as error:
            ended.append(error)
        if ended:
            check.stop()
            loop.quit()

    check.timeout.connect(look)
    check.start(2)
    loop.exec()
    if ended[0] is not None:
        raise ended[0]


def rest(seconds: float) -> None:
    """Let the window work, such as before it is photographed; nothing is sure to have come."""
    end = time.monotonic() + seconds
    until(lambda: time.monotonic() > end, "a rest")


def _middle(widget: QWidget) -> QPoint:
    """Where one would click; beside the word of a tick box nothing happens."""
    middle = widget.rect().center()
    return QPoint(10, middle.y()) if isinstance(widget, QCheckBox) else middle


def _scroll_to(widget: QWidget) -> None:
    around = widget.parentWidget()
    while around is not None:
        if isinstance(around, QScrollArea) and around.widget().isAncestorOf(widget):
            around.ensureWidgetVisible(widget)
        around = around.parentWidget()
