"""The slice of a layer that is in view."""

from __future__ import annotations

from typing import Any

import numpy as np


def in_view(viewer: Any, layer: Any) -> tuple[int, int]:
    """Frame and slice of a layer that the sliders show, whichever axes are displayed.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    layer : napari layer
        ([t,] [z,] y, x).

    Returns
    -------
    (frame, slice)
        0 for an axis that the layer lacks; the nearest one where the sliders are beyond it.
    """
    point = np.rint(layer.world_to_data(viewer.dims.point)).astype(int)
    inside = np.clip(point, 0, np.array(layer.data.shape) - 1)
    frame, k = (0, 0, *inside[:-2].tolist())[-2:]
    return frame, k
