"""Shards: files that hold some slices of a set each, and all of them seen as one array.

A shard is a safetensors file with the tensors `images`, `labels` and `covered`, (n, rows, columns)
uint8, and a text that says what it was made of. It is written under another name first, so that
whatever is called a shard is whole; any number of processes and machines can write shards of one
folder, and read them.
"""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import NDArray

from cmr_synth.files import write_file

KEYS = ("images", "labels", "covered")
SLICES = 512  # of a shard, about: 40 MB on a grid of 160 x 160
_TEXT = "cmr_synth"
_HEADER_MOST = 100_000_000  # as safetensors has it
_OPEN_MOST = 128  # a process may keep so many files open beside its others


def write_shard(path: Path, arrays: Mapping[str, NDArray[np.uint8]], text: Any = None) -> None:
    """Write one shard.

    Parameters
    ----------
    path : Path
    arrays : mapping
        Of `KEYS`, (n, rows, columns) each.
    text : anything that JSON can hold
        See `read_text`.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    from safetensors.numpy import save_file

    with write_file(path) as temporary:
        save_file(
            {key: np.ascontiguousarray(arrays[key], dtype=np.uint8) for key in KEYS},
            temporary,
            metadata={_TEXT: json.dumps(text)},
        )


def read_text(path: Path) -> Any:
    """The text of a shard.

    Raises
    ------
    OSError, ValueError
        If it is not a whole shard.
    """
    return json.loads(_Header(path).text)


class Planes(NDArrayOperatorsMixin):
    """One tensor of many shards as an array (n, rows, columns), read where it is asked for.

    Indexing gives copies in memory, and writing is refused; anything else that NumPy does with an
    array is done with the whole of it in memory.

    Parameters
    ----------
    files : Shards
    key : str
        Of `KEYS`.
    """

    dtype = np.dtype(np.uint8)
    ndim = 3

    def __init__(self, files: Shards, key: str):
        self._files, self._key = files, key
        self.shape: tuple[int, int, int] = (len(files), *files.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: Any) -> NDArray[np.uint8]:
        first, *rest = index if isinstance(index, tuple) else (index,)
        if isinstance(first, np.ndarray) and first.ndim > 1:  # a mask of pixels
            chosen: NDArray[np.uint8] = np.asarray(self)[index]
            return chosen
        which = np.arange(len(self))[first]
        if which.ndim == 0:
            shard, place = self._files.find(int(which))
            return np.array(self._files.tensor(shard, self._key)[(place, *rest)])
        flat = which.ravel()
        made: NDArray[np.uint8] | None = None
        shards = self._files.shard_of(flat)
        for shard in np.unique(shards):
            where = np.flatnonzero(shards == shard)
            places = flat[where] - self._files.starts[shard]
            part = self._files.tensor(int(shard), self._key)[(places, *rest)]
            if made is None:
                made = np.empty((flat.size, *part.shape[1:]), np.uint8)
            made[where] = part
        if made is None:
            made = np.empty((0, *self.shape[1:]), np.uint8)[(slice(None), *rest)]
        return made.reshape(*which.shape, *made.shape[1:])

    def __setitem__(self, index: Any, value: Any) -> None:
        raise ValueError("a slice set is read-only")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray:
        return np.asarray(self[:], dtype=dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        known = [np.asarray(one) if isinstance(one, Planes) else one for one in inputs]
        return getattr(ufunc, method)(*known, **options)


class Shards:
    """The shards of a folder, in an order.

    Parameters
    ----------
    paths : sequence of Path
    counts : sequence of int
        Slices of each.
    shape : (rows, columns)

    Raises
    ------
    OSError, ValueError
        If a file is missing, or is no shard of that size.
    """

    def __init__(self, paths: Sequence[Path], counts: Sequence[int], shape: tuple[int, int]):
        self.paths, self.shape = tuple(paths), shape
        self.starts = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        for path, count in zip(paths, counts, strict=True):
            _Header(path).require(count, shape)
        self._open: OrderedDict[int, dict[str, NDArray[np.uint8]]] = OrderedDict()

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_open": OrderedDict()}  # each process maps files itself

    def shard_of(self, index: NDArray[np.int64]) -> NDArray[np.int64]:
        """Which shard holds each slice."""
        return np.searchsorted(self.starts, index, side="right") - 1

    def find(self, index: int) -> tuple[int, int]:
        """Shard of a slice, and its place there."""
        shard = int(self.shard_of(np.array([index]))[0])
        return shard, index - int(self.starts[shard])

    def tensor(self, shard: int, key: str) -> NDArray[np.uint8]:
        """A tensor of a shard, mapped from its file and read-only."""
        if shard in self._open:
            self._open.move_to_end(shard)
        else:
            self._open[shard] = _mapped(self.paths[shard])
            while len(self._open) > _OPEN_MOST:
                self._open.popitem(last=False)
        return self._open[shard][key]


class _Header:
    """What a shard's file begins with, checked against its size."""

    def __init__(self, path: Path):
        self.path = path
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(_HEADER_MOST, size - 8):
                raise ValueError(f"{path.name} is no shard")
            said = json.loads(file.read(length))
        self.start = 8 + length
        self.tensors = {key: said[key] for key in KEYS}
        self.text: str = said["__metadata__"][_TEXT]
        for key, one in self.tensors.items():
            begin, end = one["data_offsets"]
            shape = one["shape"]
            if one["dtype"] != "U8" or len(shape) != 3 or end - begin != math.prod(shape):
                raise ValueError(f"{key} of {path.name} is no array of slices")
            if not 0 <= begin <= end <= size - self.start:
                raise ValueError(f"{path.name} ends too early")

    def require(self, count: int, shape: tuple[int, int]) -> None:
        for key, one in self.tensors.items():
            if one["shape"] != [count, *shape]:
                raise ValueError(
                    f"{key} of {self.path.name} are {one['shape']}, not {[count, *shape]}"
                )


def _mapped(path: Path) -> dict[str, NDArray[np.uint8]]:
    header = _Header(path)
    return {
        key: np.memmap(
            path,
            np.uint8,
            mode="r",
            offset=header.start + one["data_offsets"][0],
            shape=tuple(one["shape"]),
        )
        if math.prod(one["shape"])
        else np.zeros(one["shape"], np.uint8)
        for key, one in header.tensors.items()
    }


Pixels = NDArray[np.uint8] | Planes
"""Slices (n, rows, columns) in memory, in one file, or in shards."""
