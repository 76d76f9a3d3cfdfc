"""The synthetic layer that a panel is about."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ._canvas import guard_removal
from ._results import RECORD

if TYPE_CHECKING:
    from napari.layers import Layer


def on_layers(viewer: Any, call: Callable[[Any], None]) -> None:
    """Call back whenever layers come, go, or another one is active."""
    guard_removal(viewer)
    layers = viewer.layers
    layers.selection.events.active.connect(call)
    layers.events.inserted.connect(call)
    layers.events.removed.connect(call)


def synthetic_layer(viewer: Any, current: Layer | None) -> Layer | None:
    """The active layer if it is synthetic, else the current one if still there, or the topmost."""
    layers = viewer.layers
    active = layers.selection.active
    if active is not None and RECORD in active.metadata:
        return active
    if current is not None and current in layers:
        return current
    return next((layer for layer in reversed(layers) if RECORD in layer.metadata), None)
