"""Entry fields of the panels: the wheel scrolls past them, and comma and point are one.

A panel is scrolled with the wheel; a field that happens to lie under the mouse must not take it for
a change of its value (labels of LV and RV changed places that way). A field takes the wheel once it
was clicked into. In fields with decimals "1,5" and "1.5" are the same number in every country.
"""

from __future__ import annotations

import re
from typing import Any

from qtpy.QtCore import QEvent, QLocale, Qt
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QSlider,
    QSpinBox,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QToolTip,
    QWidget,
)

_WITH_DECIMALS = re.compile(r"\d+[.,]\d*")
MARGIN = 4  # pixels beside a text, which styles leave free


class _ScrolledPast:
    """Leaves the wheel to what is around the field, until the field has the focus."""

    def _scroll_past(self: Any) -> None:
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # and not by the wheel itself

    def wheelEvent(self: Any, event: Any) -> None:  # noqa: N802 (Qt's name)
        if self.hasFocus():
            super().wheelEvent(event)  # type: ignore[misc]
        else:
            event.ignore()


class Choice(_ScrolledPast, QComboBox):
    """One of several entries; names too long for the panel are cut in their middle.

    The ends of layers' names tell them apart: vendor, seed, number.
    """

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._scroll_past()
        self.view().setTextElideMode(Qt.TextElideMode.ElideMiddle)

    @property
    def shown(self) -> str:
        """The entry as far as it is seen."""
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        room = self.style().subControlRect(
            QStyle.ComplexControl.CC_ComboBox,
            option,
            QStyle.SubControl.SC_ComboBoxEditField,
            self,
        )
        cut: str = self.fontMetrics().elidedText(
            self.currentText(), Qt.TextElideMode.ElideMiddle, room.width() - MARGIN
        )
        return cut

    def paintEvent(self, event: Any) -> None:  # noqa: N802 (Qt's name)
        """As Qt's, which cuts the end."""
        painter, option = QStylePainter(self), QStyleOptionComboBox()
        self.initStyleOption(option)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        option.currentText = self.shown
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)

    def event(self, event: Any) -> bool:
        """Say the whole entry under the mouse, if it is cut."""
        tip = self.toolTip()
        if event.type() == QEvent.Type.ToolTip and self.currentText() not in (self.shown, tip):
            QToolTip.showText(event.globalPos(), f"{self.currentText()}\n{tip}".strip(), self)
            return True
        return bool(super().event(event))


class WholeNumber(_ScrolledPast, QSpinBox):
    """A whole number; "1,5" is rounded, where Qt leaves out the sign and takes it for 15."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._scroll_past()

    def validate(self, text: str, position: int) -> Any:
        """As Qt's, of the whole number that is meant."""
        return _judged(super().validate(_rounded(text), position), text, position)

    def valueFromText(self, text: str) -> int:  # noqa: N802 (Qt's name)
        """As Qt's, of the whole number that is meant."""
        return int(super().valueFromText(_rounded(text)))


class Slider(_ScrolledPast, QSlider):
    """A horizontal slider."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(Qt.Orientation.Horizontal, parent)
        self._scroll_past()


class Number(_ScrolledPast, QDoubleSpinBox):
    """A number with decimals, which may be typed with a comma or a point."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._scroll_past()
        self.setLocale(QLocale.c())  # shown as in every other number of the program

    def validate(self, text: str, position: int) -> Any:
        """As Qt's, for either spelling; without decimals, of the whole number that is meant."""
        if not self.decimals():
            return _judged(super().validate(_rounded(text), position), text, position)
        return super().validate(_with_point(text), position)

    def valueFromText(self, text: str) -> float:  # noqa: N802 (Qt's name)
        """As Qt's, for either spelling."""
        meant = _with_point(text) if self.decimals() else _rounded(text)
        return float(super().valueFromText(meant))


def _with_point(text: str) -> str:
    return text.replace(",", ".")


def _rounded(text: str) -> str:
    """With the nearest whole number in place of one with decimals."""
    return _WITH_DECIMALS.sub(lambda found: str(round(float(_with_point(found[0])))), text)


def _judged(found: Any, text: str, position: int) -> Any:
    """What Qt says of another text, said of the one that stands in the field."""
    return (found[0], text, position) if isinstance(found, tuple) else found
