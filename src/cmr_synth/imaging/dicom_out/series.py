"""A synthetic stack or cine as a derived MR series: one file an image, or one for all of them.

Grey values are stored in 12 bits, as scanners do, over the range from 0 to the brightest pixel.
The files are derived images of the SOP classes MR Image and Enhanced MR Image; a scanning sequence
they have none (Research Mode), since nothing was scanned.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from cmr_synth.errors import InputError
from cmr_synth.imaging.dicom_out.study import (
    Alteration,
    Geometry,
    Making,
    Study,
    coded,
    decimal,
    decimals,
    describe,
)
from cmr_synth.imaging.scan import Scan

if TYPE_CHECKING:
    from pydicom.dataset import Dataset, FileDataset

Form = Literal["classic", "enhanced"]

BITS = 12
WHITE = 2**BITS - 1
NOMINAL_CYCLE_MS = 1000.0  # of a cine that does not say how far its frames are apart
MAX_SIDE = 65535  # rows and columns are 16 bit numbers

_TYPE = ["DERIVED", "PRIMARY", "OTHER"]
_FRAME_TYPE = ["DERIVED", "PRIMARY", "CARDIAC", "NONE"]


@dataclass(frozen=True, eq=False)
class Series:
    """What was written.

    Parameters
    ----------
    files : tuple of Path
        In the order of the scan, frame after frame for classic files.
    images : tuple of Dataset
        The same in memory; a segmentation refers to them.
    """

    files: tuple[Path, ...]
    images: tuple[Dataset, ...]


def write_series(
    scan: Scan,
    folder: Path,
    making: Making | Alteration,
    *,
    study: Study | None = None,
    form: Form = "classic",
    number: int = 1,
) -> Series:
    """Write a scan as one new MR series.

    Parameters
    ----------
    scan : Scan
        ([t,] z, y, x) pixels.
    folder : Path
        Must exist; see `cmr_synth.files.staged` for writing all or nothing.
    making : Making
    study : Study, optional
        By default a new one.
    form : "classic" or "enhanced"
        One file a slice and frame, or one multi-frame file.
    number : int
        Of the series in its study.

    Raises
    ------
    InputError
        If DICOM cannot hold the scan.
    """
    study = study or Study()
    if not np.isfinite(scan.array).all():
        raise InputError(f"{scan.name}: some pixels are no numbers; DICOM cannot hold them.")
    if max(scan.shape[-2:]) > MAX_SIDE:
        raise InputError(f"{scan.name}: DICOM holds at most {MAX_SIDE} rows and columns.")
    make = _enhanced if form == "enhanced" else _classic
    files, images = [], []
    for name, data in make(scan, study, making, number):
        path = folder / name
        data.save_as(path, enforce_file_format=True)
        files.append(path)
        images.append(data)
    return Series(tuple(files), tuple(images))


def as_stored(array: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    """Pixels in 12 bits: synthetic ones are in [0, 1], others are scaled to their brightest."""
    pixels = np.asarray(array, dtype=np.float64)
    low = min(0.0, float(pixels.min()))
    top = max(1.0, float(pixels.max() - low))
    return np.rint((pixels - low) * (WHITE / top)).astype(np.uint16)


def _classic(
    scan: Scan, study: Study, making: Making | Alteration, number: int
) -> Iterator[tuple[str, FileDataset]]:
    from pydicom.uid import MRImageStorage

    series, place, frame_ms = study.uids(), Geometry.of(scan), _frame_ms(scan)
    stored = as_stored(scan.array if scan.is_cine else scan.array[None])
    instance = 0
    for t in range(scan.n_frames):
        for z in range(scan.n_slices):
            instance += 1
            data = _new(str(MRImageStorage), study)
            describe(
                data,
                study,
                making,
                sop_class=str(MRImageStorage),
                instance=data.file_meta.MediaStorageSOPInstanceUID,
                series=series,
                series_number=number,
                title=making.title,
            )
            data.Modality = "MR"
            data.InstanceNumber, data.ImageType = instance, _TYPE
            data.AcquisitionNumber = t + 1
            data.ImageOrientationPatient = decimals(place.orientation)
            data.ImagePositionPatient = decimals(place.positions[z])
            data.PixelSpacing = decimals(place.pixel)
            data.SliceThickness = data.SpacingBetweenSlices = decimal(place.between_mm)
            data.ScanningSequence, data.SequenceVariant = "RM", "NONE"
            data.ScanOptions, data.MRAcquisitionType = "", "2D"
            data.RepetitionTime = data.EchoTime = data.EchoTrainLength = data.InversionTime = None
            if scan.is_cine:
                cycle = frame_ms * scan.n_frames
                data.TriggerTime = decimal(t * frame_ms)
                data.NominalInterval = round(cycle)
                data.CardiacNumberOfImages = scan.n_frames
                data.TemporalPositionIdentifier = t + 1
                data.NumberOfTemporalPositions = scan.n_frames
                data.TemporalResolution = decimal(frame_ms)
            _pixels(data, stored[t, z], making.origin.derivation)
            yield f"IM_{instance:04d}.dcm", data


def _enhanced(
    scan: Scan, study: Study, making: Making | Alteration, number: int
) -> Iterator[tuple[str, FileDataset]]:
    from pydicom.dataset import Dataset
    from pydicom.uid import EnhancedMRImageStorage

    place, frame_ms = Geometry.of(scan), _frame_ms(scan)
    stored = as_stored(scan.array if scan.is_cine else scan.array[None])
    data = _new(str(EnhancedMRImageStorage), study)
    describe(
        data,
        study,
        making,
        sop_class=str(EnhancedMRImageStorage),
        instance=data.file_meta.MediaStorageSOPInstanceUID,
        series=study.uids(),
        series_number=number,
        title=making.title,
    )
    data.Modality = "MR"
    data.InstanceNumber, data.ImageType = 1, _FRAME_TYPE
    data.AcquisitionDateTime = study.made.strftime("%Y%m%d%H%M%S.%f%z")
    data.AcquisitionContextSequence = []
    _frame_type(data)
    if scan.is_cine:
        data.CardiacSynchronizationTechnique = "RETROSPECTIVE"
    _pixels(data, stored.reshape(-1, *stored.shape[-2:]), making.origin.derivation)
    data.NumberOfFrames = scan.n_frames * scan.n_slices

    shared = Dataset()
    shared.PixelMeasuresSequence = [
        _item(
            PixelSpacing=decimals(place.pixel),
            SliceThickness=decimal(place.between_mm),
            SpacingBetweenSlices=decimal(place.between_mm),
        )
    ]
    shared.PlaneOrientationSequence = [_item(ImageOrientationPatient=decimals(place.orientation))]
    shared.FrameAnatomySequence = [_heart()]
    shared.PixelValueTransformationSequence = [
        _item(RescaleIntercept="0", RescaleSlope="1", RescaleType="US")
    ]
    shared.FrameVOILUTSequence = [_item(WindowCenter=str(WHITE // 2), WindowWidth=str(WHITE))]
    kind = _item(FrameType=_FRAME_TYPE)
    _frame_type(kind)
    shared.MRImageFrameTypeSequence = [kind]
    data.SharedFunctionalGroupsSequence = [shared]

    dimensions = study.uids()
    data.DimensionOrganizationSequence = [_item(DimensionOrganizationUID=dimensions)]
    data.DimensionIndexSequence = [
        _item(
            DimensionIndexPointer=pointer,
            FunctionalGroupPointer=group,
            DimensionOrganizationUID=dimensions,
            DimensionDescriptionLabel=label,
        )
        for pointer, group, label in (
            (0x00209057, 0x00209111, "slice"),  # In-Stack Position Number
            (0x00209128, 0x00209111, "frame"),  # Temporal Position Index
        )
    ]
    groups = []
    for t in range(scan.n_frames):
        for z in range(scan.n_slices):
            own = Dataset()
            own.FrameContentSequence = [
                _item(
                    StackID="1",
                    InStackPositionNumber=z + 1,
                    TemporalPositionIndex=t + 1,
                    DimensionIndexValues=[z + 1, t + 1],
                )
            ]
            own.PlanePositionSequence = [_item(ImagePositionPatient=decimals(place.positions[z]))]
            if scan.is_cine:
                own.CardiacSynchronizationSequence = [
                    _item(
                        NominalCardiacTriggerDelayTime=t * frame_ms,
                        ActualCardiacTriggerDelayTime=t * frame_ms,
                        RRIntervalTimeNominal=frame_ms * scan.n_frames,
                    )
                ]
            groups.append(own)
    data.PerFrameFunctionalGroupsSequence = groups
    yield "IM_0001.dcm", data


def _new(sop_class: str, study: Study) -> FileDataset:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = UID(study.uids())
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)


def _pixels(data: Dataset, stored: npt.NDArray[np.uint16], derivation: str) -> None:
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows, data.Columns = stored.shape[-2:]
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, BITS, BITS - 1
    data.PixelRepresentation = 0
    data.BurnedInAnnotation, data.LossyImageCompression = "NO", "00"
    data.PresentationLUTShape = "IDENTITY"
    data.DerivationDescription = derivation
    if "SharedFunctionalGroupsSequence" not in data and stored.ndim == 2:
        data.WindowCenter, data.WindowWidth = str(WHITE // 2), str(WHITE)
    data.PixelData = stored.astype("<u2").tobytes()


def _frame_type(data: Dataset) -> None:
    """What the pixels of an enhanced image are; a synthetic one has no contrast of its own."""
    data.PixelPresentation = "MONOCHROME"
    data.VolumetricProperties, data.VolumeBasedCalculationTechnique = "VOLUME", "NONE"
    data.ComplexImageComponent, data.AcquisitionContrast = "MAGNITUDE", "UNKNOWN"


def _heart() -> Dataset:
    from pydicom.sr.codedict import codes

    return _item(AnatomicRegionSequence=[coded(codes.SCT.Heart)], FrameLaterality="U")


def _item(**attributes: Any) -> Dataset:
    from pydicom.dataset import Dataset

    item = Dataset()
    for name, value in attributes.items():
        setattr(item, name, value)
    return item


def _frame_ms(scan: Scan) -> float:
    return scan.frame_ms or NOMINAL_CYCLE_MS / scan.n_frames
