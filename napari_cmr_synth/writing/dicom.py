"""Synthetic images as DICOM series, and masks as DICOM segmentations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .layer_data import engine_mask, parted, record_of, scan_of

if TYPE_CHECKING:
    from .._layers import LayerData


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
    images, masks = parted(layers)
    if len(images) != 1 or len(masks) > 1:
        raise InputError(
            f"{len(images)} images and {len(masks)} masks given, a DICOM series is made of one "
            "synthetic image, with its mask or without; choose these layers."
        )
    record = record_of(images[0][1])
    scan = scan_of(images[0], layers)
    if record is None:
        raise InputError(
            f"{scan.name}: is not a synthetic image of this program, and DICOM files written here "
            "say that they are synthetic; save it as NIfTI."
        )
    mask = engine_mask(masks[0], layers) if masks else None
    if mask is not None:
        require_same_grid(scan, mask)
    with staged(goal.parent, whole=DICOM_ENDINGS) as folder:
        write_synthetic(Synthetic(scan, record), folder, stem, formats=("dicom",), mask=mask)
    files = sorted((goal.parent / stem).iterdir())
    return [*map(str, files), str(goal.parent / f"{stem}.json")]


def write_segmentation_of_images(
    folder: Path, layer: LayerData, together: Sequence[LayerData]
) -> list[Path]:
    """Write a mask as a DICOM segmentation of the real images that it was drawn on.

    Parameters
    ----------
    folder : Path
        Is made.
    layer : (data, attributes, "labels")
    together : sequence of the same
        Layers that are written with it.

    Raises
    ------
    InputError
        If it was not drawn on a DICOM series, or the series has changed since or is gone.
    """
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    from cmr_synth.errors import InputError
    from cmr_synth.imaging.dicom import DicomOrigin
    from cmr_synth.imaging.dicom_out.segmentation import write_over_images

    mask = engine_mask(layer, together)
    origin = mask.origin
    if not isinstance(origin, DicomOrigin):
        raise InputError(
            f"{mask.name}: was not drawn on DICOM images, which a segmentation refers to; choose "
            "the synthetic image made from it, too, or save it as NIfTI."
        )
    frames = range(mask.n_frames if mask.is_cine else 1)
    try:
        images = [dcmread(of_slice[t]) for t in frames for of_slice in origin.files]
    except (OSError, IndexError, InvalidDicomError) as error:
        raise InputError(
            f"{mask.name}: the DICOM images that it was drawn on cannot be read ({error}); open "
            "them again."
        ) from error
    folder.mkdir()
    return list(write_over_images(mask, images, folder))
