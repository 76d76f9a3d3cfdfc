"""Widgets laid out as every panel lays them out: in rows, columns, forms, titled frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtWidgets import (
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


def narrow_combo(parent: QWidget | None = None) -> Choice:
    """A combo box that never widens its dock, however long its entries are."""
    combo = Choice(parent)
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(8)
    combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return combo


def word_wrapped(text: str) -> QLabel:
    """A label that grows downward instead of sideways."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return label


def button(text: str, tip: str, pressed: Callable[[], object]) -> QPushButton:
    """A button, what it says under the mouse, and what it calls."""
    made = QPushButton(text)
    made.setToolTip(tip)
    made.clicked.connect(lambda *_: pressed())
    return made


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


def scrolled(inside: QWidget, parent: QWidget | None = None) -> QScrollArea:
    """A frameless view of a widget that may be taller than its dock."""
    area = QScrollArea(parent)
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setWidget(inside)
    return area
