"""Widgets laid out as every panel lays them out: in rows, columns, forms, titled frames."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QFormLayout,
    QFrame,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from ._fields import Choice

BREAK = "\u200b"  # a space of no width
LOWEST_VIEW = 120  # pixels of what scrolls
BESIDE_TEXT = 16  # pixels that the frame of a button takes on both sides

_MOST = 20  # letters that any panel has room for
_LONG_WORD = re.compile(rf"\S{{{_MOST + 1},}}")
_BETWEEN = re.compile(r"(?<=[/\\_.,:=-])")


def narrow_combo(parent: QWidget | None = None) -> Choice:
    """A combo box that never widens its dock, however long its entries are."""
    combo = Choice(parent)
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(5)
    combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return combo


class Wrapped(QLabel):
    """A label that grows downward instead of sideways.

    Paths and hashes have no place to break at for Qt, which would cut them at the edge of the
    panel; they break after a sign between words, or anywhere if there is none.

    Parameters
    ----------
    text : str
    parent : QWidget, optional
    """

    def __init__(self, text: str = "", parent: QWidget | None = None):
        super().__init__(parent)
        self._said = ""
        self.setWordWrap(True)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.setText(text)

    def setText(self, text: str) -> None:  # noqa: N802 (Qt's name)
        """Show a text."""
        self._said = text
        rich = self.textFormat() == Qt.TextFormat.RichText or Qt.mightBeRichText(text)
        super().setText(text if rich else _LONG_WORD.sub(_breakable, text))

    def text(self) -> str:
        """As it was set."""
        return self._said


def word_wrapped(text: str) -> QLabel:
    """A label that grows downward instead of sideways."""
    return Wrapped(text)


def button(text: str, tip: str, pressed: Callable[[], object]) -> QPushButton:
    """A button, what it says under the mouse, and what it calls."""
    made = QPushButton(text)
    made.setToolTip(tip)
    made.clicked.connect(lambda *_: pressed())
    return made


def as_narrow_as_its_text(made: QAbstractButton) -> None:
    """Let a button of few letters be narrow; styles give it room for a long word otherwise."""
    text = made.fontMetrics().boundingRect(made.text()).width()
    made.setMinimumWidth(text + BESIDE_TEXT)


def group(title: str, *parts: QWidget) -> QGroupBox:
    """A titled frame around widgets."""
    box = QGroupBox(title)
    layout = QVBoxLayout(box)
    layout.setContentsMargins(6, 4, 6, 6)
    layout.setSpacing(4)
    for part in parts:
        layout.addWidget(part)
    return box


def side_by_side(wide: QWidget, *others: QWidget) -> QWidget:
    """Widgets in a row, of which the first takes what room there is."""
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(wide, stretch=1)
    for widget in others:
        layout.addWidget(widget)
    return row


def stacked(*widgets: QWidget) -> QWidget:
    """Widgets in a column."""
    column = QWidget()
    layout = QVBoxLayout(column)
    layout.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        layout.addWidget(widget)
    return column


def form(*rows: tuple[str, Any]) -> QWidget:
    """Fields, each with its title on the left."""
    widget = QWidget()
    layout = QFormLayout(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    for title, field in rows:
        layout.addRow(title, field)
    return widget


def show_row(field: QWidget, visible: bool) -> None:
    """Show or hide a field of a `form` with its title."""
    parent = field.parentWidget()
    layout = None if parent is None else parent.layout()
    field.setVisible(visible)
    if isinstance(layout, QFormLayout) and (title := layout.labelForField(field)) is not None:
        title.setVisible(visible)


class _Tall(QScrollArea):
    """A view that may be lower than what is in it, but not narrower."""

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """As wide as what is in it, and the bar beside it."""
        width = self.verticalScrollBar().sizeHint().width()
        if self.widget() is not None:
            width += self.widget().minimumSizeHint().width()
        return QSize(width, LOWEST_VIEW)


def scrolled(inside: QWidget, parent: QWidget | None = None) -> QScrollArea:
    """A frameless view of a widget that may be taller than its dock."""
    area = _Tall(parent)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # a click beside a field leaves the keys alone
    area.setWidget(inside)
    return area


def _breakable(word: re.Match[str]) -> str:
    parts = _BETWEEN.split(word[0])
    return BREAK.join(part if len(part) <= _MOST else BREAK.join(part) for part in parts)
