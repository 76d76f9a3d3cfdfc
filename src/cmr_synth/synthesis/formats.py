"""The files that a synthetic image becomes: NIfTI, DICOM, or both, and one record of them all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmr_synth.errors import InputError
from cmr_synth.files import sha256
from cmr_synth.imaging.nifti import write_nifti
from cmr_synth.imaging.scan import Scan
from cmr_synth.synthesis.record import Synthetic, description, write_sidecar

if TYPE_CHECKING:
    from cmr_synth.imaging.dicom_out.study import Making, Study

NIFTI = "nifti"
DICOM_ENDINGS = (".dcm", ".cvi42wsx")
"""Of what a folder of DICOM files holds."""

CONTOURS = "contours.cvi42wsx"
MASK_SERIES = 1000  # added to the number of the images' series

_PARTS = ("vendor", "phase", "pathology", "cohort")


@dataclass(frozen=True)
class Target:
    """Where one synthetic image goes.

    Parameters
    ----------
    folder : Path
        Must exist.
    stem : str
        File name without ending, which is also the name of a folder of DICOM files.
    mask : Scan, optional
        Engine labels that the image follows, written where the format has a place for them.
    study : callable
        Gives the DICOM study, the same for all variants of a mask.
    series : int, optional
        Number of the images' DICOM series; by default that of the variant, from 1.
    """

    folder: Path
    stem: str
    mask: Scan | None
    study: Callable[[], Study]
    series: int | None = None


def _nifti(synthetic: Synthetic, target: Target) -> list[Path]:
    path = target.folder / f"{target.stem}.nii.gz"
    return [write_nifti(synthetic.scan, path, description=description(synthetic.record))]


def _classic(synthetic: Synthetic, target: Target) -> list[Path]:
    return dicom_files(synthetic, target, form="classic")


def _contours(synthetic: Synthetic, target: Target) -> list[Path]:
    """The mask's contours beside the DICOM files that they are drawn on."""
    from pydicom import dcmread

    from cmr_synth.imaging.contours.cvi42 import write_cvi42
    from cmr_synth.imaging.contours.outlines import traced

    folder, mask = target.folder / target.stem, target.mask
    if mask is None:
        raise InputError("cvi42: contours are those of a mask; leave the format out without one.")
    frames = mask.array if mask.is_cine else mask.array[None]
    planes = frames.reshape(-1, *frames.shape[-2:])
    contours = {}
    for number, labels in enumerate(planes, start=1):
        outlines, _ = traced(labels)
        if outlines:
            header = dcmread(folder / f"IM_{number:04d}.dcm", stop_before_pixels=True)
            contours[str(header.SOPInstanceUID)] = outlines
    return [write_cvi42(contours, folder / CONTOURS)]


def _enhanced(synthetic: Synthetic, target: Target) -> list[Path]:
    return dicom_files(synthetic, target, form="enhanced")


FORMATS: Mapping[str, Callable[[Synthetic, Target], list[Path]]] = {
    NIFTI: _nifti,
    "dicom": _classic,
    "dicom-enhanced": _enhanced,
    "cvi42": _contours,
}
"""What writes a format; each returns its files, the one that holds the image first."""


def check_formats(formats: Sequence[str]) -> tuple[str, ...]:
    """Each format once, in the order of `FORMATS`.

    Raises
    ------
    InputError
        If none is given, one is unknown, two need the same folder, or one needs another.
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        raise InputError(
            f"format {unknown[0] if unknown else 'none'!r}: known are {', '.join(FORMATS)}."
        )
    if {"dicom", "dicom-enhanced"} <= set(formats):
        raise InputError("formats: dicom and dicom-enhanced are the same images; choose one.")
    if "cvi42" in formats and "dicom" not in formats:
        raise InputError("format cvi42: contours belong to the images of dicom; ask for both.")
    return tuple(name for name in FORMATS if name in formats)


def one_study() -> Callable[[], Study]:
    """A DICOM study that is made when it is asked for first, and stays the same."""
    made: list[Study] = []

    def study() -> Study:
        from cmr_synth.imaging.dicom_out.study import Study

        if not made:
            made.append(Study())
        return made[0]

    return study


def write_synthetic(
    synthetic: Synthetic,
    folder: Path,
    stem: str,
    *,
    formats: Collection[str] = (NIFTI,),
    mask: Scan | None = None,
    study: Callable[[], Study] | None = None,
) -> dict[str, Any]:
    """Write an image in every format asked for, and its sidecar `stem.json`.

    Parameters
    ----------
    synthetic : Synthetic
    folder : Path
        Must exist.
    stem : str
        File name without ending.
    formats : collection of str
        Of `FORMATS`.
    mask : Scan, optional
        Engine labels that the image follows, written where a format has a place for them.
    study : callable, optional
        From `one_study`, for images that belong to one study.

    Returns
    -------
    dict
        What the sidecar says: the record; name and hash of the image file, which is NIfTI where
        that is asked for; and, for other formats, under `formats`, the hash of every file.

    Raises
    ------
    InputError
        If the image cannot be written in a format, or the folder not be written to.
    """
    target = Target(folder, stem, mask, study or one_study())
    record = dict(synthetic.record)
    image: Path | None = None
    others: dict[str, dict[str, str]] = {}
    for name in check_formats(tuple(formats)):
        files = FORMATS[name](synthetic, target)
        image = image or files[0]
        if name != NIFTI:
            others[name] = {file.relative_to(folder).as_posix(): sha256(file) for file in files}
    if others:
        record["formats"] = others
    assert image is not None  # formats were checked
    return write_sidecar(folder / f"{stem}.json", image, record, folder=folder)


def has_formats(record: Mapping[str, Any], out: Path, formats: Collection[str]) -> bool:
    """Whether an image has the files of these formats, unchanged since they were written.

    Raises
    ------
    OSError
        If one is missing.
    """
    written = record.get("formats") or {}
    for name in formats:
        if name == NIFTI:
            if not str(record["file"]).endswith(".nii.gz"):
                return False
        elif not written.get(name) or any(
            sha256(out / file) != stated for file, stated in written[name].items()
        ):
            return False
    return True


def making_of(record: Mapping[str, Any]) -> Making:
    """What DICOM files say of how a picture was made, from its record.

    Raises
    ------
    InputError
        If the record lacks it.
    """
    from cmr_synth.imaging.dicom_out.study import Making

    try:
        model = record["model"]
        return Making(
            model=str(model["name"]),
            model_version=str(model["version"]),
            model_hash=str(model["sha256"]),
            seed=int(record["seed"]),
            variant=int(record["variant"]),
            conditions={name: str(record[name]) for name in _PARTS if record.get(name)},
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"the record does not say how its picture was made ({error}); make it anew."
        ) from error


def dicom_files(synthetic: Synthetic, target: Target, *, form: str) -> list[Path]:
    """Write image and mask as two DICOM series into a folder of their own."""
    from cmr_synth.imaging.dicom_out.segmentation import write_segmentation
    from cmr_synth.imaging.dicom_out.series import write_series

    folder = target.folder / target.stem
    folder.mkdir()
    making, study = making_of(synthetic.record), target.study()
    number = making.variant + 1 if target.series is None else target.series
    series = write_series(
        synthetic.scan,
        folder,
        making,
        study=study,
        form="enhanced" if form == "enhanced" else "classic",
        number=number,
    )
    files = list(series.files)
    if target.mask is not None:
        files += write_segmentation(
            target.mask, series, folder, making, study=study, number=MASK_SERIES + number
        )
    return files
