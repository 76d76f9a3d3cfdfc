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

PATIENCE_S = 300  # on a busy machine torch is imported and weights are read in minutes
LEFT = Qt.MouseButton.LeftButton


def click(widget: QWidget, at: QPoint | None = None, *, twice: bool = False) -> None:
    """Click on what can be seen and used; what scrolls is scrolled there first.

    Raises
    ------
    AssertionError
        If a user could not click there.
    """
    _scroll_to(widget)
    named = f"{type(widget).__name__} {getattr(widget, 'text', lambda: '')()!r}"
    assert widget.isVisible() and widget.isEnabled(), f"{named}: cannot be clicked"
    where = _middle(widget) if at is None else at
    seen = widget.visibleRegion().boundingRect()
    assert seen.contains(where), f"{named}: is out of sight, {seen.getRect()} of it is seen"
    if twice:
        QTest.mouseClick(widget, LEFT, pos=where)
        QTest.mouseDClick(widget, LEFT, pos=where)
    else:
        QTest.mouseClick(widget, LEFT, pos=where)


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


def until(done: Callable[[], Any], what: str) -> None:
    """Let Qt's own event loop run until something holds.

    Raises
    ------
    TimeoutError
        If it does not within `PATIENCE_S`.
    """
    loop, check = QEventLoop(), QTimer()
    end = time.monotonic() + PATIENCE_S
    check.timeout.connect(lambda: loop.quit() if done() or time.monotonic() > end else None)
    check.start(2)
    loop.exec()
    check.stop()
    if time.monotonic() > end:
        raise TimeoutError(f"{what}: nothing came of it within {PATIENCE_S} s")


def rest(seconds: float) -> None:
    """Let the window work."""
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
