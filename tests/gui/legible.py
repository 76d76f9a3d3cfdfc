"""Whether a person can read and reach everything in a window: text that fits, nothing off screen.

`faults` lists what is wrong in plain words, for every visible widget of ours, whatever panel it is
in. What scrolls may be out of sight vertically, never horizontally.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from qtpy.QtCore import QPoint, QRect, Qt
from qtpy.QtGui import QTextDocument
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractScrollArea,
    QComboBox,
    QLabel,
    QScrollArea,
    QSpinBox,
    QWidget,
)

from napari_cmr_synth._fields import Choice
from napari_cmr_synth._layout import BREAK

LOWEST_VIEW = 120  # pixels of what scrolls: enough for a heading and two fields
SPARE = 1  # pixel of rounding


def faults(panel: QWidget, window: QWidget) -> list[str]:
    """What cannot be read or reached in a panel.

    Parameters
    ----------
    panel : QWidget
        In the window, in front.
    window : QWidget
    """
    found = [*_outside(panel, window, "the panel")]
    for widget in panel.findChildren(QWidget):
        if not widget.isVisible() or widget.size().isEmpty() or _is_machinery(widget):
            continue
        name = _name(widget)
        found += _cut(widget, name)
        area = _scrolling(widget, panel)
        found += _outside(widget, window, name) if area is None else _beside(widget, area, name)
        if isinstance(widget, QScrollArea) and widget.height() < min(
            LOWEST_VIEW, widget.widget().sizeHint().height()
        ):
            found.append(f"{name}: only {widget.height()} pixels of what scrolls are seen")
    return found


def _is_machinery(widget: QWidget) -> bool:
    """Parts that Qt makes for its own use: line edits in spin boxes, views of combo boxes."""
    parent = widget.parentWidget()
    while parent is not None:
        if isinstance(parent, QComboBox | QSpinBox):
            return True
        parent = parent.parentWidget()
    return widget.objectName().startswith("qt_")


def _cut(widget: QWidget, name: str) -> Iterator[str]:
    if isinstance(widget, QLabel) and widget.text():  # one with a picture has none
        advance = widget.fontMetrics().horizontalAdvance
        if Qt.mightBeRichText(widget.text()):
            page = QTextDocument()
            page.setDefaultFont(widget.font())
            page.setHtml(widget.text())
            page.setTextWidth(widget.width())
            widest = round(page.size().width())
        elif widget.wordWrap():
            shown = QLabel.text(widget)  # with the places where a long word breaks
            widest = max(map(advance, shown.replace(BREAK, " ").split()))
        else:
            widest = max(map(advance, widget.text().splitlines()))
        if widget.width() < widest - SPARE:
            yield f"{name}: is {widget.width()} pixels wide, its text needs {widest}"
        needed = widget.heightForWidth(widget.width()) if widget.wordWrap() else 0
        if widget.height() < needed - SPARE:
            yield f"{name}: is {widget.height()} pixels high, its text needs {needed}"
    elif isinstance(widget, QComboBox):
        if isinstance(widget, Choice):
            return  # cuts the middle, and says the rest under the mouse
        if widget.width() < widget.minimumSizeHint().width() - SPARE:
            yield f"{name}: is narrower than its entry"
    elif isinstance(widget, QAbstractButton) and widget.text():
        lines = widget.text().replace("&", "").splitlines()
        text = max(map(widget.fontMetrics().horizontalAdvance, lines))
        under = getattr(widget, "toolButtonStyle", lambda: None)()
        beside = under != Qt.ToolButtonStyle.ToolButtonTextUnderIcon
        icon = 0 if widget.icon().isNull() or not beside else widget.iconSize().width() + 4
        if widget.width() < text + icon - SPARE:
            yield f"{name}: is {widget.width()} pixels wide, its text needs {text + icon}"


def _outside(widget: QWidget, window: QWidget, name: str) -> Iterator[str]:
    place = QRect(widget.mapTo(window, QPoint(0, 0)), widget.size())
    if not window.rect().contains(place):
        yield f"{name}: at {place.getRect()} reaches out of the window {window.rect().getRect()}"


def _beside(widget: QWidget, area: QAbstractScrollArea, name: str) -> Iterator[str]:
    view = area.viewport()
    left = widget.mapTo(view, QPoint(0, 0)).x()
    if left < 0 or left + widget.width() > view.width() + SPARE:
        yield (
            f"{name}: from {left} to {left + widget.width()}, of which {view.width()} pixels are "
            "seen"
        )


def _scrolling(widget: QWidget, panel: QWidget) -> QAbstractScrollArea | None:
    """The innermost view that a widget scrolls in."""
    parent = widget.parentWidget()
    while parent is not None and parent is not panel:
        if isinstance(parent, QAbstractScrollArea) and parent.viewport().isAncestorOf(widget):
            return parent
        parent = parent.parentWidget()
    return None


def _name(widget: Any) -> str:
    said = getattr(widget, "text", lambda: "")() or widget.objectName() or widget.toolTip()
    return f"{type(widget).__name__} {said[:40]!r}"
