"""Contours that were turned into a mask come back when that step is undone, and go with a redo."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari.layers import Labels, Shapes


@dataclass(frozen=True, eq=False)
class Drawn:
    """The shapes of a layer as they were."""

    data: list[Any]
    kinds: list[str]
    colours: Any
    features: Any


def drawn_in(layer: Shapes) -> Drawn:
    """Copy what is drawn in a layer of contours."""
    return Drawn(
        [np.array(points) for points in layer.data],
        list(layer.shape_type),
        np.array(layer.edge_color),
        layer.features.copy(),
    )


def clear(layer: Shapes) -> None:
    """Remove everything that is drawn in a layer."""
    layer.selected_data = set(range(len(layer.data)))
    layer.remove_selected()


def restore(layer: Shapes, drawn: Drawn) -> None:
    """Draw again what was removed; what has been drawn since stays."""
    import pandas as pd

    before = layer.features.copy()
    layer.add(drawn.data, shape_type=drawn.kinds, edge_color=drawn.colours)
    layer.features = pd.concat([before, drawn.features], ignore_index=True)
    layer.selected_data = set()


def follow(
    mask: Labels,
    steps: list[Any],
    show: Callable[[], object],
    hide: Callable[[], object],
) -> None:
    """Call `show` when steps of a mask's history are undone, and `hide` when they are done again.

    napari tells of both by drawing the mask anew. What happened is told by the voxels that the
    steps changed: all as before, or all as after.

    Parameters
    ----------
    mask : napari Labels layer
    steps : list of (indices, values before, values after)
        As the event `paint` of the layer gave them.
    show, hide : callable
    """
    known = weakref.ref(mask)
    done = True

    def look(event: Any = None) -> None:
        nonlocal done
        layer = known()
        if layer is None:
            return
        try:
            holds = [
                all(np.array_equal(layer.data[step[0]], step[which]) for step in full)
                for which in (1, 2)
            ]
        except IndexError:  # other data were put in
            return
        if done and holds[0] and not holds[1]:
            done = False
            show()
        elif not done and holds[1] and not holds[0]:
            done = True
            hide()

    full = [(step[0], step[1], np.broadcast_to(step[2], np.shape(step[1]))) for step in steps]
    mask.events.set_data.connect(look)
