"""The header of a DICOM file as the frames it holds: one of a slice, many of an enhanced file.

Headers of enhanced files keep a value for all frames (shared functional groups) or one for each
(per-frame functional groups); a slice keeps it at the top. `_Tags` looks in all three places.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cmr_synth.errors import InputError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

ORTHONORMAL = 0.01
MAX_SIDE = 4096
MAX_FRAMES = 20_000

MAGNITUDE = "magnitude"

_TO_APEX = np.array([1.0, -1.0, -1.0])  # in LPS: left, anterior, inferior
_KINDS = {
    "M": MAGNITUDE,
    "MAG": MAGNITUDE,
    "MAGNITUDE": MAGNITUDE,
    "M_FFE": MAGNITUDE,
    "M_SE": MAGNITUDE,
    "M_IR": MAGNITUDE,
    "M_PCA": MAGNITUDE,
    "P": "phase",
    "PHASE": "phase",
    "PHASE MAP": "phase",
    "PHASE_MAP": "phase",
    "VELOCITY": "phase",
    "VELOCITY MAP": "phase",
    "R": "real",
    "REAL": "real",
    "I": "imaginary",
    "IMAGINARY": "imaginary",
}
_GE_KINDS = (MAGNITUDE, "phase", "real", "imaginary")  # of the private (0043,102F)
_VENDORS = {  # words of Manufacturer
    "siemens": "siemens",
    "philips": "philips",
    "ge": "ge",
    "canon": "canon",
    "toshiba": "canon",
}


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The checked header of one picture.

    Parameters
    ----------
    path : Path
    index : int
        Of the picture in its file, from 0.
    position : (3,) array
        Centre of the first voxel, LPS mm.
    row, column : (3,) arrays
        Directions along which the column index and the row index grow.
    pixel : (y, x) in mm
    shape : (y, x)
    kind : str
        "magnitude", "phase", "real" or "imaginary".
    protocol : tuple of float
        Echo time in ms and flip angle; 0 if not given.
    """

    path: Path
    index: int
    position: npt.NDArray[np.float64]
    row: npt.NDArray[np.float64]
    column: npt.NDArray[np.float64]
    pixel: tuple[float, float]
    shape: tuple[int, int]
    study: tuple[str, str]  # patient and study
    series: str
    series_number: int
    description: str
    instance: str
    instance_number: int
    trigger_ms: float | None
    temporal_position: int | None
    thickness: float | None
    manufacturer: str
    field_strength_t: float | None
    kind: str
    protocol: tuple[float, float]

    @property
    def normal(self) -> npt.NDArray[np.float64]:
        """Unit normal of the plane, pointing from base to apex."""
        normal = np.cross(self.row, self.column)
        return normal if normal @ _TO_APEX >= 0 else -normal

    @property
    def told_apart_by(self) -> tuple[object, ...]:
        """What differs between two pictures to which an export gave the same identifier."""
        position = tuple(np.round(self.position, 2))
        return (
            self.instance,
            self.index,
            self.series,
            self.instance_number,
            position,
            self.trigger_ms,
            self.temporal_position,
            self.kind,
        )


class NotAnImage(InputError):
    """A file that holds something other than pictures of the heart in their place."""


def frames_of(header: Dataset, path: Path) -> list[Frame]:
    """Check the header of a file, and describe each of its pictures.

    Parameters
    ----------
    header : pydicom Dataset
    path : Path

    Raises
    ------
    NotAnImage
        If it is a report, a screenshot, of another modality, or without a place in the patient.
    InputError
        If it is an MR image whose geometry is impossible.
    """
    name = path.name
    modality = short(header.get("Modality") or "")
    if "Rows" not in header or "Columns" not in header:
        raise NotAnImage(f"{name}: holds no picture ({modality or 'no modality'}).")
    if modality not in ("", "MR"):
        raise NotAnImage(f"{name}: modality is {modality}, not MR. Give cardiac MR slices only.")
    if (optional(header, "SamplesPerPixel") or 1) != 1:
        raise NotAnImage(f"{name}: is a colour picture, not MR pixels. Take it out of the folder.")
    count = optional(header, "NumberOfFrames")
    count = 1 if count is None else count
    if not 1 <= count <= MAX_FRAMES or count != int(count):
        raise InputError(f"{name}: says that it holds {count:g} frames. The header is damaged.")
    groups = header.get("PerFrameFunctionalGroupsSequence")
    if groups is not None and len(groups) < count:
        raise InputError(
            f"{name}: says that it holds {count:g} frames and describes {len(groups)}. "
            "The header is damaged: export the series again."
        )
    if groups is None and count > 1:
        raise NotAnImage(
            f"{name}: holds several frames in one file without saying where each lies. "
            "Export it as enhanced MR or as single slices."
        )
    shared = _first(header.get("SharedFunctionalGroupsSequence"))
    return [
        _frame(_Tags(header, shared, None if groups is None else groups[i]), path, i)
        for i in range(int(count))
    ]


def vendor_of(manufacturer: str) -> str | None:
    """Name the scanner's vendor as the models know it, or None."""
    words = manufacturer.lower().replace("_", " ").split()
    return next((name for word, name in _VENDORS.items() if word in words), None)


class _Tags:
    """One frame's tags, wherever the file keeps them."""

    def __init__(self, header: Dataset, shared: Dataset | None, own: Dataset | None) -> None:
        self.header = header
        self.groups = [group for group in (own, shared) if group is not None]

    def get(self, keyword: str, *sequences: str) -> Any:
        """A value from one of the functional groups named, else from the top."""
        for group in self.groups:
            for sequence in sequences:
                inner = _first(group.get(sequence))
                if inner is not None and inner.get(keyword) is not None:
                    return inner.get(keyword)
        return self.header.get(keyword)

    def number(self, keyword: str, *sequences: str) -> float | None:
        return as_number(self.get(keyword, *sequences))


def _frame(tags: _Tags, path: Path, index: int) -> Frame:
    name = path.name
    header = tags.header
    rows, columns = (as_number(header.get(k)) or 0 for k in ("Rows", "Columns"))
    if not all(1 <= n <= MAX_SIDE and n == int(n) for n in (rows, columns)):
        raise InputError(f"{name}: {rows:g} rows, {columns:g} columns. The header is damaged.")
    position = _vector(tags, "ImagePositionPatient", 3, name, "PlanePositionSequence")
    cosines = _vector(tags, "ImageOrientationPatient", 6, name, "PlaneOrientationSequence")
    row, column = cosines[:3], cosines[3:]
    frame = np.stack([row, column])
    if np.abs(frame @ frame.T - np.eye(2)).max() > ORTHONORMAL:
        raise InputError(
            f"{name}: Image Orientation (Patient) is {_listed(cosines)}, which is not two "
            "perpendicular directions. Export the series again."
        )
    pixel = _vector(tags, "PixelSpacing", 2, name, "PixelMeasuresSequence")
    if pixel.min() <= 0:
        raise InputError(
            f"{name}: Pixel Spacing is {_listed(pixel)}, it must be positive mm. "
            "Export the series again."
        )
    row = row / np.linalg.norm(row)
    column = column - (column @ row) * row  # exactly perpendicular
    thickness = tags.number("SliceThickness", "PixelMeasuresSequence")
    trigger = tags.number("NominalCardiacTriggerDelayTime", "CardiacSynchronizationSequence")
    temporal = tags.number("TemporalPositionIndex", "FrameContentSequence")
    if trigger is None:
        trigger = as_number(header.get("TriggerTime"))
    if temporal is None:
        temporal = as_number(header.get("TemporalPositionIdentifier"))
    number = int(as_number(header.get("InstanceNumber")) or 0)
    return Frame(
        path=path,
        index=index,
        position=position,
        row=row,
        column=column / np.linalg.norm(column),
        pixel=(float(pixel[0]), float(pixel[1])),
        shape=(int(rows), int(columns)),
        study=(str(header.get("PatientID", "")), str(header.get("StudyInstanceUID", ""))),
        series=str(header.get("SeriesInstanceUID", "")),
        series_number=int(as_number(header.get("SeriesNumber")) or 0),
        description=short(header.get("SeriesDescription") or header.get("ProtocolName") or ""),
        instance=str(header.get("SOPInstanceUID", path)),
        instance_number=number if not tags.groups else index,
        trigger_ms=trigger,
        temporal_position=None if temporal is None else int(temporal),
        thickness=thickness if thickness and thickness > 0 else None,
        manufacturer=str(header.get("Manufacturer", "") or ""),
        field_strength_t=as_number(header.get("MagneticFieldStrength")),
        kind=_kind(tags),
        protocol=(
            tags.number("EffectiveEchoTime", "MREchoSequence") or optional(header, "EchoTime") or 0,
            tags.number("FlipAngle", "MRTimingAndRelatedParametersSequence") or 0,
        ),
    )


def _kind(tags: _Tags) -> str:
    """What the pixels are, from the tags in which vendors say so; magnitude if none does."""
    component = tags.get("ComplexImageComponent", "MRImageFrameTypeSequence")
    stated = str(component or "").upper()
    if stated in _KINDS:
        return _KINDS[stated]
    image_type = tags.get("FrameType", "MRImageFrameTypeSequence") or tags.get("ImageType")
    words = [image_type] if isinstance(image_type, str) else list(image_type or ())
    for word in words[2:]:  # the first two say original or derived, primary or secondary
        if str(word).upper() in _KINDS:
            return _KINDS[str(word).upper()]
    private = tags.header.get((0x0043, 0x102F))
    number = None if private is None else as_number(private.value)
    if number is not None and number in range(len(_GE_KINDS)):
        return _GE_KINDS[int(number)]
    return MAGNITUDE


def _vector(
    tags: _Tags, keyword: str, length: int, name: str, sequence: str
) -> npt.NDArray[np.float64]:
    value = tags.get(keyword, sequence)
    try:
        vector = np.array([float(v) for v in value], dtype=np.float64)
    except (TypeError, ValueError):
        vector = np.array([np.nan])
    if vector.size != length or not np.isfinite(vector).all():
        kind = NotAnImage if value is None else InputError
        found = "missing" if value is None else short(value)
        raise kind(
            f"{name}: {keyword} is {found}, {length} numbers are "
            "needed to know where the slice lies. Export the series again from the scanner or PACS."
        )
    return vector


def optional(header: Dataset, keyword: str) -> float | None:
    """A finite number, or None where there is none."""
    return as_number(header.get(keyword))


def as_number(value: Any) -> float | None:
    """A finite number, or None."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def short(found: object) -> str:
    """What was found, in one line that a person can read."""
    text = " ".join(str(found).split())
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= 120 else f"{text[:117]}..."


def _listed(numbers: npt.NDArray[np.float64]) -> str:
    return ", ".join(f"{n:g}" for n in numbers)


def _first(sequence: Any) -> Dataset | None:
    return next(iter(sequence or ()), None)
