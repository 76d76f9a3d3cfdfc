"""The mouse on the canvas of a napari window: strokes through the pixels of a layer."""

from __future__ import annotations

from typing import Any

import numpy as np


def stroke(viewer: Any, layer: Any, points: Any) -> None:
    """Drag the mouse over the canvas through points given in a layer's own (y, x) pixels."""
    from qtpy.QtCore import QPoint, Qt
    from qtpy.QtTest import QTest

    native = viewer.window._qt_viewer.canvas.native
    on_canvas = [QPoint(*canvas_position(viewer, layer, point)) for point in points]
    QTest.mouseMove(native, on_canvas[0])
    QTest.mousePress(native, Qt.MouseButton.LeftButton, pos=on_canvas[0])
    for point in on_canvas[1:]:
        send_move(native, point)
        QTest.qWait(12)  # vispy drops moves that come faster than every 10 ms
    QTest.mouseRelease(native, Qt.MouseButton.LeftButton, pos=on_canvas[-1])
    QTest.qWait(1)


def canvas_position(viewer: Any, layer: Any, point: Any) -> tuple[int, int]:
    """Place on the canvas, (x, y) in its pixels, of a layer's (y, x) pixel in view."""
    canvas = viewer.window._qt_viewer.canvas
    z = layer.world_to_data(viewer.dims.point)[:-2]
    y, x = layer.data_to_world((*z, *point))[-2:]
    centre = np.asarray(viewer.camera.center)[-2:]
    height, width = canvas.size
    zoom = viewer.camera.zoom
    return (
        round((x - centre[1]) * zoom + width / 2),
        round((y - centre[0]) * zoom + height / 2),
    )


def send_move(native: Any, point: Any) -> None:
    """Move the mouse with its left button held, which QTest's own move leaves out."""
    from qtpy.QtCore import QEvent, QPointF, Qt
    from qtpy.QtGui import QMouseEvent
    from qtpy.QtWidgets import QApplication

    position = QPointF(point)
    event = QMouseEvent(
        QEvent.Type.MouseMove,
        position,
        QPointF(native.mapToGlobal(point)),
        Qt.MouseButton.NoButton,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(native, event)
