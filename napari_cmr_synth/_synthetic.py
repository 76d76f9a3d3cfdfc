"""The synthetic layer that a panel is about, and the slice of it that is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

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


def shown_slice(viewer: Any, layer: Layer) -> tuple[int, int]:
    """Frame and slice of a layer that are shown."""
    if layer.ndim == 2:
        return 0, 0
    point = layer.world_to_data(viewer.dims.point)
    shown = [int(np.clip(round(p), 0, n - 1)) for p, n in zip(point, layer.data.shape, strict=True)]
    return (0, shown[0]) if layer.ndim == 3 else (shown[0], shown[1])
