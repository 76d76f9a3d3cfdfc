"""NIfTI files and DICOM slices as layers: a mask becomes a labels layer, anything else an image.

What a file holds is decided by its content, its name only says whether it is worth a look.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from cmr_synth.imaging.dicom_stacks import Stack
    from cmr_synth.imaging.scan import Scan

    from .._layers import LayerData

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
SUFFIXES = (".nii", ".nii.gz", *DICOM_SUFFIXES)
FEW = 8  # ACDC and M&Ms use 4 numbers, 5 with 255; images of 8 bits use dozens

_NAMED_A_MASK = re.compile(
    r"(^|[^a-z])(gt|labels?|masks?|seg|segmentation|contours?)([^a-z]|$)", re.IGNORECASE
)

Paths = str | Sequence[str]


def get_reader(path: Paths) -> Callable[[Paths], list[Any]] | None:
    """Offer a reader for folders, files named as scans are, and DICOM files of any name.

    Parameters
    ----------
    path : str or list of str
        What the user opened.

    Returns
    -------
    callable or None
        Takes the same paths and gives layers.
    """
    names = _listed(path)
    return open_layers if names and all(_may_be_ours(name) for name in names) else None


def open_layers(path: Paths) -> list[Any]:
    """Read what can be read; in a window, say of everything else why not.

    Parameters
    ----------
    path : str or list of str
        As for `read_layers`.

    Returns
    -------
    list of (data, attributes, layer type)
        `[(None,)]`, napari's sign for none, if nothing could be read.

    Raises
    ------
    InputError
        As `read_layers`, but only without a window: in one, napari would wrap it, offer another
        reader instead of the reason, and open none of the files dropped together.
    """
    from cmr_synth.errors import InputError

    from .._messages import in_a_window, show_problem

    if not in_a_window():
        return read_layers(path)
    layers: list[Any] = []
    for source in _sources(path):
        try:
            layers += _read(source)
        except (InputError, MemoryError) as error:
            show_problem(error)
    return layers or [(None,)]


def read_layers(path: Paths) -> list[LayerData]:
    """Read NIfTI files, one layer each, and DICOM: the short-axis cine of a folder, or a choice.

    Parameters
    ----------
    path : str or list of str
        .nii or .nii.gz files, DICOM files, or folders of DICOM files. Of a folder with several
        series the short-axis cine is read; to see another, open some of its files: of several
        slices the stacks are read that they belong to, whole, one layer each.

    Returns
    -------
    list of (data, attributes, layer type)
        Masks keep the numbers of the file; what they seem to mean is shown, not applied. A
        synthetic image is named so, and carries its mark and its record.

    Raises
    ------
    InputError
        If a path is missing, damaged, or neither NIfTI nor DICOM.
    """
    return [layer for source in _sources(path) for layer in _read(source)]


def prefer_in_napari() -> None:
    """Make this the reader of NIfTI and DICOM, folders too, wherever no other one was chosen.

    napari's own reader claims these files as well, and without a preference napari asks which of
    the two to take whenever a file is dropped.
    """
    from napari.settings import get_settings

    settings = get_settings().plugins
    chosen = {f"*{ending}": "napari-cmr-synth" for ending in (*SUFFIXES, os.sep)}  # and folders
    if not chosen.keys() <= settings.extension2reader.keys():
        settings.extension2reader = chosen | settings.extension2reader


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


def _listed(path: Paths) -> list[Path]:
    return [Path(path)] if isinstance(path, str | Path) else [Path(name) for name in path]


def _may_be_ours(path: Path) -> bool:
    from cmr_synth.imaging.dicom import is_dicom

    return path.is_dir() or path.name.lower().endswith(SUFFIXES) or is_dicom(path)


def _sources(path: Paths) -> list[Path | tuple[Path, ...]]:
    """Files and folders to read, one after the other; slices given together stay together."""
    from cmr_synth.imaging.dicom import is_dicom

    paths = _listed(path)
    slices = tuple(name for name in paths if is_dicom(name))
    if len(slices) < 2:
        return list(paths)
    return [slices, *(name for name in paths if name not in slices)]


def _read(source: Path | tuple[Path, ...]) -> list[LayerData]:
    from cmr_synth.errors import InputError
    from cmr_synth.imaging.dicom import is_dicom, read_stack
    from cmr_synth.imaging.nifti import read_image

    if isinstance(source, tuple) or source.is_dir() or is_dicom(source):
        scans = [read_stack(stack) for stack in _stacks(source)]
        for note in dict.fromkeys(note for scan in scans for note in scan.notes):
            warnings.warn(note, stacklevel=2)
        return [_image(scan, _mark_in_dicom(scan), None) for scan in scans]
    try:
        scan = read_image(source)
    except InputError as error:
        if source.name.lower().endswith(DICOM_SUFFIXES) and source.is_file():
            raise InputError(
                f"{source.name}: not a DICOM file, whatever its name says. Export the slice again."
            ) from error
        raise
    for note in scan.notes:
        warnings.warn(note, stacklevel=2)
    mark = _mark_in_nifti(scan)
    if looks_like_labels(scan):
        return [_mask(source, mark)]
    return [_image(scan, mark, _record_beside(source))]


def _stacks(source: Path | tuple[Path, ...]) -> list[Stack]:
    """The stacks that the given slices belong to, or the one to show of a folder."""
    from cmr_synth.imaging.dicom import choose, list_stacks

    if not isinstance(source, tuple):
        return [choose(list_stacks(source))]
    given = set(source)
    return [
        stack
        for folder in dict.fromkeys(path.parent for path in source)
        for stack in list_stacks(folder)
        if any(frame.path in given for frames in stack.slices for frame in frames)
    ]


def _image(scan: Scan, mark: str, record: dict[str, Any] | None) -> LayerData:
    from .._layers import image_layer
    from .._results import RECORD

    data, attributes, kind = image_layer(scan, description=mark)
    if record is not None:
        attributes["metadata"][RECORD] = record
    if (mark or record is not None) and not scan.stem.lower().startswith("synthetic"):
        attributes["name"] = f"synthetic {scan.stem}"
    return data, attributes, kind


def _mask(path: Path, mark: str) -> LayerData:
    from cmr_synth.anatomy.labels import guess_convention
    from cmr_synth.errors import InputError
    from cmr_synth.imaging.nifti import read_labels

    from .._layers import labels_layer

    mask = read_labels(path)
    try:
        guess = guess_convention(mask.array, name=mask.name)
    except InputError:  # empty, or numbers that no convention has: shown as they are
        guess = None
    return labels_layer(mask, guess=guess, description=mark)


def _mark_in_nifti(scan: Scan) -> str:
    """The description of a file that calls itself synthetic, else nothing."""
    from cmr_synth.imaging.nifti import NiftiOrigin
    from cmr_synth.synthesis.record import MARK

    if not isinstance(scan.origin, NiftiOrigin):
        return ""
    stated = bytes(scan.origin.header["descrip"].item()).rstrip(b"\0").decode("ascii", "replace")
    return stated if stated.startswith(MARK) else ""


def _mark_in_dicom(scan: Scan) -> str:
    """A mark if the first slice has the tag Synthetic Data (0008,001C) = YES."""
    from pydicom import dcmread

    from cmr_synth.imaging.dicom import DicomOrigin
    from cmr_synth.synthesis.record import MARK

    if not isinstance(scan.origin, DicomOrigin):
        return ""
    tag = (0x0008, 0x001C)
    header = dcmread(
        scan.origin.files[0][0], stop_before_pixels=True, specific_tags=[tag], force=True
    )
    stated = str(header[tag].value) if tag in header else ""
    return f"{MARK} as its DICOM header says" if stated.upper() == "YES" else ""


def _record_beside(path: Path) -> dict[str, Any] | None:
    """What the sidecar says, if it is about this very file: its hash is in it."""
    from cmr_synth.files import sha256
    from cmr_synth.synthesis.record import sidecar_of

    from ..writing.nifti import read_sidecar

    stated = read_sidecar(sidecar_of(path))
    if stated is None or stated.pop("sha256", None) != sha256(path):
        return None  # none, changed since, or of another file of the same name
    stated.pop("file", None)
    return stated
