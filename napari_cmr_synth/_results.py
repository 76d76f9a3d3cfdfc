"""Synthetic scans as image layers on the grid of the mask they follow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._canvas import guard_removal
from ._layers import DESCRIPTION, GRID
from ._masks import meaning, unwrapped

if TYPE_CHECKING:
    from napari.layers import Image

    from cmr_synth.synthesis.record import Synthetic

RECORD = "cmr_record"
"""Key of `layer.metadata`: how the picture was made; see `cmr_synth.synthesis.record`."""

MASK = "cmr_mask"
"""Key of `layer.metadata`: name of the mask layer that the picture follows."""

AUDITED = "cmr_audited"
"""Key of `layer.metadata`: whether its nearest patients were searched."""

AS_MADE = "cmr_as_made"
"""Key of `layer.metadata`: slices on the model's own grid, by frame and slice."""

ENOUGH_PLANES = 16  # for contrast limits; a cine has hundreds


def add_result(
    viewer: Any, synthetic: Synthetic, mask_layer: Any, *, name: str | None = None
) -> Image:
    """Add a synthetic scan just below its mask; what is selected stays selected.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    synthetic : Synthetic
        On the grid of the mask.
    mask_layer : napari Labels layer
        What it follows; may have been removed from the viewer meanwhile.
    name : str, optional
        Of the layer; "synthetic" is put before it where it does not begin so.

    Returns
    -------
    Image
        With the mask's axes, scale and place, and the record under `RECORD`.
    """
    from napari.layers import Image

    from cmr_synth.synthesis.record import description

    viewer, mask_layer = unwrapped(viewer), unwrapped(mask_layer)
    guard_removal(viewer)
    record = synthetic.record
    record["mask"] |= {"labels": meaning(mask_layer)}
    scan = synthetic.scan
    data = scan.array[0] if mask_layer.ndim == 2 else scan.array  # (1, y, x) -> (y, x)
    pixels_left_out = np.broadcast_to(np.zeros((), scan.array.dtype), scan.shape)  # one element
    metadata = {
        GRID: scan.with_array(pixels_left_out),
        DESCRIPTION: description(record),
        RECORD: record,
        MASK: mask_layer.name,
        AS_MADE: synthetic.as_made,
    }
    layer = Image(
        data,
        name=_name(record, mask_layer.name, name),
        scale=mask_layer.scale,
        translate=mask_layer.translate,
        rotate=mask_layer.rotate,
        shear=mask_layer.shear,
        affine=mask_layer.affine,
        axis_labels=mask_layer.axis_labels,
        units=mask_layer.units,
        contrast_limits=_limits(scan.array),
        colormap="gray",
        metadata=metadata,
    )
    layers = viewer.layers
    selected, active = set(layers.selection), layers.selection.active
    layers.insert(layers.index(mask_layer) if mask_layer in layers else len(layers), layer)
    if selected:
        layers.selection = selected
        layers.selection.active = active
    return layer


def _name(record: dict[str, Any], mask: str, name: str | None) -> str:
    if name is None:
        vendor = f" {record['vendor']}" if record.get("vendor") else ""
        name = f"{vendor} {mask}, seed {record['seed']}".strip()
        if record["variant"]:
            name += f", variant {record['variant'] + 1}"
    return name if name.lower().startswith("synthetic") else f"synthetic {name}"


def _limits(array: NDArray[Any]) -> tuple[float, float]:
    """Leave out the brightest half percent, judging by some planes that hold a picture."""
    planes = [plane for plane in array.reshape(-1, *array.shape[-2:]) if plane.any()]
    some = np.stack(planes[:: 1 + len(planes) // ENOUGH_PLANES]) if planes else array
    low, high = np.percentile(some[..., ::2, ::2], (0.5, 99.5))
    return (float(low), float(high)) if high > low else (0.0, 1.0)
