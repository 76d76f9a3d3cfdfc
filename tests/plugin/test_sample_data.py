"""Sample data: opens without downloads, says what it is, and is in the public domain."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest

from cmr_synth.anatomy.labels import LV, MYO, RV
from napari_cmr_synth._layers import DESCRIPTION, GRID
from napari_cmr_synth._results import RECORD

PLUGIN = "napari-cmr-synth"


def open_sample(plugins, key):
    contributions = plugins.get_manifest(PLUGIN).contributions.sample_data
    return next(sample for sample in contributions if sample.key == key).open()


def test_every_sample_opens(plugins):
    for sample in plugins.get_manifest(PLUGIN).contributions.sample_data:
        for data, attributes, _ in sample.open():
            assert data.ndim == 3 and attributes["metadata"][GRID].shape == data.shape


@pytest.mark.parametrize("anatomy", ["normal", "dilated", "hypertrophic"])
def test_drawn_hearts_are_whole_and_marked(plugins, anatomy):
    ((data, attributes, layer_type),) = open_sample(plugins, f"drawn_{anatomy}")
    assert layer_type == "labels"
    assert {LV, MYO, RV} <= set(np.unique(data))
    assert attributes["metadata"][DESCRIPTION].startswith("SYNTHETIC")


def test_the_synthetic_stack_is_marked_and_follows_its_mask(plugins):
    (image, attributes, kind), (mask, of_mask, _) = open_sample(plugins, "synthetic_stack")
    assert kind == "image" and image.shape == mask.shape
    assert attributes["name"].startswith("synthetic")
    assert attributes["metadata"][DESCRIPTION].startswith("SYNTHETIC")
    assert attributes["metadata"][RECORD]["synthetic"] is True
    np.testing.assert_array_equal(attributes["scale"], of_mask["scale"])
    blood, wall = image[mask == LV], image[mask == MYO]
    assert np.median(blood) > np.median(wall) + 0.1  # cine MRI: bright blood, dark muscle


def test_sunnybrook_is_three_patients_and_fits_its_mask(plugins):
    (image, _, _), (mask, attributes, _) = open_sample(plugins, "sunnybrook")
    assert image.shape == mask.shape == (6, 160, 160)
    assert set(np.unique(mask)) == {0, LV}
    for pixels, drawn in zip(
        image, mask, strict=True
    ):  # blood is brighter than the picture as a whole
        assert np.median(pixels[drawn == LV]) > np.median(pixels)
    with np.load(str(files("cmr_synth") / "data" / "sunnybrook_sample.npz")) as arrays:
        assert len(set(arrays["patient"].tolist())) == 3


def test_the_real_slices_carry_their_licence():
    text = (files("cmr_synth") / "data" / "LICENSE-sunnybrook.txt").read_text(encoding="utf-8")
    assert "CC0 1.0" in text and "10.54294/g80ruo" in text
