"""Guards against crashes of the canvas when layers come or go."""

from __future__ import annotations

import weakref
from typing import Any

from ._masks import unwrapped

_guarded: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()


def guard_removal(viewer: Any) -> None:
    """Make the canvas's OpenGL context current whenever a layer is about to be removed.

    It also lets layers be added to a 3D view; see `_know_direction`.

    napari deletes the buffers of a removed layer at once, in whatever context is current. Between
    two paintings that is the one in which Qt composes the window, not the canvas's own, and the
    canvas goes on drawing from a buffer that is gone: with Mesa's software renderer, as on remote
    desktops and in tests, removing the lowest layer ends the program.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Guarded once, however often this is called.
    """
    viewer = unwrapped(viewer)
    _know_direction(viewer)
    window = getattr(viewer, "window", None)
    if window is None or _guarded.get(id(viewer)) is viewer:
        return
    native = window._qt_viewer.canvas.native
    if not hasattr(native, "makeCurrent"):
        return
    _guarded[id(viewer)] = viewer
    viewer.dims.events.ndisplay.connect(lambda event=None: _know_direction(viewer))

    def make_current(event: Any = None) -> None:
        try:
            native.makeCurrent()
        except RuntimeError:  # the window was closed
            pass

    viewer.layers.events.removing.connect(make_current)


def _know_direction(viewer: Any) -> None:
    """Tell napari in which direction a 3D view looks, before the pointer has been moved in it.

    Whenever the selection of layers changes, napari shows the value under a pointer that rests over
    the canvas. In a view that has just become 3D it does so with no direction, and raises, in the
    middle of adding a layer.
    """
    cursor, dims = getattr(viewer, "cursor", None), getattr(viewer, "dims", None)
    if cursor is None or dims is None or dims.ndisplay != 3:
        return
    if getattr(cursor, "_view_direction", None) is None:
        camera = getattr(viewer, "scene", viewer).camera  # a part of the scene since napari 0.9
        cursor._view_direction = camera.calculate_nd_view_direction(dims.ndim, dims.displayed)
