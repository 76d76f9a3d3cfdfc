"""A contact sheet: as wide as the panel, and in a window of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QPainter, QPixmap
from qtpy.QtWidgets import QDialog, QSizePolicy, QVBoxLayout, QWidget

from .._layout import scrolled

SHARE = 0.9  # of the screen that the window takes at most


class Sheet(QWidget):
    """A picture that takes the width that there is, scaled smoothly; its height follows.

    Parameters
    ----------
    parent : QWidget, optional
    """

    clicked = Signal()

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.pixels = QPixmap()
        """As in the file."""
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def show_picture(self, pixels: QPixmap) -> None:
        """Show another picture."""
        self.pixels = pixels
        self.updateGeometry()
        self.update()

    def hasHeightForWidth(self) -> bool:  # noqa: N802 (Qt's name)
        """Its shape is that of the picture."""
        return not self.pixels.isNull()

    def heightForWidth(self, width: int) -> int:  # noqa: N802 (Qt's name)
        """Pixels of the screen."""
        pixels = self.pixels
        return 0 if pixels.isNull() else round(width * pixels.height() / pixels.width())

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """As large as the picture is in the file."""
        return self.pixels.size()

    def paintEvent(self, event: Any) -> None:  # noqa: N802 (Qt's name)
        """Draw it smoothly, with all pixels that the screen has."""
        if self.pixels.isNull():
            return
        ratio = self.devicePixelRatioF()
        scaled = self.pixels.scaledToWidth(
            round(self.width() * ratio), Qt.TransformationMode.SmoothTransformation
        )
        scaled.setDevicePixelRatio(ratio)
        painter = QPainter(self)
        painter.drawPixmap(0, 0, scaled)
        painter.end()

    def mouseReleaseEvent(self, event: Any) -> None:  # noqa: N802 (Qt's name)
        """Tell of a click."""
        if event.button() == Qt.MouseButton.LeftButton and self.rect().contains(event.pos()):
            self.clicked.emit()


class LargeSheet(QDialog):
    """A sheet in a window as large as it needs and the screen allows.

    Parameters
    ----------
    parent : QWidget
    """

    def __init__(self, parent: QWidget):
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.sheet = Sheet()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scrolled(self.sheet))

    def show_sheet(self, path: Path) -> None:
        """Show a file; the window grows with the first one."""
        first = self.sheet.pixels.isNull()
        self.setWindowTitle(path.stem)
        self.sheet.show_picture(QPixmap(str(path)))
        if first:
            room = self.parentWidget().screen().availableGeometry().size() * SHARE
            self.resize(self.sheet.pixels.size().boundedTo(room))
