"""What every panel is: a widget that leaves the keyboard to the picture.

A button that was clicked takes the keyboard in Qt, and napari's keys (paint, erase, next slice)
then do nothing until somebody clicks into the canvas again. Buttons of a panel are reached by the
tab key and by the mouse, and a click on one of them, or beside it, gives the keys to the canvas.
"""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QEvent, Qt
from qtpy.QtWidgets import QAbstractButton, QSizePolicy, QWidget


class Panel(QWidget):
    """Base of the panels, which take all the height that there is."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)

    def event(self, event: Any) -> bool:
        """Buttons give the keys back, those of the start and those that come later."""
        if event.type() in (QEvent.Type.Show, QEvent.Type.LayoutRequest):
            self._give_keys_back()
        return bool(super().event(event))

    def _give_keys_back(self) -> None:
        for button in self.findChildren(QAbstractButton):
            if button.focusPolicy() & Qt.FocusPolicy.ClickFocus:
                button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        if self.focusPolicy() == Qt.FocusPolicy.NoFocus:  # else it has keys of its own
            canvas = _canvas_of(self)
            if canvas is not None:
                self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
                self.setFocusProxy(canvas)


def _canvas_of(widget: QWidget) -> QWidget | None:
    """The picture of the napari window that a panel is in."""
    around = widget.parentWidget()
    while around is not None:
        viewer = getattr(around, "_qt_viewer", None)
        if viewer is not None:
            canvas: QWidget = viewer.canvas.native
            return canvas
        around = around.parentWidget()
    return None
