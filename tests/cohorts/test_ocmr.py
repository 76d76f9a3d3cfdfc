"""OCMR: a picture comes back from its raw data, and what is no readable scan is one line."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from cmr_synth.cohorts.reading import read_cohort
from cmr_synth.errors import InputError

FOUR_CHAMBER = np.array([[-1.5, 0, 0, 0], [0, 0.86, -6.5, 0], [0, -1.2, -4.6, 0], [0, 0, 0, 1]])
OBLIQUE = np.array(
    [[-1.35, 0.45, 3.111, 90], [-0.65, -0.4, -6.737, 60], [-0.06, -1.37, 2.989, 40], [0, 0, 0, 1]]
)


@pytest.fixture
def pixels():
    return np.random.default_rng(0).uniform(0, 900, (2, 96, 96)).astype(np.float32)


def test_a_picture_comes_back(tmp_path, pixels, write_raw):
    write_raw(tmp_path / "fs_1.h5", pixels)
    lost = []
    (found,) = read_cohort("ocmr", tmp_path, lost)
    np.testing.assert_allclose(found.image, pixels, atol=0.5)  # float32 over 900
    np.testing.assert_allclose(found.affine, OBLIQUE, atol=0.2)  # pixels are 1.503 mm there
    assert (found.patient, found.vendor, found.phase) == ("fs_1", "siemens", "ED")
    assert not lost


def test_what_cannot_be_reconstructed_is_left_out(tmp_path, pixels, write_raw):
    write_raw(tmp_path / "fs_1.h5", pixels)
    write_raw(tmp_path / "fs_2.h5", pixels, FOUR_CHAMBER)
    write_raw(tmp_path / "fs_3.h5", pixels, lines=30)
    (tmp_path / "fs_4.h5").write_bytes(b"no HDF5")
    (tmp_path / "us_5.h5").write_bytes(b"")
    lost = []
    assert len(list(read_cohort("ocmr", tmp_path, lost))) == 1
    reasons = {x.what: x.reason for x in lost}
    assert "long-axis view" in reasons["fs_2.h5"]
    assert "is undersampled, 31% of its lines are there" in reasons["fs_3.h5"]
    assert "not a readable ISMRMRD file" in reasons["fs_4.h5"]
    assert "is undersampled" in reasons["us_5.h5"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<x>192</x>", "<x>1920000</x>", "its header states"),
        ("cartesian", "spiral", "its lines are not Cartesian"),
        ("<ismrmrdHeader ", "<!DOCTYPE a [<!ENTITY b 'b'>]><ismrmrdHeader ", "declares entities"),
        ("<x>192</x><y>96</y>", "<x>192</x><y>40</y>", "lies beyond the matrix of 192 x 40"),
    ],
)
def test_a_header_that_cannot_be_true_is_one_line(old, new, message, tmp_path, pixels, write_raw):
    write_raw(tmp_path / "fs_1.h5", pixels)
    with h5py.File(tmp_path / "fs_1.h5", "r+") as file:
        text = file["dataset/xml"][0].decode()
        assert old in text
        file["dataset/xml"][0] = text.replace(old, new)
    with pytest.raises(InputError, match=message) as told:
        list(read_cohort("ocmr", tmp_path, []))
    assert "\n" not in str(told.value)


def test_a_line_that_is_cut_short_is_one_line(tmp_path, pixels, write_raw):
    write_raw(tmp_path / "fs_1.h5", pixels)
    with h5py.File(tmp_path / "fs_1.h5", "r+") as file:
        row = file["dataset/data"][5]
        row["data"] = row["data"][:10]
        file["dataset/data"][5] = row
    with pytest.raises(InputError, match="line 5 holds other data than its head says"):
        list(read_cohort("ocmr", tmp_path, []))
