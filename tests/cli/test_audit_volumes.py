"""`cmr-synth audit volumes`: a stolen stack among files on disk is named."""

import csv
import json
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cmr_synth.cohorts.slices import write_slice_set
from tests.training.conftest import drawn_stacks


@pytest.fixture
def files(tmp_path):
    """A slice set of eight stacks, two of them of test patients, and three synthetic stacks."""
    drawn = drawn_stacks(9, slices=5, side=80, spacing=3.0)
    bodies = np.random.default_rng(3).normal(0, 1, (9, 80, 80))
    bodies = np.clip(60 + 600 * gaussian_filter(bodies, (0, 4, 4)), 0, 120).astype(np.uint8)
    images = np.maximum(drawn.images, np.repeat(bodies, 5, axis=0))
    rows = tuple(
        replace(row, split="test" if row.patient in ("p6", "p7") else "train")
        for row in drawn.rows[:40]
    )
    arrays = {"images": images[:40], "labels": drawn.labels[:40], "covered": drawn.covered[:40]}
    write_slice_set(tmp_path / "set", arrays, rows, drawn.about)
    affine = np.diag([-3.0, -3.0, -10.0, 1.0])
    for name, k in (("stack0000", 8), ("stack0001", 2), ("stack0002", 7)):
        own = slice(5 * k, 5 * k + 5)
        for ending, array in (("", images), ("_gt", drawn.labels)):
            path = tmp_path / "made" / f"{name}_ED{ending}.nii.gz"
            path.parent.mkdir(exist_ok=True)
            nib.save(nib.Nifti1Image(array[own].T, affine), path)
    return tmp_path


def test_a_stolen_stack_is_named(run, files):
    asked = ("--slices", files / "set", "--depth", "5", "--copies", "4", "--out", files / "audit")
    ended = run("audit", "volumes", files / "made", *asked, "--json")
    assert ended.code == 0, ended.err
    facts = json.loads(ended.out)
    assert [(s["patient"], s["nearest_patient"]) for s in facts["suspects"]] == [
        ("stack0001", "p2")
    ]
    assert facts["copies_found"] == facts["copies"] == 4 and facts["unseen_patients"] == 2
    with (files / "audit" / "nearest_stacks.csv").open(encoding="utf-8") as file:
        assert [row["patient"] for row in csv.DictReader(file)] == [
            "stack0000", "stack0001", "stack0002",
        ]  # fmt: skip


def test_a_folder_without_stacks_is_one_line(run, files):
    (files / "empty").mkdir()
    asked = ("--slices", files / "set", "--out", files / "audit")
    ended = run("audit", "volumes", files / "empty", *asked)
    assert ended.code == 1 and "holds no images with masks" in ended.line
    assert not (files / "audit").exists()
