"""Raw data: what a scanner measured is believed only where it fits together."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from cmr_synth.errors import InputError
from cmr_synth.imaging.ismrmrd import is_raw, read_raw


@pytest.fixture
def raw(tmp_path, hearts, write_raw):
    """An ISMRMRD file of two slices in two phases, 96 lines of two coils."""
    path = tmp_path / "scan.h5"
    write_raw(path, 900 * hearts[:, 16:-16, 16:-16].numpy())
    return path


def changed(path, change):
    """Write the table of lines anew, its heads changed by a function."""
    with h5py.File(path, "r+") as file:
        table = file["dataset/data"][()]
        change(table)
        del file["dataset/data"]
        file["dataset/data"] = table


def test_phases_slices_and_coils_are_read(raw):
    assert is_raw(raw)
    found = read_raw(raw)
    assert found.kspace.shape == (2, 2, 2, 96, 192)
    assert found.measured.all() and found.lines_measured == 1
    assert np.abs(found.kspace[1]).sum() == pytest.approx(np.abs(found.kspace[0]).sum() / 2)
    assert read_raw(raw, first_phase=True).kspace.shape == (1, 2, 2, 96, 192)
    scan = found.scan(np.zeros((2, 2, 96, 192), np.float32))
    assert scan.shape == (2, 2, 96, 96)


def test_noise_scans_are_no_lines_and_a_later_contrast_is_left_out(raw):
    def later(table):
        head = table["head"]
        idx = head.dtype["idx"]
        wide = np.dtype([*((n, idx[n]) for n in idx.names), ("contrast", "<u2")])
        new = np.dtype([(n, wide if n == "idx" else head.dtype[n]) for n in head.dtype.names])
        row = np.dtype([("head", new), ("data", table.dtype["data"])])
        made = np.zeros(len(table), row)
        made["data"] = table["data"]
        for name in head.dtype.names:
            if name != "idx":
                made["head"][name] = head[name]
        for name in idx.names:
            made["head"]["idx"][name] = head["idx"][name]
        made["head"]["idx"]["contrast"] = head["idx"]["phase"]
        made["head"]["idx"]["phase"] = 0
        return made

    with h5py.File(raw, "r+") as file:
        made = later(file["dataset/data"][()])
        del file["dataset/data"]
        file["dataset/data"] = made
    found = read_raw(raw)
    assert found.kspace.shape[0] == 1
    assert found.notes == ("scan.h5: holds 2 of contrast; the first is read.",)


def test_missing_coils_are_one_line(raw):
    def fewer(table):
        table["head"]["active_channels"][9] = 1

    changed(raw, fewer)
    with pytest.raises(InputError, match="line 9 is of 1 coils and others are of 2; coils are mis"):
        read_raw(raw)


def test_a_header_of_more_coils_than_the_lines_have_is_one_line(raw):
    with h5py.File(raw, "r+") as file:
        text = file["dataset/xml"][0].decode()
        more = (
            "<acquisitionSystemInformation><receiverChannels>8</receiverChannels>"
            "</acquisitionSystemInformation><encoding>"
        )
        file["dataset/xml"][0] = text.replace("<encoding>", more)
    with pytest.raises(InputError, match="header states 8 coils, and its lines hold 2"):
        read_raw(raw)


def test_heads_that_cannot_be_true_are_one_line(raw):
    def wide(table):
        table["head"]["center_sample"][5] = 400

    changed(raw, wide)
    with pytest.raises(InputError, match="line 5 lies beyond the matrix of 192 x 96"):
        read_raw(raw)


def test_lines_in_another_file_are_not_read(raw, tmp_path):
    with h5py.File(raw, "r+") as file:
        del file["dataset/data"]
        file["dataset/data"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/dataset/data")
    with pytest.raises(InputError, match="holds no dataset/data of its own"):
        read_raw(raw)


def test_no_raw_data_is_one_line(tmp_path):
    path = tmp_path / "text.h5"
    path.write_text("none")
    assert not is_raw(path)
    with pytest.raises(InputError, match="text.h5: not a readable ISMRMRD file") as told:
        read_raw(path)
    assert "\n" not in str(told.value)
