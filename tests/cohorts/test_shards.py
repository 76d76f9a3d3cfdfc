"""Slices in several files are seen as one array."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from cmr_synth.cohorts import shards
from cmr_synth.cohorts.shards import Planes, Shards, read_text, write_shard

COUNTS = (3, 0, 1, 4)


@pytest.fixture
def whole():
    return np.random.default_rng(0).integers(0, 255, (sum(COUNTS), 6, 4), np.uint8)


@pytest.fixture
def files(whole, tmp_path):
    paths, first = [], 0
    for number, count in enumerate(COUNTS):
        some = whole[first : first + count]
        paths.append(tmp_path / f"{number}.safetensors")
        write_shard(paths[-1], {"images": some, "labels": 255 - some, "covered": some}, [number])
        first += count
    return Shards(paths, COUNTS, (6, 4))


@pytest.mark.parametrize(
    "index",
    [
        0,
        -1,
        np.int64(3),
        slice(None),
        slice(6, 1, -2),
        slice(3, 3),
        [7, 0, 0, 3],
        np.array([], int),
        np.array([[1, 2], [7, 0]]),
        np.arange(8) % 3 == 0,
        (np.array([5, 1]), slice(1, 4), slice(0, 2)),
        (2, 1),
        (slice(0, 0), slice(1, 4)),
        ...,
    ],
    ids=str,
)
def test_indexing_is_numpys(index, files, whole):
    np.testing.assert_array_equal(Planes(files, "images")[index], whole[index])
    np.testing.assert_array_equal(Planes(files, "labels")[index], 255 - whole[index])


@pytest.mark.parametrize("index", [8, -9, [3, 8]])
def test_beyond_the_end_is_an_index_error(index, files):
    with pytest.raises(IndexError, match="out of bounds"):
        Planes(files, "images")[index]


def test_numpy_takes_it_for_an_array(files, whole):
    planes = Planes(files, "images")
    assert planes.shape == whole.shape and len(planes) == 8 and planes.dtype == np.uint8
    np.testing.assert_array_equal(planes == 7, whole == 7)
    np.testing.assert_array_equal(planes[planes > 100], whole[whole > 100])
    np.testing.assert_array_equal(np.concatenate([planes, whole]), np.concatenate([whole, whole]))
    np.testing.assert_array_equal(np.stack(list(planes)), whole)


def test_few_files_are_open_at_once(files, whole, monkeypatch):
    monkeypatch.setattr(shards, "_OPEN_MOST", 1)
    np.testing.assert_array_equal(Planes(files, "images")[::-1], whole[::-1])
    assert len(files._open) == 1


def test_another_process_opens_the_files_itself(files, whole):
    planes = Planes(files, "images")
    np.testing.assert_array_equal(planes, whole)
    assert len(pickle.dumps(planes)) < 2000
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(planes)), whole)


def test_a_shard_says_what_it_was_made_of(files):
    assert [read_text(path) for path in files.paths] == [[0], [1], [2], [3]]
