"""What stands in the cells beside the pictures: the real scan, the difference, outlines.

These layers are there only as long as the cells are; none of them copies pixels of a scan that is
open already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.errors import InputError

from .._cells import CELL, cell, place_of
from .._results import RECORD

if TYPE_CHECKING:
    from napari.layers import Image, Labels

APART = 0.5  # grey values, of which the difference shows as much in full colour


def real_scan(viewer: Any, mask: Any) -> Any:
    """The topmost image on the grid of a mask that is no picture of ours.

    Raises
    ------
    InputError
        If there is none.
    """
    from napari.layers import Image

    for layer in reversed(viewer.layers):
        real = isinstance(layer, Image) and not layer.rgb and not layer.multiscale
        if not real or {RECORD, CELL} & set(layer.metadata) or layer.name.startswith("synthetic"):
            continue
        if layer.data.shape == mask.data.shape:
            return layer
    raise InputError(
        f"{mask.name}: no real scan lies on its grid; open the scan, and make the mask on the grid "
        "of this image (Heart mask, New mask, Grid of)."
    )


def outlines(mask: Any) -> Labels:
    """The outlines of a mask, which follow what is painted in it."""
    from napari.layers import Labels

    from .._masks import OVERLAY

    drawn = Labels(
        mask.data,
        name=f"outlines of {mask.name}",
        colormap=mask.colormap,
        opacity=1.0,
        metadata={CELL: True, OVERLAY: True},
        **place_of(mask),
    )
    drawn.contour = 1
    drawn.editable = False
    return drawn


def apart(like: Any, synthetic: NDArray[Any], real: NDArray[Any], name: str) -> Image:
    """Synthetic less real where a picture was made, blue to red."""
    made = synthetic.any(axis=(-2, -1), keepdims=True) & (synthetic != 0)
    layer = cell(like, np.where(made, synthetic - real, 0), name, (-APART, APART))
    layer.colormap = "twilight"
    return layer


def in_grey_values(scan: Any, mask: Any) -> NDArray[np.float32]:
    """The pixels of a layer with the grey values that a model makes, in [0, 1].

    Parameters
    ----------
    scan, mask : napari layers
        Of the same shape; the brightness of the heart, where the mask shows it, is the measure.

    Raises
    ------
    InputError
        If there are values that are no numbers.
    """
    from cmr_synth.imaging.normalise import around_heart, heart_window

    heart = np.asarray(mask.data) != 0
    rows, columns = np.asarray(mask.scale)[-2:]
    return around_heart(np.asarray(scan.data), heart_window(heart, (float(rows), float(columns))))
