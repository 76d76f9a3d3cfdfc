"""Slices as PNG pictures, one by one or on a sheet."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .layer_data import description_of, engine_mask, parted, record_of, scan_of

if TYPE_CHECKING:
    from .._layers import LayerData


def write_sheet(path: str, layers: Sequence[LayerData]) -> list[str]:
    """Write all slices of image layers as one PNG picture.

    Parameters
    ----------
    path : str
        Ends in .png.
    layers : sequence of (data, attributes, layer type)
        Images, shown with their contrast limits, and a mask, shown as outlines, or none.

    Returns
    -------
    list of str
        The file written.

    Raises
    ------
    InputError
        If a layer is no scan, the mask does not fit or its numbers cannot be understood, there
        are too many slices, or the file cannot be written.
    """
    from cmr_synth.errors import InputError
    from cmr_synth.files import write_file
    from cmr_synth.reports.png import text_chunks
    from cmr_synth.reports.slices import slices_sheet
    from cmr_synth.synthesis.record import MARK

    goal = Path(path)
    if goal.suffix.lower() != ".png":
        raise InputError(f"{goal.name}: a contact sheet is a PNG picture; end its name in .png.")
    images, masks = parted(layers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where a scan lies does not show in a picture
        scans = [scan_of(layer, layers) for layer in images]
        mask = engine_mask(masks[0], layers) if masks else None
    synthetic = sum(description_of(a).startswith(MARK) for _, a, _ in images)
    which = "synthetic" if len(images) == 1 else f"{synthetic} of {len(images)} are synthetic"
    sheet = slices_sheet(
        scans,
        mask,
        windows=[attributes.get("contrast_limits") for _, attributes, _ in images],
        footnote=which if synthetic else "",
    )
    only = images[0][1] if len(images) == 1 else {}
    said = text_chunks(
        title=str(only.get("name", f"{len(images)} scans")),
        description=description_of(only) or (f"{MARK}: {which}" if synthetic else ""),
        record=record_of(only),
    )
    with write_file(goal) as temporary:
        sheet.save(temporary, format="PNG", optimize=True, pnginfo=said)
    return [str(goal)]


def write_slices_png(
    folder: Path, stem: str, layer: LayerData, together: Sequence[LayerData]
) -> list[Path]:
    """Write every drawn slice of a layer as a PNG; see `cmr_synth.reports.png.write_slices`.

    Raises
    ------
    InputError
        If the layer is no scan, the numbers of a mask cannot be understood, or a file cannot be
        written.
    """
    from cmr_synth.reports.png import write_slices

    attributes, is_mask = layer[1], layer[2] == "labels"
    return write_slices(
        engine_mask(layer, together) if is_mask else scan_of(layer, together),
        folder,
        stem,
        window=None if is_mask else attributes.get("contrast_limits"),
        labels=is_mask,
        description=description_of(attributes),
        record=record_of(attributes),
    )
