"""A guard against a crash of the canvas when layers are removed."""

from __future__ import annotations

import weakref
from typing import Any

from ._masks import unwrapped

_guarded: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()


def guard_removal(viewer: Any) -> None:
    """Make the canvas's OpenGL context current whenever a layer is about to be removed.

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
    window = getattr(viewer, "window", None)
    if window is None or _guarded.get(id(viewer)) is viewer:
        return
    native = window._qt_viewer.canvas.native
    if not hasattr(native, "makeCurrent"):
        return
    _guarded[id(viewer)] = viewer

    def make_current(event: Any = None) -> None:
        try:
            native.makeCurrent()
        except RuntimeError:  # the window was closed
            pass

    viewer.layers.events.removing.connect(make_current)
