"""Reading NumPy archives without trusting them: no pickles, every failure in one line."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path

from numpy.lib import format as npy
from numpy.typing import NDArray

from cmr_synth.errors import InputError

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
_DEFLATE = 1032  # no data shrink by more, see the zlib documentation


def open_npz(path: Path) -> dict[str, NDArray]:
    """Read all arrays of an .npz archive into memory.

    Raises
    ------
    InputError
        If the file is missing, truncated, not an archive, larger unpacked than it can be, or
        holds anything but arrays of plain numbers and text.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the folder that holds {path.name}.")
    try:
        with zipfile.ZipFile(path) as archive:
            return {
                info.filename.removesuffix(".npy"): _read(archive, info, path.stat().st_size)
                for info in archive.infolist()
            }
    except Exception as error:  # zipfile, zlib and numpy raise many kinds on damaged bytes
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{path}: not a readable NumPy archive ({reason}); download it again."
        ) from error


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, on_disk: int) -> NDArray:
    """Read one array, after its header agrees with the bytes that are there."""
    if not info.filename.endswith(".npy"):
        raise ValueError(f"{info.filename!r} is no array")
    if info.file_size > _DEFLATE * (min(info.compress_size, on_disk) + 1):
        raise ValueError(f"{info.filename!r} tells a size of {info.file_size} bytes")
    with archive.open(info) as member:
        version = npy.read_magic(member)
        if version not in _HEADERS:
            raise ValueError(f"{info.filename!r} is of format {version}")
        shape, _, dtype = _HEADERS[version](member)
        promised = math.prod(shape) * dtype.itemsize
        if promised != info.file_size - member.tell():
            raise ValueError(f"{info.filename!r} promises {promised} bytes and holds others")
    with archive.open(info) as member:
        return npy.read_array(member, allow_pickle=False)
