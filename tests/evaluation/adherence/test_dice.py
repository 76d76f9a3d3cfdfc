"""Dice by patient, and the interval of its mean."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.anatomy.labels import LV, MYO, RV, UNLABELLED
from cmr_synth.evaluation.adherence.dice import dice_by_patient


def blank(n: int = 1) -> np.ndarray:
    return np.zeros((n, 4, 5), dtype=np.uint8)


def test_the_mask_itself_is_found_perfectly(heart: np.ndarray) -> None:
    scores = dice_by_patient(heart[None], heart[None], np.array(["a"]))
    assert list(scores) == ["LV", "MYO", "RV"]
    assert all(values == [1.0] for values in scores.values())


def test_slices_of_a_patient_are_pooled_and_patients_are_not() -> None:
    """Pooled: 2 * 3 / (4 + 4). The mean over slices would be (1 + 0) / 2."""
    truth, found = blank(3), blank(3)
    truth[0, 0, :3] = found[0, 0, :3] = LV
    truth[1, 0, 0] = LV
    found[1, 1, 0] = LV
    truth[2, 0, :2] = LV
    found[2, 0, 1:3] = LV
    scores = dice_by_patient(found, truth, np.array(["b", "b", "a"]))
    assert scores["LV"] == pytest.approx([0.5, 0.75])  # in sorted order of patients


def test_a_structure_that_is_missed_counts_as_zero() -> None:
    truth = blank()
    truth[0, 0, :3] = RV
    assert dice_by_patient(blank(), truth, np.array(["a"]))["RV"] == [0.0]


def test_a_structure_that_is_imagined_counts_as_zero() -> None:
    found = blank()
    found[0, 0, :3] = RV
    assert dice_by_patient(found, blank(), np.array(["a"]))["RV"] == [0.0]


def test_a_structure_absent_in_both_has_no_dice() -> None:
    assert np.isnan(dice_by_patient(blank(), blank(), np.array(["a"]))["MYO"]).all()


def test_unlabelled_pixels_are_left_out() -> None:
    truth = blank()
    truth[0, 0, :2] = MYO
    found = truth.copy()
    found[0, 1:] = MYO
    with_error = dice_by_patient(found, truth, np.array(["a"]))["MYO"]
    truth[0, 1:] = UNLABELLED
    assert with_error < 0.5
    assert dice_by_patient(found, truth, np.array(["a"]))["MYO"] == [1.0]


def test_more_damage_lowers_it(heart: np.ndarray) -> None:
    damaged = [np.roll(heart, shift, axis=1)[None] for shift in (0, 1, 3, 8)]
    for structure in ("LV", "MYO", "RV"):
        values = [
            dice_by_patient(found, heart[None], np.array(["a"]))[structure][0] for found in damaged
        ]
        assert values == sorted(values, reverse=True)
        assert values[0] > values[-1]


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="shapes differ"):
        dice_by_patient(blank(2), blank(1), np.array(["a"]))
    with pytest.raises(ValueError, match="2 patients"):
        dice_by_patient(blank(1), blank(1), np.array(["a", "b"]))
