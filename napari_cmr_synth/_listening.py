"""Listening to events of the viewer and of layers, which outlive the widgets that listen."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject

_listening: set[Listening] = set()
"""Kept here, apart from the widgets: what Qt calls at a widget's end must not be part of the very
garbage that is collected then, or the program crashes."""


class Listening:
    """What a widget listens to; it ends with the widget, whoever deletes it.

    Parameters
    ----------
    widget : QObject
        Its methods are called. It is held weakly.
    """

    def __init__(self, widget: QObject):
        self._connected: list[tuple[weakref.ref[Any], weakref.WeakMethod[Any]]] = []
        _listening.add(self)
        widget.destroyed.connect(self._end)

    def to(self, *emitters: Any, call: Callable[..., object]) -> None:
        """Call a bound method at each event of napari's emitters."""
        for emitter in emitters:
            emitter.connect(call)
            self._connected.append((weakref.ref(emitter), weakref.WeakMethod(call)))

    def stop(self) -> None:
        """Leave all that is listened to so far."""
        connected, self._connected = self._connected, []
        for emitter, method in connected:
            source, call = emitter(), method()
            if source is not None and call is not None:
                source.disconnect(call)

    def _end(self, *_: object) -> None:
        self.stop()
        _listening.discard(self)
