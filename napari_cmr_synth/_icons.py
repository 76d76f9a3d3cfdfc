"""Pictograms of the panels, in the ink of napari's theme."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QByteArray, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QGuiApplication, QIcon, QPainter, QPixmap
from qtpy.QtSvg import QSvgRenderer

FOLDER = Path(__file__).parent / "icons"


def icon_of(title: str, ink: str, side: int) -> QIcon:
    """The pictogram of a panel.

    Parameters
    ----------
    title : str
        "Heart mask" has `icons/heart_mask.svg`, drawn in `currentColor`. A title without a file has
        its first letter.
    ink : str
        Colour.
    side : int
        Pixels of the layout; drawn with as many as the screen has for them.

    Returns
    -------
    QIcon
    """
    ratio = QGuiApplication.primaryScreen().devicePixelRatio()
    pixmap = QPixmap(QSize(side, side) * ratio)
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(Qt.GlobalColor.transparent)
    room = QRectF(0, 0, side, side)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    path = FOLDER / f"{title.lower().replace(' ', '_')}.svg"
    if path.is_file():
        drawing = path.read_text(encoding="utf-8").replace("currentColor", ink)
        QSvgRenderer(QByteArray(drawing.encode())).render(painter, room)
    else:
        painter.setPen(QColor(ink))
        font = painter.font()
        font.setPixelSize(round(0.8 * side))
        painter.setFont(font)
        painter.drawText(room, Qt.AlignmentFlag.AlignCenter, title[:1].upper())
    painter.end()
    return QIcon(pixmap)
