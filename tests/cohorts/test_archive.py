"""Archives from anywhere: plain arrays come back, everything else is one line."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from cmr_synth.cohorts.archive import open_npz
from cmr_synth.errors import InputError

ARRAYS = {
    "image": np.arange(24, dtype=np.int16).reshape(2, 3, 4),
    "names": np.array(["a-0001", "b-0002"]),
    "one": np.array(7.0),
    "none": np.zeros((0, 4)),
    "columns": np.asfortranarray(np.eye(3)),
    "zeros": np.zeros((500, 500)),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.npz"


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_come_back(save, path):
    save(path, **ARRAYS)
    read = open_npz(path)
    assert read.keys() == ARRAYS.keys()
    for key, value in ARRAYS.items():
        np.testing.assert_array_equal(read[key], value)


def header(shape, dtype="<f8", data=b""):
    """Bytes of an .npy file whose header states something."""
    stated = repr({"descr": dtype, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(stated).to_bytes(2, "little") + stated + data


def as_npy(array):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        header((10**6, 10**6)),
        header((10**30,)),
        header((-1, -8), data=bytes(64)),
        header((4,), data=bytes(8)),
        header((2,), data=bytes(64)),
        header("many"),
        header((1,), dtype="O", data=bytes(8)),
        header((1,), dtype=None, data=bytes(8)),
        header((1,), dtype=["x"], data=bytes(8)),
        header((1,)).replace(b"{", b"("),
        header((1,)).replace(b"\x01\x00", b"\x09\x00", 1),
        as_npy(np.array([{"a": 1}], dtype=object)),
        b"\x93NUM",
        b"",
    ],
    ids=["huge", "beyond 64 bits", "negative", "short", "long", "no shape", "objects", "no type"]
    + ["odd type", "no header", "no version", "pickle", "a start", "empty"],
)
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_damaged_array_is_one_line(method, data, path):
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("a.npy", data)
    refused(path)


@pytest.mark.parametrize("name", ["a.txt", "folder/", "a"])
def test_another_kind_of_member_is_one_line(name, path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, b"")
    refused(path, "is no array")


def test_a_size_that_cannot_be_is_one_line(path):
    """The table of contents promises a terabyte, and so does the array's header."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", header((2**31,), data=bytes(64)))
        info = archive.getinfo("a.npy")
        info.file_size = 2**31 * 8 + len(header((2**31,)))
    refused(path, "tells a size of")


@pytest.mark.parametrize("where", [0.3, 0.5, 0.7])
def test_damaged_bytes_are_one_line(where, path):
    noise = np.random.default_rng(0).integers(0, 9, (50, 50), dtype=np.uint8)
    np.savez_compressed(path, a=noise)
    data = bytearray(path.read_bytes())
    place = int(where * len(data))
    data[place : place + 20] = b"\xff" * 20
    path.write_bytes(data)
    refused(path)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"text", as_npy(np.eye(3))])
def test_what_is_no_archive_is_one_line(data, path):
    path.write_bytes(data)
    refused(path)


def refused(path, words=""):
    with pytest.raises(
        InputError, match=f"a.npz: not a readable NumPy archive .*{words}"
    ) as caught:
        open_npz(path)
    assert "\n" not in str(caught.value)
