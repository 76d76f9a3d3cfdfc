"""Masks as DICOM Segmentation objects that refer to the images they lie on.

A segment for each structure that is drawn, with the codes of SNOMED CT that other programs know;
numbers of segments are the engine's labels in the order LV, myocardium, RV, infarct, no-reflow.
Pixels that nobody labelled (255) are in no segment, which a segmentation cannot tell from
background. A segmentation lies on one image a slice position, so a cine has one object for each of
its frames.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import cmr_synth
from cmr_synth.anatomy.labels import INFARCT, LV, MYO, NO_REFLOW, RV
from cmr_synth.errors import InputError
from cmr_synth.imaging.dicom_out.series import Series
from cmr_synth.imaging.dicom_out.study import (
    MAKER,
    Alteration,
    Making,
    Study,
    contribution,
    new_uid,
)
from cmr_synth.imaging.scan import Scan

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


OVER_IMAGES = 1000
"""Number of the series in the study of real images."""

Code = tuple[str, str]
"""Value and meaning in SNOMED CT."""

ANATOMY: Code = ("91723000", "Anatomical Structure")
LESION: Code = ("49755003", "Morphologically Abnormal Structure")
WALL: Code = ("49848007", "Left Ventricle Myocardium")


@dataclass(frozen=True)
class Structure:
    """What a segment is called, and by which codes of SNOMED CT.

    Parameters
    ----------
    name : str
    category, kind : Code
    region : Code, optional
        Anatomic region of a finding.
    """

    name: str
    category: Code
    kind: Code
    region: Code | None = None


STRUCTURES = {
    LV: Structure("LV blood pool", ANATOMY, ("87878005", "Left ventricle")),
    MYO: Structure("LV myocardium", ANATOMY, WALL),
    RV: Structure("RV blood pool", ANATOMY, ("53085002", "Right ventricle")),
    INFARCT: Structure("infarct", LESION, ("55641003", "Infarct"), WALL),
    NO_REFLOW: Structure("no-reflow", LESION, ("55641003", "Infarct"), WALL),
}
"""Segment of each engine label. No-reflow lies in an infarct and has its code; the name tells."""


def write_segmentation(
    mask: Scan,
    series: Series,
    folder: Path,
    making: Making | Alteration,
    *,
    study: Study,
    number: int,
) -> tuple[Path, ...]:
    """Write a mask as one series of segmentations.

    Parameters
    ----------
    mask : Scan
        ([t,] z, y, x) engine labels, on the grid of the images.
    series : Series
        The images; a mask without time lies on the first frame of a cine.
    folder : Path
        Must exist.
    making : Making
        Of the images.
    study : Study
        Of the images.
    number : int
        Of the series in its study.

    Returns
    -------
    tuple of Path
        One file for each frame on which anything is drawn.

    Raises
    ------
    InputError
        If the mask is empty.
    """
    frames = mask.array if mask.is_cine else mask.array[None]
    labels = [label for label in STRUCTURES if (frames == label).any()]
    if not labels:
        raise InputError(f"{mask.name}: nothing is drawn, so there is nothing to segment.")
    uid = study.uids()
    files: list[Path] = []
    enhanced = len(series.images) == 1 and len(frames) * mask.n_slices > 1
    for t, frame in enumerate(frames):
        here = [label for label in labels if (frame == label).any()]
        if not here:
            continue
        data = _segmentation(
            mask,
            frame,
            t,
            here,
            series,
            uid,
            study.uids(),
            number,
            len(files) + 1,
            enhanced,
            f"{making.origin.mark} heart mask",
        )
        data.SyntheticData = "YES"
        data.PatientComments = making.origin.comment
        data.StudyDescription = f"{making.origin.mark} cardiac MR"
        data.ContributingEquipmentSequence = [contribution(making, study)]
        _dated(data, study)
        path = folder / f"SEG_{len(files) + 1:04d}.dcm"
        data.save_as(path, enforce_file_format=True)
        files.append(path)
    return tuple(files)


def write_over_images(mask: Scan, images: Sequence[Dataset], folder: Path) -> tuple[Path, ...]:
    """Write a mask as a segmentation of real images, into their study.

    It names the patient as the images do, because a segmentation belongs to one.

    Parameters
    ----------
    mask : Scan
        ([t,] z, y, x) engine labels.
    images : sequence of Dataset
        One a slice and frame, all slices of the first frame first.
    folder : Path
        Must exist.

    Returns
    -------
    tuple of Path
        As of `write_segmentation`.

    Raises
    ------
    InputError
        If the mask is empty, or the images are not those that it lies on.
    """
    frames = mask.array if mask.is_cine else mask.array[None]
    _require_images(mask, images)
    labels = [label for label in STRUCTURES if (frames == label).any()]
    if not labels:
        raise InputError(f"{mask.name}: nothing is drawn, so there is nothing to segment.")
    series, uid = Series((), tuple(images)), new_uid()
    files: list[Path] = []
    for t, frame in enumerate(frames):
        here = [label for label in labels if (frame == label).any()]
        if not here:
            continue
        place = len(files) + 1
        data = _segmentation(
            mask, frame, t, here, series, uid, new_uid(), OVER_IMAGES, place, False, "Heart mask"
        )
        path = folder / f"SEG_{len(files) + 1:04d}.dcm"
        data.save_as(path, enforce_file_format=True)
        files.append(path)
    return tuple(files)


def _require_images(mask: Scan, images: Sequence[Dataset]) -> None:
    rows, columns = mask.shape[-2:]
    n_frames = mask.n_frames if mask.is_cine else 1
    if len(images) < n_frames * mask.n_slices:
        raise InputError(
            f"{mask.name}: has {n_frames * mask.n_slices} slices and the DICOM series "
            f"{len(images)}; open the series again and draw on it."
        )
    for image in images:
        if int(image.get("NumberOfFrames", 1) or 1) > 1:
            raise InputError(
                f"{mask.name}: lies on an enhanced DICOM file of many frames, over which no "
                "segmentation is written; save it as NIfTI."
            )
        if (image.Rows, image.Columns) != (rows, columns):
            raise InputError(
                f"{mask.name}: is {rows} x {columns} pixels and its DICOM images are "
                f"{image.Rows} x {image.Columns}; draw on the images as they are."
            )


def _segmentation(
    mask: Scan,
    frame: Any,
    t: int,
    labels: list[int],
    series: Series,
    uid: str,
    own: str,
    number: int,
    instance: int,
    enhanced: bool,
    called: str,
) -> Any:
    import highdicom as hd

    first = t * mask.n_slices
    pixels = np.stack([frame == label for label in labels], axis=-1)
    sources = list(series.images[first : first + mask.n_slices])
    if enhanced:
        sources = [_one_time(series.images[0], first, mask.n_slices)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of values that are legal and unusual
        data = hd.seg.Segmentation(
            source_images=sources,
            pixel_array=pixels,
            segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=[_described(i, label) for i, label in enumerate(labels, start=1)],
            series_instance_uid=uid,
            series_number=number,
            sop_instance_uid=own,
            instance_number=instance,
            manufacturer=MAKER,
            manufacturer_model_name="cmr-synth",
            software_versions=f"cmr-synth {cmr_synth.__version__}",
            device_serial_number="1",
            series_description=called,
            content_label="HEART",
            content_description=called,
            omit_empty_frames=True,
        )
    if enhanced and first:
        _count_from(data, first)
    return data


def _dated(data: Dataset, study: Study) -> None:
    """Moment and UID of the study, where highdicom takes the clock's and a random one."""
    date, time = study.made.strftime("%Y%m%d"), study.made.strftime("%H%M%S.%f")
    for what in ("InstanceCreation", "Content", "Series"):
        if f"{what}Date" in data:
            setattr(data, f"{what}Date", date)
            setattr(data, f"{what}Time", time)
    dimensions = study.uids()
    for sequence in (data.DimensionOrganizationSequence, data.DimensionIndexSequence):
        for item in sequence:
            item.DimensionOrganizationUID = dimensions


def _described(number: int, label: int) -> Any:
    import highdicom as hd
    from highdicom.sr import CodedConcept

    def coded(code: Code) -> Any:
        return CodedConcept(code[0], "SCT", code[1])

    structure = STRUCTURES[label]
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=structure.name,
        segmented_property_category=coded(structure.category),
        segmented_property_type=coded(structure.kind),
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.SEMIAUTOMATIC,
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name="mask given to cmr-synth",
            version=cmr_synth.__version__,
            family=CodedConcept("123110", "DCM", "Artificial Intelligence"),
        ),
        anatomic_regions=[coded(structure.region)] if structure.region else None,
    )


def _one_time(image: Dataset, first: int, count: int) -> Dataset:
    """The frames of one moment of an enhanced cine, which lie at different places."""
    from pydicom.dataset import Dataset

    groups = image.PerFrameFunctionalGroupsSequence[first : first + count]
    part = Dataset()
    for element in image:  # elements are shared, so those that differ are not copied
        if element.keyword not in ("PerFrameFunctionalGroupsSequence", "NumberOfFrames"):
            part.add(element)
    part.PerFrameFunctionalGroupsSequence = groups
    part.NumberOfFrames = count
    return part


def _count_from(data: Dataset, first: int) -> None:
    """Frames of the source are numbered in the whole image, not in the part of one moment."""
    sources = {
        id(source): source  # segments share them
        for group in data.PerFrameFunctionalGroupsSequence
        for derivation in group.DerivationImageSequence
        for source in derivation.SourceImageSequence
    }
    for source in sources.values():
        source.ReferencedFrameNumber = int(source.ReferencedFrameNumber) + first
