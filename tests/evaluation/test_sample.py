"""Samples: what they refuse, and what they know of their slices."""

from __future__ import annotations

from dataclasses import replace

import nibabel
import numpy as np
import pytest

from cmr_synth.anatomy.template import draw_slice
from cmr_synth.cohorts.slices import SliceSet
from cmr_synth.errors import InputError
from cmr_synth.evaluation.sample import (
    Sample,
    joined,
    read_sample,
    real_sample,
    require_disjoint,
    require_masks,
)
from tests.evaluation.conftest import drawn_sample


def test_levels_are_thirds_from_base_to_apex(sample):
    assert set(sample.levels) == {"basal", "mid", "apical"}
    by_z = {row.z: level for row, level in zip(sample.rows, sample.levels, strict=True)}
    assert by_z == {0.0: "basal", 0.5: "mid", 1.0: "apical"}


def test_patients_of_two_cohorts_with_one_number_differ(sample):
    rows = (replace(sample.rows[0], cohort="other"), *sample.rows[1:])
    other = Sample("x", sample.pixels, sample.labels, rows, sample.spacing)
    assert other.patients[0] == "other p0" and other.patients[1] == "drawn p0"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_pixels_that_are_not_finite_are_refused(sample, bad):
    pixels = sample.pixels.copy()
    pixels[7, 3, 3] = bad
    with pytest.raises(InputError, match=r"slice 7 \(p1\) holds NaN or infinite"):
        replace(sample, pixels=pixels)


def test_a_constant_picture_is_refused(sample):
    pixels = sample.pixels.copy()
    pixels[2] = 0.5
    with pytest.raises(InputError, match=r"slice 2 \(p0\) has the same value 0.5 everywhere"):
        replace(sample, pixels=pixels)


def test_arrays_that_do_not_fit_are_a_mistake(sample):
    with pytest.raises(ValueError, match="do not fit together"):
        replace(sample, labels=sample.labels[:-1])


def test_taking_some_keeps_their_rows(sample):
    some = sample.take(sample.patients == "drawn p2")
    assert len(some) == 6 and set(some.patients) == {"drawn p2"}
    np.testing.assert_array_equal(some.pixels, sample.pixels[12:18])


def test_patients_on_both_sides_are_listed(sample):
    other = drawn_sample(3, seed=1, name="training")
    with pytest.raises(InputError, match=r"3 patients are both in training and in drawn: drawn p0"):
        require_disjoint(other, sample)
    require_disjoint(drawn_sample(3, prefix="q", name="training"), sample)


def test_masks_without_a_heart_are_refused(sample):
    labels = sample.labels.copy()
    labels[3] = 0
    with pytest.raises(InputError, match="1 of 36 slices have no heart"):
        require_masks(replace(sample, labels=labels))


def test_a_split_without_slices_is_refused(sample):
    wide = np.pad(sample.pixels, ((0, 0), (16, 16), (16, 16)))
    slices = SliceSet(
        (wide * 255).astype(np.uint8),
        np.pad(sample.labels, ((0, 0), (16, 16), (16, 16))),
        np.ones(wide.shape, np.uint8),
        sample.rows,
        {"spacing_mm": 1.5},
    )
    assert len(real_sample(slices, "test")) == 36
    with pytest.raises(InputError, match="no train slices of any cohort"):
        real_sample(slices, "train")


def test_a_folder_of_images_and_masks_is_read(tmp_path):
    rng = np.random.default_rng(0)
    for patient in "ab":
        mask = np.stack([draw_slice(level=level) for level in ("basal", "mid", "apical")])
        picture = np.array([40, 200, 80, 190])[mask] + rng.normal(0, 5, mask.shape)
        affine = np.diag([1.5, 1.5, 8, 1])
        for array, ending in ((picture, ""), (mask, "_gt")):
            image = nibabel.Nifti1Image(array.T.astype(np.float32), affine)
            image.to_filename(tmp_path / f"{patient}1_ED{ending}.nii.gz")
    (tmp_path / "cohort.yaml").write_text("labels: mnms\nvendor: ge\n")
    events = list(read_sample("folder", tmp_path))
    found = events[-1]
    assert isinstance(found, Sample) and len(events) == 3
    assert len(found) == 6 and found.pixels.shape[1:] == (128, 128)
    assert set(found.vendors) == {"ge"} and len(set(found.patients)) == 2
    assert set(np.unique(found.labels)) == {0, 1, 2, 3}


def test_real_slices_are_those_of_the_split_and_the_cohorts(sample):
    rows = tuple(
        replace(row, cohort="other" if i == 0 else "acdc", split="test" if i >= 24 else "train")
        for i, row in enumerate(sample.rows)
    )
    wide = np.random.default_rng(0).integers(0, 256, (36, 160, 160), dtype=np.uint8)
    labels = np.pad(sample.labels, ((0, 0), (16, 16), (16, 16)))
    slices = SliceSet(wide, labels, np.ones_like(wide), rows, {"spacing_mm": 1.25})
    test = real_sample(slices, "test")
    assert list(np.unique(test.patients)) == ["acdc p4", "acdc p5"] and test.spacing == 1.25
    assert test.pixels.shape == test.labels.shape == (12, 128, 128)
    assert test.pixels.min() >= 0 and test.pixels.max() <= 1
    np.testing.assert_array_equal(test.labels, labels[24:, 16:144, 16:144])
    assert len(real_sample(slices, "train", ["acdc"])) == 23


def test_the_spacing_is_asked_for_and_not_made_up(sample):
    with pytest.raises(TypeError, match="spacing"):
        Sample("x", sample.pixels, sample.labels, sample.rows)


def test_samples_of_one_spacing_are_joined(sample):
    other = drawn_sample(2, prefix="q", name="more")
    both = joined([sample, other], name="both")
    assert len(both) == 48 and both.spacing == 1.5 and both.name == "both"
    with pytest.raises(ValueError, match="drawn 1.5 mm, more 1.4 mm"):
        joined([sample, replace(other, spacing=1.4)], name="both")
