"""The picture of a study over napari's canvas, as large as it fits.

It is no layer: every reader sees the same grey values, and neither layer names nor pixel values
under the mouse tell what it is.
"""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QPixmap
from qtpy.QtWidgets import QLabel, QWidget


class Stage(QLabel):
    """Shows one picture on black.

    Parameters
    ----------
    over : QWidget
        The canvas, which it covers while it shows a picture.
    """

    def __init__(self, over: QWidget):
        super().__init__(over)
        self._whole: QPixmap | None = None
        self.setObjectName("reader_study_picture")
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setStyleSheet("background: black")
        self.hide()
        self.setGeometry(over.rect())
        over.installEventFilter(self)

    def present(self, picture: QPixmap | None) -> None:
        """Show a picture; None clears it and uncovers what is below."""
        self._whole = picture
        self.setVisible(picture is not None)
        self.raise_()
        self._fit()

    def resizeEvent(self, event: Any) -> None:  # noqa: N802 (Qt's name)
        """Keep the picture as large as it fits."""
        super().resizeEvent(event)
        self._fit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 (Qt's name)
        """Cover the canvas, whatever its size."""
        if event.type() == QEvent.Type.Resize:
            self.setGeometry(watched.rect())
        return False

    def _fit(self) -> None:
        if self._whole is None:
            self.clear()
            return
        side = min(self.width(), self.height())
        self.setPixmap(
            self._whole.scaled(
                side,
                side,
                Qt.AspectRatioMode.KeepAspectRatio,
                Qt.TransformationMode.SmoothTransformation,
            )
        )
