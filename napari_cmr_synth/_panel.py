"""What every panel is: a widget whose buttons leave the keyboard to the picture.

A button that was clicked takes the keyboard in Qt, and napari's keys (paint, erase, next slice)
then do nothing until somebody clicks into the canvas again. Buttons of a panel are reached by the
tab key and by the mouse, and a click leaves the keys where they were.
"""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractButton, QWidget


class Panel(QWidget):
    """Base of the panels."""

    def showEvent(self, event: Any) -> None:  # noqa: N802 (Qt's name)
        """Buttons that are there by now give the keys back."""
        super().showEvent(event)
        for button in self.findChildren(QAbstractButton):
            if button.focusPolicy() & Qt.FocusPolicy.ClickFocus:
                button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
