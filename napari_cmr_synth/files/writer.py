"""Layers as NIfTI files, DICOM series, on a contact sheet, or as cases of an nnU-Net data set.

A file lies on the grid and in the place of the scan that its layer belongs to, and a synthetic
image says that it is one: in its header, and in a sidecar that tells how it was made.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cmr_synth.imaging.scan import Scan

    from .._layers import LayerData


LARGEST_SIDECAR = 10 * 2**20  # bytes; a record has a few thousand


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

    scan, record = scan_of_layer(data, attributes), _record(attributes)
    sidecar = sidecar_of(Path(path))
    if record is not None and sidecar.exists() and read_sidecar(sidecar) is None:
        raise InputError(
            f"{sidecar}: holds something else, and the record of a synthetic image goes there. "
            "Choose another name for the image."
        )
    image = write_nifti(scan, path, description=_description(attributes))
    if record is None:
        return [str(image)]
    write_sidecar(sidecar, image, record)
    return [str(image), str(sidecar)]


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
    from cmr_synth.imaging.nifti import write_nifti

    from .._layers import scan_of_layer

    scan = scan_of_layer(data, attributes)
    low, high = int(scan.array.min()), int(scan.array.max())
    if low < 0 or high > 255:
        raise InputError(
            f"{scan.name}: found label {low if low < 0 else high}, a mask file holds 0 to 255. "
            "Renumber it, or save it as an image."
        )
    mask = scan.with_array(scan.array.astype(np.uint8))
    return [str(write_nifti(mask, path, description=_description(attributes)))]


def write_dicom(path: str, layers: Sequence[LayerData]) -> list[str]:
    """Write a synthetic image as a DICOM series, and its mask as a DICOM segmentation.

    Parameters
    ----------
    path : str
        Ends in .dcm; the files go into a folder of this name without the ending, and the record
        of the image beside it.
    layers : sequence of (data, attributes, layer type)
        One synthetic image, and the mask on its grid, or none.

    Returns
    -------
    list of str
        The files written.

    Raises
    ------
    InputError
        If the image is a real one, which must not be marked as synthetic; if the mask does not
        fit or its numbers cannot be understood; if the files cannot be written.
    """
    from cmr_synth.errors import InputError
    from cmr_synth.files import staged
    from cmr_synth.imaging.scan import require_same_grid
    from cmr_synth.synthesis.formats import DICOM_ENDINGS, write_synthetic
    from cmr_synth.synthesis.record import Synthetic

    goal = Path(path)
    stem = goal.name[: -len(goal.suffix)] if goal.suffix.lower() == ".dcm" else goal.name
    images, masks = _parted(layers)
    if len(images) != 1 or len(masks) > 1:
        raise InputError(
            f"{len(images)} images and {len(masks)} masks given, a DICOM series is made of one "
            "synthetic image, with its mask or without; choose these layers."
        )
    record = _record(images[0][1])
    scan = _scan(images[0], layers)
    if record is None:
        raise InputError(
            f"{scan.name}: is not a synthetic image of this program, and DICOM files written here "
            "say that they are synthetic; save it as NIfTI."
        )
    mask = _engine_mask(masks[0], layers) if masks else None
    if mask is not None:
        require_same_grid(scan, mask)
    with staged(goal.parent, whole=DICOM_ENDINGS) as folder:
        write_synthetic(Synthetic(scan, record), folder, stem, formats=("dicom",), mask=mask)
    files = sorted((goal.parent / stem).iterdir())
    return [*map(str, files), str(goal.parent / f"{stem}.json")]


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
    from cmr_synth.reports.slices import slices_sheet
    from cmr_synth.synthesis.record import MARK

    goal = Path(path)
    if goal.suffix.lower() != ".png":
        raise InputError(f"{goal.name}: a contact sheet is a PNG picture; end its name in .png.")
    images, masks = _parted(layers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where a scan lies does not show in a picture
        scans = [_scan(layer, layers) for layer in images]
        mask = _engine_mask(masks[0], layers) if masks else None
    synthetic = sum(_description(a).startswith(MARK) for _, a, _ in images)
    which = "synthetic" if len(images) == 1 else f"{synthetic} of {len(images)} are synthetic"
    sheet = slices_sheet(
        scans,
        mask,
        windows=[attributes.get("contrast_limits") for _, attributes, _ in images],
        footnote=which if synthetic else "",
    )
    with write_file(goal) as temporary:
        sheet.save(temporary, format="PNG", optimize=True)
    return [str(goal)]


def write_nnunet(path: str, layers: Sequence[LayerData]) -> list[str]:
    """Write image layers and the mask that they share as cases of an nnU-Net data set.

    Parameters
    ----------
    path : str
        A folder, or the `dataset.json` in it. An nnU-Net data set that is there gets the cases in
        addition.
    layers : sequence of (data, attributes, layer type)
        Images, and one mask on their grid. Each image is a case called as its layer; each frame
        of a cine in which anything is drawn is one.

    Returns
    -------
    list of str
        The files written.

    Raises
    ------
    InputError
        If the grids differ, the numbers of the mask cannot be understood, a case is there
        already, or the folder holds something else.
    """
    from cmr_synth.errors import InputError
    from cmr_synth.imaging.nnunet import ABOUT, cases_of, write_cases

    goal = Path(path)
    if goal.name == ABOUT:
        goal = goal.parent
    elif goal.suffix.lower() == ".json":
        raise InputError(
            f"{goal.name}: an nnU-Net data set is a folder with {ABOUT} in it; name the folder, "
            f"or {ABOUT} in it."
        )
    images, masks = _parted(layers)
    if not images or len(masks) != 1:
        raise InputError(
            f"{len(images)} images and {len(masks)} masks given, nnU-Net cases are made of images "
            "and the one mask that they share; choose these layers."
        )
    mask = _engine_mask(masks[0], layers)
    cases = [
        case
        for layer in images
        for case in cases_of(
            _scan(layer, layers),
            mask,
            name=str(layer[1].get("name", "")) or None,
            description=_description(layer[1]),
            record=_record(layer[1]),
        )
    ]
    return [str(written) for written in write_cases(goal, cases)]


def read_sidecar(path: Path) -> dict[str, Any] | None:
    """The record of a synthetic image, or None if the file holds no such thing."""
    try:
        if path.stat().st_size > LARGEST_SIDECAR:
            return None
        stated = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return stated if isinstance(stated, dict) and stated.get("synthetic") is True else None


def _parted(layers: Sequence[LayerData]) -> tuple[list[LayerData], list[LayerData]]:
    """Images and masks, in the order of the layer list."""
    images = [layer for layer in layers if layer[2] == "image"]
    return images, [layer for layer in layers if layer[2] == "labels"]


def _scan(layer: LayerData, together: Sequence[LayerData]) -> Scan:
    from .._layers import scan_of_layer

    data, attributes, _ = layer
    others = [other[1] for other in together if other is not layer]
    return scan_of_layer(data, attributes, beside=others)


def _engine_mask(layer: LayerData, together: Sequence[LayerData]) -> Scan:
    """Engine labels, by the convention that was confirmed or is sure enough."""
    from cmr_synth.anatomy.labels import ConventionGuess, convert, guess_convention
    from cmr_synth.errors import InputError

    from .._layers import GUESS, SURE_ENOUGH
    from .._masks import stated_in

    scan = _scan(layer, together)
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


def _record(attributes: Mapping[str, Any]) -> dict[str, Any] | None:
    from .._results import RECORD

    record = (attributes.get("metadata") or {}).get(RECORD)
    return record if isinstance(record, dict) else None


def _description(attributes: Mapping[str, Any]) -> str:
    """What the header says; a synthetic image is marked even where only its record tells."""
    from .._layers import DESCRIPTION

    stated = (attributes.get("metadata") or {}).get(DESCRIPTION, "")
    record = _record(attributes)
    if stated or record is None:
        return str(stated)
    from cmr_synth.synthesis.record import description

    return description(record)
