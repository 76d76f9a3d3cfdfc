"""Pixels of DICOM frames: decoded, the right way round, in real values.

pydicom reads what is not coded, and run lengths (RLE); the JPEG family goes through another process
(`dicom_decode`). Where small values mean bright (MONOCHROME1), they are turned round, so that blood
is bright in every cine.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cmr_synth.errors import InputError
from cmr_synth.imaging.dicom_decode import decoded
from cmr_synth.imaging.dicom_header import Frame, as_number, short

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_JPEG = ("JPEG", "High-Throughput JPEG")  # beginnings of the names of transfer syntaxes
SIDE_FACTOR = 2  # a coded picture larger than this times the promised one is refused undecoded


def read_pixels(frames: Sequence[Frame]) -> list[npt.NDArray[np.float32]]:
    """Read the pixels of frames, each file once.

    Parameters
    ----------
    frames : sequence of Frame
        In any order.

    Returns
    -------
    list of (y, x) float32 arrays
        In the order of `frames`.

    Raises
    ------
    InputError
        If a file cannot be decoded, or holds other pixels than its header says.
    """
    wanted: dict[Path, list[int]] = {}
    for number, frame in enumerate(frames):
        wanted.setdefault(frame.path, []).append(number)
    found: dict[int, npt.NDArray[np.float32]] = {}

    def take(data: Dataset, volume: npt.NDArray[Any], path: Path) -> None:
        volume = volume if volume.ndim == 3 else volume[None]
        for number in wanted[path]:
            frame = frames[number]
            if frame.index >= len(volume) or volume.shape[1:] != frame.shape:
                raise InputError(
                    f"{path.name}: holds {_times(volume.shape)} pixels, its header says "
                    f"{_times(frame.shape)}. It is damaged: export the series again."
                )
            found[number] = _real(volume[frame.index], data, frame.index)

    coded: dict[Path, Dataset] = {}
    for path in wanted:
        with _one_line(path):
            data = _whole(path)
            if _is_coded(data):
                _require_honest_size(data, path)
                del data.PixelData  # decoded elsewhere
                coded[path] = data
            else:
                take(data, np.asarray(data.pixel_array), path)
    if coded:
        with decoded(list(coded)) as results:
            for path, data in coded.items():
                with _one_line(path):
                    take(data, np.load(results[path], allow_pickle=False), path)
    return [found[number] for number in range(len(frames))]


def is_inverted(header: Dataset) -> bool:
    """Whether small values are shown bright."""
    return str(header.get("PhotometricInterpretation", "")).upper() == "MONOCHROME1"


@contextmanager
def _one_line(path: Path) -> Iterator[None]:
    """Turn whatever pydicom raises of a damaged file into one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (MemoryError, InputError):
        raise
    except Exception as error:
        raise InputError(
            f"{path.name}: the pixels cannot be read ({short(error)}). If they are compressed "
            "or the file is truncated, export the series again, uncompressed."
        ) from error


def _whole(path: Path) -> Dataset:
    from pydicom import dcmread

    data = dcmread(path, force=True)
    if "PixelData" not in data:
        raise InputError(
            f"{path.name}: holds no pixels. It is truncated or damaged: export the series again."
        )
    return data


def _is_coded(data: Dataset) -> bool:
    syntax = getattr(data.file_meta, "TransferSyntaxUID", None)
    return syntax is not None and syntax.is_compressed and syntax.name.startswith(_JPEG)


def _require_honest_size(data: Dataset, path: Path) -> None:
    """Refuse coded pictures that are far larger than the header says, before they are decoded."""
    from pydicom.encaps import generate_fragments

    rows, columns = int(data.Rows), int(data.Columns)
    for fragment in generate_fragments(data.PixelData):
        coded = _coded_size(fragment)
        if coded is not None and (
            coded[0] > SIDE_FACTOR * rows or coded[1] > SIDE_FACTOR * columns
        ):
            raise InputError(
                f"{path.name}: holds a coded picture of {_times(coded)} pixels, its header says "
                f"{rows} x {columns}. It is damaged: export the series again."
            )


def _coded_size(coded: bytes) -> tuple[int, int] | None:
    """Rows and columns that a JPEG, JPEG-LS or JPEG 2000 stream states, if it states any."""
    if coded[:4] == b"\xff\x4f\xff\x51" and len(coded) >= 24:  # JPEG 2000: SOC, SIZ
        size = [int.from_bytes(coded[i : i + 4], "big") for i in (8, 12, 16, 20)]
        return size[1] - size[3], size[0] - size[2]
    if coded[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 9 <= len(coded) and coded[at] == 0xFF:
        marker = coded[at + 1]
        is_frame = 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) or marker == 0xF7
        if is_frame:
            return (
                int.from_bytes(coded[at + 5 : at + 7], "big"),
                int.from_bytes(coded[at + 7 : at + 9], "big"),
            )
        at += 2 + int.from_bytes(coded[at + 2 : at + 4], "big")
    return None


def _real(stored: npt.NDArray[Any], data: Dataset, index: int) -> npt.NDArray[np.float32]:
    """Stored values in real ones, bright where blood is."""
    values = stored.astype(np.float32)
    if is_inverted(data):
        bits = int(data.BitsStored)
        lowest, highest = (0, 2**bits - 1)
        if int(data.get("PixelRepresentation", 0) or 0) == 1:
            lowest, highest = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        values = np.float32(lowest + highest) - values
    slope, intercept = _rescale(data, index)
    return values * np.float32(slope) + np.float32(intercept)


def _rescale(data: Dataset, index: int) -> tuple[float, float]:
    """Slope and intercept of one frame; a slope of 0 or none means the values as stored."""
    places = [data]
    for name, item in (
        ("SharedFunctionalGroupsSequence", 0),
        ("PerFrameFunctionalGroupsSequence", index),
    ):
        groups = data.get(name)
        if groups is not None and item < len(groups):
            inner = groups[item].get("PixelValueTransformationSequence")
            if inner:
                places.append(inner[0])
    slope = intercept = None
    for place in places:
        slope = as_number(place.get("RescaleSlope")) or slope
        found = as_number(place.get("RescaleIntercept"))
        intercept = intercept if found is None else found
    return slope or 1.0, intercept or 0.0


def _times(shape: Sequence[int]) -> str:
    return " x ".join(str(n) for n in shape)
