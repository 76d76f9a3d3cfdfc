"""Images and masks as NIfTI files; beside a synthetic image the record of how it was made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .layer_data import description_of, record_of

OTHER_ENDINGS = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp", ".gif", ".dcm", ".json", ".csv")
LARGEST_SIDECAR = 10 * 2**20  # bytes; a record has a few thousand


def write_image(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Write an image layer.

    Parameters
    ----------
    path : str
        Ends in .nii or .nii.gz; .nii.gz is added to a name that has no ending of a file.
    data : ([t,] [z,] y, x) array
        Pixels.
    attributes : mapping
        `name`, `scale` and `metadata` of the layer.

    Returns
    -------
    list of str
        The file written, and the sidecar of a synthetic image.

    Raises
    ------
    InputError
        If the layer is no scan, or the file cannot be written.
    """
    from cmr_synth.errors import InputError
    from cmr_synth.imaging.nifti import write_nifti
    from cmr_synth.synthesis.record import sidecar_of, write_sidecar

    from .._layers import scan_of_layer

    path = nifti_name(path)
    scan, record = scan_of_layer(data, attributes), record_of(attributes)
    sidecar = sidecar_of(Path(path))
    if record is not None and sidecar.exists() and read_sidecar(sidecar) is None:
        raise InputError(
            f"{sidecar}: holds something else, and the record of a synthetic image goes there. "
            "Choose another name for the image."
        )
    image = write_nifti(scan, path, description=description_of(attributes))
    if record is None:
        return [str(image)]
    write_sidecar(sidecar, image, record)
    return [str(image), str(sidecar)]


def write_labels(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Write a labels layer as 8-bit numbers, none of them changed.

    Parameters
    ----------
    path : str
        Ends in .nii or .nii.gz; .nii.gz is added to a name that has no ending of a file.
    data : ([t,] [z,] y, x) integer array
        Label numbers.
    attributes : mapping
        `name`, `scale` and `metadata` of the layer.

    Returns
    -------
    list of str
        The file written.

    Raises
    ------
    InputError
        If a number is outside 0 to 255, or as `write_image`.
    """
    import numpy as np

    from cmr_synth.errors import InputError
    from cmr_synth.imaging.nifti import write_nifti

    from .._layers import scan_of_layer

    path = nifti_name(path)
    scan = scan_of_layer(data, attributes)
    low, high = int(scan.array.min()), int(scan.array.max())
    if low < 0 or high > 255:
        raise InputError(
            f"{scan.name}: found label {low if low < 0 else high}, a mask file holds 0 to 255. "
            "Renumber it, or save it as an image."
        )
    mask = scan.with_array(scan.array.astype(np.uint8))
    return [str(write_nifti(mask, path, description=description_of(attributes)))]


def nifti_name(path: str) -> str:
    """The path with its ending: napari's dialog hands on what was typed, often without one.

    Raises
    ------
    InputError
        If it ends as files of another kind do.
    """
    from cmr_synth.errors import InputError

    goal = Path(path)
    if goal.suffix.lower() in OTHER_ENDINGS:
        raise InputError(
            f"{goal.name}: ends in {goal.suffix}, and NIfTI was chosen; end the name in .nii.gz, "
            "or choose the other kind of file."
        )
    return path if goal.name.lower().endswith((".nii", ".gz")) else f"{path}.nii.gz"


def read_sidecar(path: Path) -> dict[str, Any] | None:
    """The record of a synthetic image, or None if the file holds no such thing."""
    try:
        if path.stat().st_size > LARGEST_SIDECAR:
            return None
        stated = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return stated if isinstance(stated, dict) and stated.get("synthetic") is True else None
