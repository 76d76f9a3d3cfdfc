"""Layers as NIfTI files, on the grid and in the place of the scan that they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def write_image(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Write an image layer.

    Parameters
    ----------
    path : str
        Ends in .nii or .nii.gz.
    data : ([t,] [z,] y, x) array
        Pixels.
    attributes : mapping
        `name`, `scale` and `metadata` of the layer.

    Returns
    -------
    list of str
        The file written.

    Raises
    ------
    InputError
        If the layer is no scan, or the file cannot be written.
    """
    from ._layers import scan_of_layer

    return _write(path, scan_of_layer(data, attributes), attributes)


def write_labels(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Write a labels layer as 8-bit numbers, none of them changed.

    Parameters
    ----------
    path : str
        Ends in .nii or .nii.gz.
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

    from ._layers import scan_of_layer

    scan = scan_of_layer(data, attributes)
    low, high = int(scan.array.min()), int(scan.array.max())
    if low < 0 or high > 255:
        raise InputError(
            f"{scan.name}: found label {low if low < 0 else high}, a mask file holds 0 to 255. "
            "Renumber it, or save it as an image."
        )
    return _write(path, scan.with_array(scan.array.astype(np.uint8)), attributes)


def _write(path: str, scan: Any, attributes: Mapping[str, Any]) -> list[str]:
    from cmr_synth.imaging.nifti import write_nifti

    from ._layers import DESCRIPTION

    description = (attributes.get("metadata") or {}).get(DESCRIPTION, "")
    return [str(write_nifti(scan, path, description=description))]
