"""The mask of a synthetic layer, and an overlay of where its picture shows something else."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import STRUCTURES
from cmr_synth.errors import InputError

from ._layers import COLOURS
from ._masks import OVERLAY, convention_of, mask_layers, mask_scan
from ._models import segmenter
from ._once import once
from ._results import MASK, RECORD

if TYPE_CHECKING:
    from napari.layers import Labels, Layer

    from cmr_synth.imaging.scan import Scan
    from cmr_synth.judges.segmenter import Segmenter

MISSED_COLOUR = "#ff00ff"  # heart of the mask that was not found: no structure's colour

LEGEND = (
    f'Disagreement: <span style="color: {MISSED_COLOUR}">■</span> in the mask and not found; '
    + ", ".join(f'<span style="color: {COLOURS[name]}">■</span> {name}' for name in STRUCTURES)
    + " found where the mask has something else."
)
"""What the colours of the overlay mean."""

_overlays: weakref.WeakKeyDictionary[Layer, Any] = weakref.WeakKeyDictionary()


def mask_of(viewer: Any, layer: Layer) -> tuple[Labels, Scan, bool]:
    """The mask layer that a picture follows, its scan, and whether it was painted on since.

    A mask that was renamed is known by its labels.
    """
    mask = layer.metadata[RECORD]["mask"]
    if mask is None:
        raise InputError(
            f"{layer.name}: was made without a mask, so there is none to compare it with."
        )
    wanted = mask["labels_sha256"]
    name = layer.metadata.get(MASK)
    masks = mask_layers(viewer)
    named = next((m for m in masks if m.name == name), None)
    if named is not None:
        scan = _scan_of(named)
        if _hash(scan) == wanted:
            return named, scan, False
    for other in masks:
        if other is named or other.data.shape != layer.data.shape:
            continue
        try:
            scan = _scan_of(other)
        except InputError:
            continue
        if _hash(scan) == wanted:
            return other, scan, False
    if named is None:
        raise InputError(
            f"{layer.name}: its mask {name!r} is not among the layers; open it again, then check."
        )
    return named, _scan_of(named), True


def overlay_of(viewer: Any, layer: Layer) -> Labels | None:
    """The overlay of a layer, if it is shown."""
    known = _overlays.get(layer)
    old = known() if known is not None else None
    return old if old is not None and old in viewer.layers else None


def show_overlay(viewer: Any, layer: Layer, mask_layer: Labels, data: NDArray[np.uint8]) -> None:
    """Mark where the segmenter found something else than the mask says, above layer and mask.

    `data` has a label for each voxel of the layer, see `mask_agreement.Agreement.disagreement`.
    """
    data = data.reshape(layer.data.shape)  # (1, y, x) -> (y, x) on a flat layer
    old = overlay_of(viewer, layer)
    if old is not None:
        old.data = data
        return
    overlay = _overlay_layer(data, layer, mask_layer)
    layers = viewer.layers
    selected, active = set(layers.selection), layers.selection.active
    below = [layers.index(other) for other in (layer, mask_layer) if other in layers]
    layers.insert(max(below) + 1, overlay)
    layers.selection = selected
    layers.selection.active = active
    _overlays[layer] = weakref.ref(overlay)


def _overlay_layer(data: Any, layer: Layer, mask_layer: Labels) -> Labels:
    from napari.layers import Labels
    from napari.utils.colormaps import DirectLabelColormap

    from cmr_synth.evaluation.one_picture.agreement import MISSED

    colours: dict[int | None, str] = {None: "transparent", 0: "transparent"}
    colours |= {number: COLOURS[name] for name, number in STRUCTURES.items()}
    colours[MISSED] = MISSED_COLOUR
    meanings = [f"{name} found, not in the mask" for name in STRUCTURES]
    name = layer.name if layer.name.startswith("synthetic") else f"synthetic {layer.name}"
    overlay = Labels(
        np.asarray(data),
        name=f"{name}, disagreement",
        scale=layer.scale,
        translate=layer.translate,
        rotate=layer.rotate,
        shear=layer.shear,
        affine=layer.affine,
        axis_labels=layer.axis_labels,
        units=layer.units,
        opacity=0.7,
        colormap=DirectLabelColormap(color_dict=colours),
        features={
            "index": [0, *STRUCTURES.values(), MISSED],
            "structure": ["agrees", *meanings, "in the mask, not found"],
        },
        metadata={
            **{k: v for k, v in layer.metadata.items() if k not in (RECORD, MASK)},
            OVERLAY: True,
            MASK: mask_layer.name,
        },
    )
    overlay.editable = False
    return overlay


def _scan_of(layer: Labels) -> Scan:
    convention = convention_of(layer)
    if convention is None:
        raise InputError(
            f"{layer.name}: what do its numbers mean? Choose the label convention in the "
            "Synthesize panel."
        )
    return mask_scan(layer, convention)


def _hash(mask: Scan) -> str:
    from cmr_synth.synthesis.record import labels_hash

    return labels_hash(mask)


@once
def segmenter_and_reference() -> tuple[Segmenter, dict[str, Any] | None]:
    """The bundled segmenter, and what its card says it reaches on real pictures."""
    from cmr_synth.generators.zoo import card_of

    measured = card_of("segmenter").measured.adherence
    return segmenter(), None if isinstance(measured, str) else dict(measured)
