"""What layers can be exported as: a table from the words of the dialog to what writes the files.

Each writer puts the files of all layers into a folder that is empty at first; what it leaves there
is moved to where the user wants it, all or nothing. An nnU-Net data set is the exception: cases are
added to the one that is there, which is all or nothing in itself.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmr_synth.errors import InputError

from ..writing.dicom import write_dicom, write_segmentation_of_images
from ..writing.layer_data import is_synthetic
from ..writing.nifti import write_image, write_labels
from ..writing.nnunet import nnunet_cases
from ..writing.pictures import write_sheet, write_slices_png

if TYPE_CHECKING:
    from .._layers import LayerData

Named = tuple[str, "LayerData"]
"""Name of a layer's files without ending, and the layer."""


DATA_SET = "Dataset001_heart"
"""Folder of an nnU-Net data set; nnU-Net wants the number in it."""


@dataclass(frozen=True)
class Kind:
    """A format.

    Parameters
    ----------
    title : str
        In the dialog.
    tip : str
        What it is for and what it needs.
    write : callable
        Takes the folder and the named layers.
    keeps : bool
        Whether a mask can be read from it again.
    whole : tuple of str
        Endings of files whose folders belong together, see `cmr_synth.files.staged`.
    adds : bool
        Whether `write` gets the folder of the user and adds to what is there.
    """

    title: str
    tip: str
    write: Callable[[Path, Sequence[Named]], list[Path] | None]
    keeps: bool = True
    whole: tuple[str, ...] = ()
    adds: bool = False


def name_files(layers: Sequence[LayerData]) -> list[Named]:
    """Give each layer a name that any file system takes; names that come twice are numbered."""
    named: list[Named] = []
    count: Counter[str] = Counter()
    for layer in layers:
        stem = re.sub(r"[^\w.+-]+", "_", str(layer[1].get("name", ""))).strip("._") or "layer"
        count[stem.lower()] += 1
        again = count[stem.lower()]
        named.append((stem if again == 1 else f"{stem}_{again}", layer))
    return named


def _nifti(folder: Path, layers: Sequence[Named]) -> None:
    for stem, (data, attributes, kind) in layers:
        save = write_image if kind == "image" else write_labels
        save(str(folder / f"{stem}.nii.gz"), data, attributes)


def _dicom(folder: Path, layers: Sequence[Named]) -> None:
    """Every synthetic image as a series, with the chosen mask on its grid as a segmentation."""
    images, masks = _parted(layers)
    if not images:
        raise InputError(
            "no image is chosen, and a DICOM series is made of one; choose a synthetic image, or "
            "DICOM SEG for a mask on DICOM images."
        )
    for stem, image in images:
        mask = _mask_of(image, [layer for _, layer in masks])
        write_dicom(str(folder / f"{stem}.dcm"), [image, mask] if mask else [image])


def _segmentations(folder: Path, layers: Sequence[Named]) -> None:
    """Every mask as a segmentation: of the images that it was drawn on, or of synthetic ones."""
    images, masks = _parted(layers)
    if not masks:
        raise InputError("no mask is chosen, and a DICOM segmentation is made of one; choose it.")
    used: list[Any] = []
    for stem, image in images:
        mask = _mask_of(image, [layer for _, layer in masks])
        if mask is not None and is_synthetic(image[1]):
            write_dicom(str(folder / f"{stem}.dcm"), [image, mask])
            used.append(mask)
    everything = [layer for _, layer in layers]
    for stem, mask in masks:
        if not any(mask is known for known in used):
            write_segmentation_of_images(folder / f"{stem}_SEG", mask, everything)


def _nnunet(folder: Path, layers: Sequence[Named]) -> list[Path]:
    from cmr_synth.imaging.nnunet import write_cases

    images, masks = _parted(layers)
    if not images or not masks:
        raise InputError(
            "nnU-Net cases are made of images and the masks on their grids; choose at least one of "
            "each."
        )
    cases = []
    for _, image in images:
        mask = _mask_of(image, [layer for _, layer in masks])
        if mask is None:
            raise InputError(
                f"{image[1]['name']}: none of the chosen masks lies on its grid; choose the mask, "
                "or leave the image out."
            )
        cases += nnunet_cases([image, mask])
    return write_cases(folder / DATA_SET, cases)


def _png(folder: Path, layers: Sequence[Named]) -> None:
    for stem, layer in layers:
        if not write_slices_png(folder, stem, layer, [other for _, other in layers]):
            raise InputError(f"{layer[1]['name']}: is empty, so there is no slice to write.")


def _sheet(folder: Path, layers: Sequence[Named]) -> None:
    images, masks = _parted(layers)
    if not images:
        raise InputError("no image is chosen, and a sheet shows images; choose one.")
    for stem, image in images:
        mask = _mask_of(image, [layer for _, layer in masks])
        write_sheet(str(folder / f"{stem}.png"), [image, mask] if mask else [image])


KINDS: dict[str, Kind] = {
    "nifti": Kind(
        "NIfTI, with records",
        "A .nii.gz for each layer, in its place in the patient; beside a synthetic image a .json "
        "with how it was made.",
        _nifti,
    ),
    "dicom": Kind(
        "DICOM series",
        "A folder for each synthetic image, marked as synthetic, with its mask as a segmentation "
        "where that is chosen, too. Real images are not written as DICOM.",
        _dicom,
        whole=(".dcm",),
    ),
    "seg": Kind(
        "DICOM SEG",
        "Masks as DICOM segmentations: of the DICOM images that they were drawn on, whose patient "
        "they name, or beside a chosen synthetic image.",
        _segmentations,
        whole=(".dcm",),
    ),
    "nnunet": Kind(
        "nnU-Net data set",
        f"Each image with the mask on its grid becomes a case of {DATA_SET}, in addition to those "
        "that are there.",
        _nnunet,
        adds=True,
    ),
    "png": Kind(
        "PNG, a picture for each slice",
        "Pixel by pixel, with the contrast shown; synthetic ones say so in text chunks. Masks are "
        "in the colours of their structures.",
        _png,
        keeps=False,
    ),
    "sheet": Kind(
        "PNG, all slices on one sheet",
        "A contact sheet for each image, with the outlines of the mask on its grid.",
        _sheet,
        keeps=False,
    ),
}
"""Formats by key, in the order of the dialog."""


def write(kind: Kind, folder: Path, layers: Sequence[LayerData], *, replace: bool) -> list[Path]:
    """Write layers into a folder, all of them or none.

    Parameters
    ----------
    kind : Kind
    folder : Path
        Is made where it is missing.
    layers : sequence of (data, attributes, layer type)
    replace : bool
        Whether files of the same names may be replaced.

    Returns
    -------
    list of Path
        Every file written.

    Raises
    ------
    InputError
        If a layer cannot be written so, a file is there already, or the folder cannot be written
        to. Nothing is left then.
    """
    from cmr_synth.files import staged

    folder = Path(folder)
    if not layers:
        raise InputError("no layer is chosen; tick those to write.")
    if kind.adds:
        return kind.write(folder, name_files(layers)) or []
    with staged(folder, whole=kind.whole) as temporary:
        kind.write(temporary, name_files(layers))
        files = sorted(p.relative_to(temporary) for p in temporary.rglob("*") if p.is_file())
        there = [path for path in files if (folder / path).exists()]
        if there and not replace:
            raise InputError(
                f"{folder}: {_listed(there)} {'are' if len(there) > 1 else 'is'} there already; "
                "choose another folder, or tick Replace."
            )
    return [folder / path for path in files]


def _listed(paths: Sequence[Path]) -> str:
    names = ", ".join(path.as_posix() for path in paths[:2])
    return names + (f" and {len(paths) - 2} more files" if len(paths) > 2 else "")


def _parted(layers: Sequence[Named]) -> tuple[list[Named], list[Named]]:
    images = [named for named in layers if named[1][2] == "image"]
    return images, [named for named in layers if named[1][2] == "labels"]


def _mask_of(image: LayerData, masks: Sequence[LayerData]) -> LayerData | None:
    """The mask that an image was made from, by name; else the first on its grid."""
    from .._results import MASK

    own = (image[1].get("metadata") or {}).get(MASK)
    fitting = [mask for mask in masks if mask[0].shape[-2:] == image[0].shape[-2:]]
    fitting = [mask for mask in fitting if _slices(mask) == _slices(image)]
    named = [mask for mask in fitting if mask[1].get("name") == own]
    return next(iter([*named, *fitting]), None)


def _slices(layer: LayerData) -> int:
    shape = layer[0].shape
    return int(shape[-3]) if len(shape) > 2 else 1
