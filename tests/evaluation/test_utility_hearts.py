"""New anatomy in the utility experiment: masks of hearts that nobody has, and their pictures."""

from dataclasses import replace

import numpy as np
import pytest

from cmr_synth.anatomy.labels import LV, MYO, RV
from cmr_synth.anatomy.shapes import ShapeModel
from cmr_synth.cohorts.slices import SliceSet
from cmr_synth.errors import InputError
from cmr_synth.evaluation.utility.arms import Arm
from cmr_synth.evaluation.utility.hearts import new_slices, with_pictures
from cmr_synth.evaluation.utility.sets import training_set
from cmr_synth.generators import zoo

from .conftest import drawn_sample


@pytest.fixture(scope="module")
def sample():
    sample = drawn_sample(3, 12, size=160)
    diseases = ("dcm", "hcm", "normal")
    rows = tuple(
        replace(row, pathology=diseases[k // 12 % 3], between_mm=10.0)
        for k, row in enumerate(sample.rows)
    )
    return replace(sample, rows=rows)


@pytest.fixture(scope="module")
def drawn(sample):
    return new_slices(sample.rows, ShapeModel.load(), seed=7)


def test_there_are_as_many_slices_as_training_masks_and_each_shows_a_heart(sample, drawn):
    assert drawn.labels.shape == (len(sample.rows), 128, 128) == (36, 128, 128)
    assert set(np.unique(drawn.labels)) == {0, LV, MYO, RV}
    assert all(labels.any() for labels in drawn.labels)
    assert {row.phase for row in drawn.rows} == {"ED", "ES"}
    assert all(0 <= row.z <= 1 and row.cohort == sample.rows[0].cohort for row in drawn.rows)


def test_the_first_has_its_patients_disease_and_the_second_is_a_healthy_heart_dialled(drawn):
    first, second = (
        [row for row in drawn.rows if row.patient == f"new heart {number}"] for number in (0, 1)
    )
    assert {row.pathology for row in first} == {"dcm"}
    assert {row.pathology for row in second} <= {"dcm", "hcm", "minf", "arv", "normal"}


def test_a_heart_hangs_on_its_number_and_not_on_how_many_there_are(sample, drawn):
    # a slice of each patient: the hearts stand in the place of the same patients
    fewer = new_slices([sample.rows[k] for k in (0, 12, 24)], ShapeModel.load(), seed=7)
    assert (fewer.labels == drawn.labels[:3]).all()
    other = new_slices([sample.rows[k] for k in (0, 12, 24)], ShapeModel.load(), seed=8)
    assert (other.labels != fewer.labels).any()


def test_their_pictures_stand_beside_as_many_real_slices(sample, drawn):
    few = replace(drawn, labels=drawn.labels[:4], rows=drawn.rows[:4])
    model = zoo.load(zoo.find("cvae").folder)
    vendors = model.card.conditions.vendors
    *_, made = with_pictures(
        model.generator, few, vendors=vendors, seed=1, first=100, copy=1, steps=None
    )
    assert made.shape == (4, 128, 128) and made.dtype == np.uint8 and made.std() > 10
    images = (sample.pixels * 255).astype(np.uint8)
    slices = SliceSet(images, sample.labels, np.ones_like(images), sample.rows, {"spacing_mm": 1.5})
    index, none = np.arange(4), np.arange(0)
    arm = Arm(real=True, hearts=True)
    joined, (real, new) = training_set(arm, slices, index, none, {}, replace(few, images=made))
    assert (joined.images[new] == made).all() and (joined.labels[new] == few.labels).all()
    assert (joined.labels[real] == sample.labels[:4, 16:144, 16:144]).all()
    with pytest.raises(InputError, match="no new hearts were made"):
        training_set(arm, slices, index, none, {})


def test_without_training_patients_there_is_nothing_to_stand_in_for():
    with pytest.raises(InputError, match="there are none"):
        new_slices([], ShapeModel.load(), seed=7)
