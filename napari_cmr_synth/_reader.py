"""NIfTI files as layers: a mask becomes a labels layer, anything else an image."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from cmr_synth.imaging.scan import Scan

    from ._layers import LayerData

SUFFIXES = (".nii", ".nii.gz")
FEW = 8  # ACDC and M&Ms use 4 numbers, 5 with 255; images of 8 bits use dozens

_NAMED_A_MASK = re.compile(
    r"(^|[^a-z])(gt|labels?|masks?|seg|segmentation|contours?)([^a-z]|$)", re.IGNORECASE
)


def get_reader(
    path: str | Sequence[str],
) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """Offer a reader if every path is a NIfTI file by name.

    Parameters
    ----------
    path : str or list of str
        What the user opened.

    Returns
    -------
    callable or None
        Takes the same paths and gives layers.
    """
    names = [path] if isinstance(path, str | Path) else list(path)
    if names and all(str(name).lower().endswith(SUFFIXES) for name in names):
        return read_layers
    return None


def read_layers(path: str | Sequence[str]) -> list[LayerData]:
    """Read NIfTI files, one layer each.

    Parameters
    ----------
    path : str or list of str
        .nii or .nii.gz files.

    Returns
    -------
    list of (data, attributes, layer type)
        Masks keep the numbers of the file; what they seem to mean is shown, not applied.

    Raises
    ------
    InputError
        If a file is missing, damaged or no NIfTI.
    """
    return [_read_layer(name) for name in ([path] if isinstance(path, str | Path) else path)]


def looks_like_labels(scan: Scan) -> bool:
    """Tell a mask from an image: whole numbers from 0 to 255, and few of them.

    Parameters
    ----------
    scan : Scan
        Pixels as read from a file.

    Returns
    -------
    bool
        True up to 8 different numbers. A name such as `patient001_gt` or `mask` lifts that limit,
        and is needed by a file that holds nothing but zeros.
    """
    named = _NAMED_A_MASK.search(scan.stem) is not None
    if not named and np.unique(scan.array[..., ::4, ::4]).size > FEW:
        return False  # decides nearly every image without sorting all its pixels
    values = np.unique(scan.array)
    whole = values[0] >= 0 and values[-1] <= 255 and bool(np.all(values == np.rint(values)))
    return whole and (named or (values.size <= FEW and values[-1] > 0))


def _read_layer(path: str | Path) -> LayerData:
    from cmr_synth.anatomy.labels import guess_convention
    from cmr_synth.errors import InputError
    from cmr_synth.imaging.nifti import read_image, read_labels

    from ._layers import image_layer, labels_layer

    scan = read_image(path)
    for note in scan.notes:
        warnings.warn(note, stacklevel=2)
    if not looks_like_labels(scan):
        return image_layer(scan)
    mask = read_labels(path)
    try:
        guess = guess_convention(mask.array, name=mask.name)
    except InputError:  # empty, or numbers that no convention has: shown as they are
        guess = None
    return labels_layer(mask, guess=guess)
