"""The audit of a shape model in worlds where the answer is known."""

import numpy as np
import pytest

from cmr_synth.anatomy.shapes import ShapeModel, ShapeParameters
from cmr_synth.privacy.shapes import Person, audit_shapes, vectors


@pytest.fixture(scope="module")
def model():
    return ShapeModel.load()


def people(model, seed, count):
    """Independent draws of one population, wider than the modes by a little in every number."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(count, len(model.statistics.modes)))
    noise = 0.02 * rng.normal(size=(count, model.statistics.means.shape[1]))
    every = model.mean().vector + scores @ model.statistics.modes + noise
    return [
        Person(name=f"{seed}-{i}", pathology="normal", shape=ShapeParameters(vector=one))
        for i, one in enumerate(every)
    ]


def test_independent_hearts_give_nobody_away(model):
    members, others = people(model, 1, 60), people(model, 2, 30)
    sampled = [one.shape for one in people(model, 3, 200)]
    found = audit_shapes(model, members, others, sampled)
    assert found.nearer_share < 0.2
    assert abs(found.copying.value) < 3
    assert not found.from_samples.told_apart
    assert not found.from_model.told_apart  # the model never saw either of them


def test_copies_of_members_are_caught(model):
    members, others = people(model, 1, 60), people(model, 2, 30)
    rng = np.random.default_rng(0)
    copies = [
        ShapeParameters(vector=one.shape.vector + 0.002 * rng.normal(size=one.shape.vector.shape))
        for one in members
    ]
    found = audit_shapes(model, members, others, copies)
    assert found.nearer_share == 1
    assert found.copying.value < -3
    assert found.from_samples.auc[0] > 0.95 and found.from_samples.told_apart
    assert found.as_dict()["nearest_training_shape_mm"]["sampled"][1] < found.held_out_mm[0]


def test_how_a_heart_is_turned_is_no_shape(model):
    one = model.mean()
    turned = np.array(one.vector)
    turned[0] += 1.0  # tilt
    assert np.allclose(*vectors([one, ShapeParameters(vector=turned)]))
