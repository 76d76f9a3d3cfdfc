"""What napari hands to a writer, as scans, engine labels, records and descriptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cmr_synth.imaging.scan import Scan

    from .._layers import LayerData


def parted(layers: Sequence[LayerData]) -> tuple[list[LayerData], list[LayerData]]:
    """Images and masks, in the order of the layer list."""
    images = [layer for layer in layers if layer[2] == "image"]
    return images, [layer for layer in layers if layer[2] == "labels"]


def scan_of(layer: LayerData, together: Sequence[LayerData]) -> Scan:
    from .._layers import scan_of_layer

    data, attributes, _ = layer
    others = [other[1] for other in together if other is not layer]
    return scan_of_layer(data, attributes, beside=others)


def engine_mask(layer: LayerData, together: Sequence[LayerData]) -> Scan:
    """Engine labels, by the convention that was confirmed or is sure enough."""
    from cmr_synth.anatomy.labels import ConventionGuess, convert, guess_convention
    from cmr_synth.errors import InputError

    from .._layers import GUESS, SURE_ENOUGH
    from .._masks import stated_in

    scan = scan_of(layer, together)
    metadata = layer[1].get("metadata") or {}
    convention = stated_in(metadata)
    if convention is None:
        guess = metadata.get(GUESS)
        if not isinstance(guess, ConventionGuess):
            guess = guess_convention(scan.array, name=scan.name)
        if guess.confidence < SURE_ENOUGH:
            raise InputError(
                f"{scan.name}: what its numbers mean is not sure ({guess.reason}) Choose its label "
                "convention in the Synthesize panel first."
            )
        convention = guess.convention
    return scan.with_array(convert(scan.array, convention, name=scan.name))


def record_of(attributes: Mapping[str, Any]) -> dict[str, Any] | None:
    from .._results import RECORD

    record = (attributes.get("metadata") or {}).get(RECORD)
    return record if isinstance(record, dict) else None


def is_synthetic(attributes: Mapping[str, Any]) -> bool:
    """Whether a layer has the record of a synthetic image."""
    return record_of(attributes) is not None


def description_of(attributes: Mapping[str, Any]) -> str:
    """What the header says; a synthetic image is marked even where only its record tells."""
    from .._layers import DESCRIPTION

    stated = (attributes.get("metadata") or {}).get(DESCRIPTION, "")
    record = record_of(attributes)
    if stated or record is None:
        return str(stated)
    from cmr_synth.synthesis.record import description

    return description(record)
