"""Conventions convert both ways, unknown numbers are refused, and topology tells LV from RV."""

from __future__ import annotations

import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from cmr_synth.anatomy.labels import (
    CONVENTIONS,
    INFARCT,
    LV,
    MYO,
    NO_REFLOW,
    RV,
    STRUCTURES,
    UNLABELLED,
    convert,
    guess_convention,
    is_heart,
    one_hot,
    revert,
    scar_as_myocardium,
    translate,
)
from cmr_synth.anatomy.template import SIZES, draw_slice, draw_stack
from cmr_synth.errors import InputError

engine_labels = arrays(
    np.uint8, array_shapes(max_dims=4, max_side=5), elements=st.sampled_from([0, 1, 2, 3, 255])
)


def test_importing_anatomy_loads_nothing_heavy():
    code = (
        "import sys, cmr_synth.anatomy.labels, cmr_synth.anatomy.template, "
        "cmr_synth.anatomy.plausibility, cmr_synth.anatomy.measurements; "
        "print([m for m in ('torch', 'scipy', 'skimage', 'qtpy') if m in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert loaded.stdout.strip() == "[]", loaded.stderr


@pytest.mark.parametrize("convention", CONVENTIONS)
@given(labels=engine_labels)
def test_convert_undoes_revert(convention, labels):
    there = revert(labels, convention)
    back = convert(there, convention)
    assert back.dtype == np.uint8
    np.testing.assert_array_equal(back, labels)


def test_acdc_numbers_are_swapped_and_mnms_numbers_are_kept():
    file_numbers = np.array([0, 1, 2, 3, 255])
    assert convert(file_numbers, "acdc").tolist() == [0, RV, MYO, LV, 255]
    assert convert(file_numbers, "mnms").tolist() == [0, LV, MYO, RV, 255]
    assert convert(file_numbers, "ukbb").tolist() == [0, LV, MYO, RV, 255]


def test_convert_returns_a_new_array():
    labels = np.array([1], dtype=np.uint8)
    convert(labels, "mnms")[0] = 0
    assert labels[0] == 1


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 4], r"patient012_gt: found label 4, ACDC has 0 to 3\. .*--labels"),
        ([9, 4, 3], r"found labels 4, 9, ACDC has 0 to 3"),
        ([0.0, 1.5], r"found 1\.5 where labels are whole numbers"),
        ([-1, 1], r"labels run from -1 to 1"),
        ([0, 700], r"labels run from 0 to 700"),
        ([0.0, np.nan], r"patient012_gt: labels run from"),
    ],
)
def test_convert_refuses_other_numbers(labels, message):
    with pytest.raises(InputError, match=message):
        convert(np.array(labels), "acdc", name="patient012_gt")


def test_whole_numbers_in_float_arrays_are_accepted():
    assert convert(np.array([0.0, 3.0]), "acdc").tolist() == [0, LV]


def test_unknown_convention_lists_the_known_ones():
    with pytest.raises(InputError, match=r"'nnunet'; known are acdc, mnms, ukbb"):
        convert(np.zeros(1, np.uint8), "nnunet")


def test_revert_refuses_what_is_no_engine_label():
    with pytest.raises(InputError, match=r"found 7 where engine labels"):
        revert(np.array([7]), "acdc")


@given(labels=engine_labels)
def test_one_hot_is_one_per_known_pixel(labels):
    channels = one_hot(labels)
    assert channels.shape == (4, *labels.shape)
    assert channels.dtype == np.float32
    np.testing.assert_array_equal(channels.sum(axis=0), labels != 255)
    for label in (0, *STRUCTURES.values()):
        np.testing.assert_array_equal(channels[label] == 1, labels == label)


@pytest.mark.parametrize("anatomy", SIZES)
@pytest.mark.parametrize("phase", ["ED", "ES"])
@pytest.mark.parametrize("convention", ["acdc", "mnms"])
def test_drawn_hearts_are_recognised(convention, phase, anatomy):
    stack = revert(draw_stack(phase=phase, anatomy=anatomy, seed=3), convention)
    for mask in (stack, stack[2], stack[np.newaxis]):  # 3D, 2D, 4D
        guess = guess_convention(mask)
        assert guess.convention == convention
        assert guess.confidence > 0.9
        assert "borders" in guess.reason


@pytest.mark.parametrize(("missing", "left"), [(LV, "RV"), (RV, "LV")])
@pytest.mark.parametrize("convention", ["acdc", "mnms"])
def test_one_cavity_and_the_myocardium_are_enough(convention, missing, left, heart):
    heart[heart == missing] = 0
    guess = guess_convention(revert(heart, convention))
    assert guess.convention == convention
    assert 0.5 < guess.confidence < 1
    assert f"taken for the {left}" in guess.reason


@pytest.mark.parametrize("convention", ["acdc", "mnms"])
def test_without_myocardium_shape_decides_with_less_confidence(convention, heart):
    heart[heart == MYO] = 255
    guess = guess_convention(revert(heart, convention))
    assert guess.convention == convention
    assert 0 < guess.confidence <= 0.7
    assert "rounder" in guess.reason


def test_one_cavity_alone_decides_nothing(heart):
    guess = guess_convention(np.where(heart == LV, 1, 0))
    assert guess.confidence == 0
    assert "Name the convention" in guess.reason


def test_myocardium_alone_is_the_same_in_every_convention(heart):
    guess = guess_convention(np.where(heart == MYO, MYO, 0))
    assert guess.confidence == 1


def test_confidence_falls_as_the_myocardium_is_worn_away():
    heart = draw_slice(seed=2)
    columns = np.arange(heart.shape[1])
    confidences = []
    for cut in (0, 75, 85, 95):  # the septum goes first, then the rest
        worn = heart.copy()
        worn[(worn == MYO) & (columns < cut)] = 0
        confidences.append(guess_convention(worn).confidence)
    assert confidences == sorted(confidences, reverse=True)
    assert confidences[-1] < confidences[0]


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((4, 4), np.uint8), "every pixel is background"),
        (np.full((4, 4), 4), r"found label 4, every known convention has 0 to 3"),
        (np.ones(4, np.uint8), r"has 1 dimensions"),
    ],
)
def test_guess_refuses_what_is_no_heart(mask, message):
    with pytest.raises(InputError, match=message):
        guess_convention(mask)


def test_acdc_patients_are_recognised(data_root):
    files = sorted(data_root.glob("acdc/training/patient*/*_gt.nii.gz"))[::20]
    if not files:
        pytest.skip("no ACDC patients in the data folder")
    for file in files:
        mask = np.asarray(nib.load(file).dataobj).astype(np.uint8).T  # (x, y, z) -> (z, y, x)
        guess = guess_convention(mask, name=file.name)
        assert (guess.convention, guess.confidence) == ("acdc", 1.0)


def test_patients_without_myocardium_are_recognised(data_root):
    files = list(data_root.glob("chla_chd/*.npz"))
    if not files:
        pytest.skip("no CHLA patients in the data folder")
    with np.load(files[0]) as patients:
        masks = [patients[key] for key in sorted(patients.files) if key.endswith("_mask")]
    guesses = [guess_convention(mask) for mask in masks[::4]]
    assert {guess.convention for guess in guesses} == {"acdc"}
    assert max(guess.confidence for guess in guesses) <= 0.7


def test_scar_is_part_of_the_wall():
    labels = np.array([[0, LV, MYO], [INFARCT, NO_REFLOW, 255]], np.uint8)
    np.testing.assert_array_equal(
        scar_as_myocardium(labels), [[0, LV, MYO], [MYO, MYO, UNLABELLED]]
    )
    assert is_heart(labels).sum() == 4
    with pytest.raises(InputError, match="found 4, 5 where engine labels"):
        one_hot(labels)  # networks of three structures are never given scar
    assert one_hot(scar_as_myocardium(labels)).shape == (4, 2, 3)


def test_a_table_translates_any_numbers():
    mask = np.array([[0, 500], [600, 255]], np.int32)
    ours = translate(mask, {0: 0, 500: LV, 600: RV}, source="MM-WHS")
    np.testing.assert_array_equal(ours, [[0, LV], [RV, UNLABELLED]])
    with pytest.raises(InputError, match="m: found label 500, ACDC has 0, 1"):
        translate(mask[:1], {0: 0, 1: RV}, name="m", source="ACDC")
