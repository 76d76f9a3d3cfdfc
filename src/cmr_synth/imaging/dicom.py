"""DICOM short-axis cines: a folder of single slices becomes one scan per stack.

The geometry comes from Image Position and Image Orientation (Patient) alone. Slice Location,
Spacing Between Slices, Instance Number and file names are not: Slice Location of one vendor is not
measured along the slice normal, and instance numbers often jump; nor is the Frame of Reference,
which some anonymisers replace file by file. Slices of one study, plane direction and grid form a
stack, even across series (some scanners store one series per slice); a stack whose slices
are not evenly spaced, not above each other, or not equally many frames long is returned as one scan
per position, with a note, because no single affine is true for it.

Slices are ordered from base to apex, that is toward the patient's left, front and feet.
"""

from __future__ import annotations

import math
import warnings
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cmr_synth.errors import InputError
from cmr_synth.imaging.scan import MAX_VOXELS, Scan, between_slices_mm, scan_name, shear_note

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

MAX_FILES = 20_000  # beyond this a folder is an archive, not an examination
SAME_DIRECTION = 1e-3  # headers round direction cosines to 6 digits, some writers to 4
SAME_POSITION_MM = 0.1
EVEN_GAP = 0.05  # largest relative deviation of a gap between slices from their mean
STRAIGHT_MM = 0.5  # how far a slice may lie beside the line through the others
ORTHONORMAL = 0.01
ASSUMED_THICKNESS_MM = 8.0  # usual for short-axis cines; only for a single slice that names none

_TO_APEX = np.array([1.0, -1.0, -1.0])  # in LPS: left, anterior, inferior
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, kw_only=True)
class DicomOrigin:
    """Where a scan came from: the files of each slice and frame, and what the scanner said.

    `files` has the order of the scan, one tuple of frames per slice.
    """

    files: tuple[tuple[Path, ...], ...]
    manufacturer: str
    series_numbers: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class _Slice:
    """The checked header of one file."""

    path: Path
    position: npt.NDArray[np.float64]  # centre of the first voxel, LPS mm
    row: npt.NDArray[np.float64]  # direction along which the column index grows
    column: npt.NDArray[np.float64]  # direction along which the row index grows
    pixel: tuple[float, float]  # (y, x) in mm
    shape: tuple[int, int]
    study: tuple[str, str]  # patient and study
    series: str
    series_number: int
    instance: str
    instance_number: int
    trigger_ms: float | None
    thickness: float | None
    manufacturer: str

    @property
    def normal(self) -> npt.NDArray[np.float64]:
        """Unit normal of the plane, pointing from base to apex."""
        normal = np.cross(self.row, self.column)
        return normal if normal @ _TO_APEX >= 0 else -normal


def is_dicom(path: str | Path) -> bool:
    """Return whether a file begins as DICOM files do."""
    try:
        with Path(path).open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def read_dicom(path: str | Path) -> list[Scan]:
    """Read every stack of short-axis slices in a folder.

    Parameters
    ----------
    path : path to a folder, or to a single slice
        Folders are searched with their subfolders; files that are not DICOM images are skipped.

    Returns
    -------
    list of Scan
        float32, (z, y, x) or (t, z, y, x), base first; ordered by series number.

    Raises
    ------
    InputError
        If there is no readable slice, or one has an impossible or missing geometry.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file or folder. Check the path.")
    slices = _unique(_headers(path))
    if not slices:
        raise InputError(f"{path}: no DICOM image found. Give the folder that holds the slices.")
    scans = []
    for group in _planes(slices):
        scans.extend(_scans_of_plane(group, scan_name(path)))
    return scans


# Headers


def _headers(path: Path) -> list[_Slice]:
    from pydicom import dcmread

    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    if len(files) > MAX_FILES:
        raise InputError(
            f"{path}: holds {len(files):,} files, at most {MAX_FILES:,} are searched. "
            "Give the folder of one examination."
        )
    slices = []
    for file in files:
        if not is_dicom(file):
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # odd UIDs and dates, which nothing here uses
                header = dcmread(file, stop_before_pixels=True)
                if "Rows" in header and "Columns" in header:
                    slices.append(_checked(header, file))
        except (InputError, MemoryError):
            raise
        except Exception as error:  # a damaged header makes pydicom raise many kinds
            raise InputError(
                f"{file.name}: the DICOM file is damaged or cannot be read ({_short(error)}). "
                "Copy or export it again."
            ) from error
    return slices


def _checked(header: Dataset, path: Path) -> _Slice:
    name = path.name
    modality = str(header.get("Modality", ""))
    if modality not in ("", "MR"):
        raise InputError(
            f"{name}: modality is {_short(modality)}, not MR. Give cardiac MR slices only."
        )
    if _number(header, "NumberOfFrames", name, default=1) != 1:
        raise InputError(
            f"{name}: holds several frames in one file (enhanced DICOM), single slices are read. "
            "Convert it to NIfTI, for example with dcm2niix."
        )
    if _number(header, "SamplesPerPixel", name, default=1) != 1:
        raise InputError(f"{name}: is a colour picture, not MR pixels. Take it out of the folder.")
    shape = (_number(header, "Rows", name), _number(header, "Columns", name))
    if not all(1 <= n <= 4096 and n == int(n) for n in shape):
        raise InputError(f"{name}: {shape[0]:g} rows, {shape[1]:g} columns. The header is damaged.")
    position = _vector(header, "ImagePositionPatient", 3, name)
    cosines = _vector(header, "ImageOrientationPatient", 6, name)
    row, column = cosines[:3], cosines[3:]
    frame = np.stack([row, column])
    if np.abs(frame @ frame.T - np.eye(2)).max() > ORTHONORMAL:
        raise InputError(
            f"{name}: Image Orientation (Patient) is {_listed(cosines)}, which is not two "
            "perpendicular directions. Export the series again."
        )
    pixel = _vector(header, "PixelSpacing", 2, name)
    if pixel.min() <= 0:
        raise InputError(
            f"{name}: Pixel Spacing is {_listed(pixel)}, it must be positive mm. "
            "Export the series again."
        )
    row = row / np.linalg.norm(row)
    column = column - (column @ row) * row  # exactly perpendicular
    thickness = _optional(header, "SliceThickness")
    return _Slice(
        path=path,
        position=position,
        row=row,
        column=column / np.linalg.norm(column),
        pixel=(float(pixel[0]), float(pixel[1])),
        shape=(int(shape[0]), int(shape[1])),
        study=(str(header.get("PatientID", "")), str(header.get("StudyInstanceUID", ""))),
        series=str(header.get("SeriesInstanceUID", "")),
        series_number=int(_optional(header, "SeriesNumber") or 0),
        instance=str(header.get("SOPInstanceUID", path)),
        instance_number=int(_optional(header, "InstanceNumber") or 0),
        trigger_ms=_optional(header, "TriggerTime"),
        thickness=thickness if thickness and thickness > 0 else None,
        manufacturer=str(header.get("Manufacturer", "") or ""),
    )


def _vector(header: Dataset, keyword: str, length: int, name: str) -> npt.NDArray[np.float64]:
    value = header.get(keyword)
    try:
        vector = np.array([float(v) for v in value], dtype=np.float64)
    except (TypeError, ValueError):
        vector = np.array([np.nan])
    if vector.size != length or not np.isfinite(vector).all():
        found = "missing" if value is None else _short(value)
        raise InputError(
            f"{name}: {keyword} is {found}, {length} numbers are "
            "needed to know where the slice lies. Export the series again from the scanner or PACS."
        )
    return vector


def _number(header: Dataset, keyword: str, name: str, *, default: float | None = None) -> float:
    number = _optional(header, keyword)
    if number is None:
        if default is None:
            raise InputError(f"{name}: {keyword} is missing or no number. Export the series again.")
        return default
    return number


def _optional(header: Dataset, keyword: str) -> float | None:
    try:
        number = float(header.get(keyword))
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _short(found: object) -> str:
    """What was found, in one line that a person can read."""
    text = " ".join(str(found).split())
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= 120 else f"{text[:117]}..."


def _listed(numbers: npt.NDArray[np.float64]) -> str:
    return ", ".join(f"{n:g}" for n in numbers)


def _unique(slices: Iterable[_Slice]) -> list[_Slice]:
    """Each image once: exports often hold copies."""
    return list({s.instance: s for s in slices}.values())


# Stacks


def _planes(slices: Sequence[_Slice]) -> list[list[_Slice]]:
    """Slices that share plane direction and grid, split by series where positions repeat."""
    groups: list[list[_Slice]] = []
    for s in sorted(slices, key=lambda s: (s.series_number, s.series, s.instance_number)):
        for group in groups:
            if _same_plane(group[0], s):
                group.append(s)
                break
        else:
            groups.append([s])
    planes = []
    for group in groups:
        by_series: dict[str, list[_Slice]] = defaultdict(list)
        for s in group:
            by_series[s.series].append(s)
        seen: list[float] = []
        repeated = False
        for members in by_series.values():
            heights = {_height(group[0], s) for s in members}
            repeated |= any(abs(h - o) <= SAME_POSITION_MM for h in heights for o in seen)
            seen.extend(heights)
        planes.extend(list(by_series.values()) if repeated else [group])
    return planes


def _same_plane(a: _Slice, b: _Slice) -> bool:
    return (
        a.study == b.study
        and a.shape == b.shape
        and bool(np.allclose(a.pixel, b.pixel, rtol=1e-4, atol=0))
        and bool(np.allclose(a.row, b.row, rtol=0, atol=SAME_DIRECTION))
        and bool(np.allclose(a.column, b.column, rtol=0, atol=SAME_DIRECTION))
    )


def _height(reference: _Slice, s: _Slice) -> float:
    """Distance along the reference's normal, in mm."""
    return float(s.position @ reference.normal)


def _scans_of_plane(group: Sequence[_Slice], folder: str) -> list[Scan]:
    reference = group[0]
    name = f"{folder} series {reference.series_number}"
    stack: list[list[_Slice]] = []
    for s in sorted(group, key=lambda s: _height(reference, s)):
        if stack and _height(reference, s) - _height(reference, stack[-1][0]) <= SAME_POSITION_MM:
            stack[-1].append(s)
        else:
            stack.append([s])
    notes: list[str] = []
    stack = [_in_time(frames, name, notes) for frames in stack]
    why = _uneven(stack)
    if not why:
        return [_scan(stack, name, tuple(notes))]
    note = f"{name}: {why}, so every slice position is a scan of its own."
    return [
        _scan([frames], f"{name} position {i}", (*notes, note))
        for i, frames in enumerate(stack, start=1)
    ]


def _in_time(frames: Sequence[_Slice], name: str, notes: list[str]) -> list[_Slice]:
    """Frames of one position by trigger time, or by instance number where that is no order."""
    times = [s.trigger_ms for s in frames if s.trigger_ms is not None]
    if len(frames) == 1:
        return list(frames)
    if len(times) == len(frames) == len(set(times)):
        return sorted(frames, key=lambda s: s.trigger_ms or 0.0)
    note = f"{name}: trigger times are missing or repeated; frames are in instance order."
    if note not in notes:
        notes.append(note)
    return sorted(frames, key=lambda s: s.instance_number)


def _uneven(stack: Sequence[Sequence[_Slice]]) -> str:
    """Why no single affine or frame count fits the stack, or nothing."""
    counts = sorted({len(frames) for frames in stack})
    if len(counts) > 1:
        return f"slices have {counts[0]} to {counts[-1]} frames"
    positions = np.array([frames[0].position for frames in stack])
    if len(positions) < 2:
        return ""
    steps = np.diff(positions, axis=0)
    gaps = steps @ stack[0][0].normal
    if np.abs(gaps - gaps.mean()).max() > EVEN_GAP * gaps.mean():
        return f"slices are {gaps.min():.1f} to {gaps.max():.1f} mm apart (one may be missing)"
    line = positions[0] + np.arange(len(positions))[:, None] * steps.mean(axis=0)
    if np.linalg.norm(positions - line, axis=1).max() > STRAIGHT_MM:
        return "slices do not lie on a straight line"
    return ""


def _scan(stack: Sequence[Sequence[_Slice]], name: str, notes: tuple[str, ...]) -> Scan:
    first = stack[0][0]
    n_t, n_z = len(stack[0]), len(stack)
    if n_t * n_z * math.prod(first.shape) > MAX_VOXELS:
        raise InputError(
            f"{name}: {n_t} frames x {n_z} slices x {first.shape[0]} x {first.shape[1]} pixels, "
            f"at most {MAX_VOXELS:,} in all are read. Give fewer slices at a time."
        )
    if n_z > 1:
        step = (stack[-1][0].position - first.position) / (n_z - 1)
    else:
        thickness = first.thickness
        if thickness is None:
            thickness = ASSUMED_THICKNESS_MM
            notes += (f"{name}: no slice thickness given; {thickness:g} mm is assumed.",)
        step = first.normal * thickness
    affine = np.eye(4)
    affine[:3, 0] = first.row * first.pixel[1]
    affine[:3, 1] = first.column * first.pixel[0]
    affine[:3, 2] = step
    affine[:3, 3] = first.position
    between = between_slices_mm(affine)
    notes += shear_note(name, float(np.linalg.norm(step)), between)
    array = np.empty((n_t, n_z, *first.shape), dtype=np.float32)
    for z, frames in enumerate(stack):
        for t, s in enumerate(frames):
            array[t, z] = _pixels(s)
    times = [s.trigger_ms for s in stack[0]]
    frame_ms = None
    if n_t > 1 and times[0] is not None and times[-1] is not None and times[-1] > times[0]:
        frame_ms = (times[-1] - times[0]) / (n_t - 1)
    return Scan(
        array=array if n_t > 1 else array[0],
        spacing=(between, first.pixel[0], first.pixel[1]),
        affine=_LPS_TO_RAS @ affine,
        name=name,
        origin=DicomOrigin(
            files=tuple(tuple(s.path for s in frames) for frames in stack),
            manufacturer=first.manufacturer,
            series_numbers=tuple(sorted({s.series_number for frames in stack for s in frames})),
        ),
        frame_ms=frame_ms,
        notes=notes,
    )


def _pixels(s: _Slice) -> npt.NDArray[np.float32]:
    from pydicom import dcmread

    name = s.path.name
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = dcmread(s.path)
            pixels = np.asarray(data.pixel_array, dtype=np.float32)
            slope, intercept = (_optional(data, k) for k in ("RescaleSlope", "RescaleIntercept"))
    except MemoryError:
        raise
    except Exception as error:  # so do its decoders
        raise InputError(
            f"{name}: the pixels cannot be read ({_short(error)}). If they are compressed "
            "or the file is truncated, export the series again, uncompressed."
        ) from error
    if pixels.shape != s.shape:
        raise InputError(f"{name}: holds {pixels.shape} pixels, its header says {s.shape}.")
    return pixels * np.float32(slope or 1.0) + np.float32(intercept or 0.0)
