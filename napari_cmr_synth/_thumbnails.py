"""Pictures as small icons for lists."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QColor, QImage, QPainter, QPen, QPixmap
from qtpy.QtWidgets import QListView, QListWidget

SIDE = 128  # pixels of the screen
FRAME = 5  # pixels of the screen
RED = "#ff3030"


def as_thumbnails(view: QListWidget, side: int = SIDE) -> None:
    """Make a list show pictures in rows that follow its width."""
    view.setViewMode(QListView.ViewMode.IconMode)
    view.setResizeMode(QListView.ResizeMode.Adjust)
    view.setMovement(QListView.Movement.Static)
    view.setIconSize(QSize(side, side))
    view.setSpacing(4)
    view.setMinimumHeight(side + 60)


def pixmap_of(
    plane: NDArray[np.float32],
    spacing: tuple[float, ...] = (1.0, 1.0),
    *,
    side: int = SIDE,
    framed: bool = False,
) -> QPixmap:
    """A (y, x) picture in [0, 1] with square millimetres, its longer side `side` pixels.

    Parameters
    ----------
    framed : bool
        With a red frame, for what is flagged.
    """
    grey = np.ascontiguousarray(np.clip(255 * plane, 0, 255).astype(np.uint8))
    rows, columns = grey.shape
    data = grey.tobytes()  # has to live until the pixmap has copied it
    image = QImage(data, columns, rows, columns, QImage.Format.Format_Grayscale8)
    height, width = rows * spacing[0], columns * spacing[1]
    scale = side / max(height, width)
    pixmap = QPixmap.fromImage(image).scaled(
        max(1, round(width * scale)),
        max(1, round(height * scale)),
        Qt.AspectRatioMode.IgnoreAspectRatio,
        Qt.TransformationMode.SmoothTransformation,
    )
    if framed:
        painter = QPainter(pixmap)
        painter.setPen(QPen(QColor(RED), 2 * FRAME))  # half of it lies outside
        painter.drawRect(pixmap.rect())
        painter.end()
    return pixmap
