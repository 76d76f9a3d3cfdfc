"""Every choice of preparing changes the set as it says, and is recorded in it."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.anatomy.labels import LV
from cmr_synth.cohorts.prepare import prepare
from cmr_synth.cohorts.preparing import Preparing
from cmr_synth.cohorts.slices import open_slice_set
from cmr_synth.training.batches import Batches
from cmr_synth.training.recipe import Augmentation


def prepared(folder, out, **choices):
    list(prepare([("folder", folder)], out, choices=Preparing(**choices), test=0))
    return open_slice_set(out)


def test_another_grid(folder, tmp_path):
    """256 x 256 at 0.75 mm shows the same field of view with four times as many pixels."""
    fine = prepared(folder, tmp_path / "fine", shape=(256, 256), spacing_mm=0.75)
    usual = prepared(folder, tmp_path / "usual")
    assert fine.images.shape == (32, 320, 320) and usual.images.shape == (32, 160, 160)
    assert fine.shape == (256, 256) and fine.spacing == 0.75
    there = [int(np.sum(one.labels == LV)) for one in (fine, usual)]
    assert there[0] == pytest.approx(4 * there[1], rel=0.05)
    pixels, labels = fine.crop(np.arange(2))
    assert pixels.shape == labels.shape == (2, 256, 256)
    batches = Batches(fine, augmentation=Augmentation(), seed=0)
    assert batches.batch(0, 2).images.shape == (2, 1, 256, 256)


def test_rows_and_columns_may_differ(folder, tmp_path):
    opened = prepared(folder, tmp_path / "set", shape=(64, 96), spacing_mm=2.0)
    assert opened.images.shape[1:] == (80, 120)
    batches = Batches(opened, augmentation=Augmentation(share=0), seed=0)
    assert batches.batch(0, 1).labels.shape == (1, 64, 96)


@pytest.mark.parametrize(("central", "taken"), [(1, {1}), (2, {1, 2}), (3, {0, 1, 2}), (9, None)])
def test_central_slices(central, taken, folder, tmp_path):
    opened = prepared(folder, tmp_path / "set", central=central)
    assert {row.slice for row in opened.rows} == (taken or {0, 1, 2, 3})
    assert opened.about["prepared"]["central"] == central


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"normalisation": "nix"}, "no normalisation is called 'nix'; known are percentile"),
        ({"shape": (128, 31)}, "multiple of 2|greater than or equal to 32"),
        ({"spacing_mm": 0}, "greater than or equal to 0.1"),
        ({"central": 0}, "greater than 0"),
        ({"centre": 1}, "not permitted"),
    ],
    ids=str,
)
def test_a_wrong_choice_is_refused(stated, message):
    with pytest.raises(ValueError, match=message):
        Preparing(**stated)
