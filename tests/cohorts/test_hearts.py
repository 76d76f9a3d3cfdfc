"""Whole hearts: both phases of each person once; whoever is left out is named."""

import numpy as np
import pytest

from cmr_synth.anatomy.labels import UNLABELLED
from cmr_synth.cohorts.hearts import read_hearts


def test_both_phases_of_a_person_come_together(tmp_path, layouts):
    drawn = layouts["acdc"](tmp_path)
    left_out = []
    hearts = list(read_hearts("acdc", tmp_path, left_out))
    assert [(h.patient, h.pathology) for h in hearts] == [
        ("patient001", "dcm"),
        ("patient002", "normal"),
    ]
    for heart in hearts:
        assert np.array_equal(heart.ed, drawn[heart.patient, "ED"])
        assert np.array_equal(heart.es, drawn[heart.patient, "ES"])
        assert heart.split in ("train", "validation", "test")
    assert not left_out


def test_a_person_without_a_phase_is_left_out(tmp_path, layouts):
    layouts["acdc"](tmp_path)
    (tmp_path / "patient002" / "patient002_frame12_gt.nii.gz").unlink()
    left_out = []
    assert [h.patient for h in read_hearts("acdc", tmp_path, left_out)] == ["patient001"]
    assert "patient002" in [one.what for one in left_out]
    assert left_out[-1].reason.startswith("has no ES")


def test_partly_labelled_hearts_are_left_out(tmp_path, layouts):
    layouts["chla"](tmp_path)
    left_out = []
    assert not list(read_hearts("chla", tmp_path, left_out))
    assert all("unlabelled pixels" in one.reason for one in left_out)
    assert UNLABELLED == 255


def test_nobody_counts_twice(data_root):
    root = data_root / "acdc" / "training"
    if not root.is_dir():
        pytest.skip("no ACDC patients in the data folder")
    left_out = []
    patients = [h.patient for h in read_hearts("acdc", root, left_out)]
    assert len(patients) == 99 and "patient076" not in patients
    assert [one.reason for one in left_out] == [
        "is patient074 examined again; each person counts once."
    ]
