"""The nearest real stack of a whole synthetic one, on planted copies."""

from dataclasses import replace

import numpy as np
import pytest

from cmr_synth.cohorts.volumes import Depth
from cmr_synth.errors import InputError
from cmr_synth.privacy.volumes import audit_volumes, nearest_volumes
from tests.training.conftest import drawn_stacks


@pytest.fixture(scope="module")
def patients() -> np.ndarray:
    return np.random.default_rng(0).random((6, 3, 32, 32))


def test_a_planted_copy_is_found_in_another_brightness_and_under_noise(patients):
    noise = np.random.default_rng(1).normal(0, 0.1, patients[:1].shape)
    place, alike, lead = nearest_volumes(0.5 * patients[[4]] + 0.2 + noise, patients)
    assert place.tolist() == [4] and alike[0] > 0.6 and lead[0] > 0.4


def test_a_copy_is_found_where_it_is_moved(patients):
    moved = np.roll(patients[[3]], (4, -4), axis=(2, 3))
    place, alike, lead = nearest_volumes(moved, patients)
    assert place.tolist() == [3] and alike[0] == pytest.approx(1) and lead[0] > 0.5


def test_somebody_else_is_not(patients):
    other = np.random.default_rng(2).random((5, 3, 32, 32))
    assert nearest_volumes(other, patients)[1].max() < 0.5
    assert nearest_volumes(patients, patients)[1] == pytest.approx(1)


def test_an_average_heart_is_like_everybody_and_has_little_lead(patients):
    _, alike, lead = nearest_volumes(patients.mean(axis=0)[None], patients)
    copied = nearest_volumes(patients, patients)[2].min()
    assert alike[0] > 0.3 and lead[0] < 0.5 * copied


def test_two_stacks_of_one_person_are_no_rivals(patients):
    both = np.concatenate([patients, patients[:1]])
    persons = np.array([*"abcdef", "a"])
    assert nearest_volumes(patients[:1], both)[2][0] == pytest.approx(0)
    assert nearest_volumes(patients[:1], both, persons)[2][0] > 0.5
    with pytest.raises(ValueError, match="volumes of"):
        nearest_volumes(patients[:1], both, np.array(["a"] * 7))


def test_slices_of_six_patients_are_like_none_of_them_as_a_whole(patients):
    """Each slice is a copy, and of another patient: the stack is nobody's."""
    mixed = np.stack([patients[k, k] for k in range(3)])[None]
    assert nearest_volumes(mixed, patients)[1][0] < 0.6


def test_one_grey_is_like_nobody_and_other_depths_are_refused(patients):
    assert nearest_volumes(np.ones((1, 3, 32, 32)), patients)[1] == 0
    with pytest.raises(ValueError, match="volumes of"):
        nearest_volumes(patients[:, :2], patients)


STACKS = Depth(axis="z", count=5, between_mm=10.0, least=3)


@pytest.fixture(scope="module")
def real():
    """Stacks of drawn hearts with a body of their own each; the last two are of test patients."""
    drawn = drawn_stacks(8, side=40, spacing=6.0)
    bodies = np.random.default_rng(3).integers(0, 120, (8, 40, 40)).astype(np.uint8)
    images = np.maximum(drawn.images, np.repeat(bodies, 4, axis=0))
    rows = tuple(
        replace(row, split="test" if row.patient in ("p6", "p7") else "train") for row in drawn.rows
    )
    return replace(drawn, images=images, rows=rows)


def part(slices, patients):
    index = [i for i, row in enumerate(slices.rows) if row.patient in patients]
    return replace(
        slices,
        images=slices.images[index],
        labels=slices.labels[index],
        covered=slices.covered[index],
        rows=tuple(slices.rows[i] for i in index),
    )


def test_a_generator_that_returns_its_patients_is_caught_and_one_of_unseen_ones_is_not(real):
    stolen = audit_volumes(part(real, {"p2"}), real, STACKS, copies=4)
    assert [one.nearest_patient for one in stolen.suspects] == ["p2"]
    assert stolen.copies_found == len(stolen.copies) == 4
    honest = audit_volumes(part(real, {"p6", "p7"}), real, STACKS)
    assert not honest.suspects and len(honest.synthetic) == 2


def test_nothing_to_compare_is_said(real):
    with pytest.raises(InputError, match="no validation stack of 3 slices"):
        audit_volumes(part(real, {"p2"}), real, STACKS, split="validation")
    with pytest.raises(InputError, match="on another grid"):
        audit_volumes(part(real, {"p2"}), replace(real, about={"spacing_mm": 2.0}), STACKS)
