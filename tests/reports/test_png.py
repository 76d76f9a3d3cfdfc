"""PNG pictures of slices: the pixels, their size in mm, and what they say of themselves."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from cmr_synth.anatomy.template import draw_stack
from cmr_synth.imaging.scan import Scan
from cmr_synth.reports.png import write_slices


def scan(array: np.ndarray) -> Scan:
    return Scan(array=array, spacing=(8.0, 1.5, 1.25), affine=np.eye(4), name="heart")


@pytest.fixture
def labels() -> np.ndarray:
    stack = draw_stack(slices=4, shape=(40, 48), spacing=(8.0, 3.0, 3.0), seed=3)
    stack[2] = 0
    return stack


def test_a_synthetic_picture_says_so_and_how_it_was_made(labels, tmp_path):
    record = {"synthetic": True, "seed": 7, "note": "Größe"}
    files = write_slices(
        scan(labels.astype(np.float32)), tmp_path, "a", window=(0, 3), description="SYNTHETIC x",
        record=record,
    )  # fmt: skip
    assert [file.name for file in files] == ["a_slice01.png", "a_slice02.png", "a_slice04.png"]
    with Image.open(files[1]) as picture:
        np.testing.assert_array_equal(np.asarray(picture), labels[1] * np.uint8(85))
        assert picture.text["Synthetic"] == "YES"
        assert picture.text["Description"] == "SYNTHETIC x"
        assert json.loads(picture.text["Record"]) == record
        x, y = (25.4 / dpi for dpi in picture.info["dpi"])
    assert (x, y) == pytest.approx((1.25, 1.5), rel=1e-3)


def test_a_real_picture_does_not_say_that_it_is_synthetic(labels, tmp_path):
    cine = np.stack([labels, labels]).astype(np.float32)
    cine[0, 0, 0, 0] = np.nan
    files = write_slices(scan(cine), tmp_path, "b")
    assert len(files) == 6 and files[0].name == "b_frame01_slice01.png"
    with Image.open(files[0]) as picture:
        assert "Synthetic" not in picture.text and "Record" not in picture.text


def test_a_mask_keeps_its_numbers_and_shows_their_colours(labels, tmp_path):
    (first, *_) = write_slices(scan(labels), tmp_path, "m", labels=True)
    with Image.open(first) as picture:
        np.testing.assert_array_equal(np.asarray(picture), labels[0])
        colours = np.asarray(picture.convert("RGB"))
    assert len(np.unique(colours.reshape(-1, 3), axis=0)) == 4
