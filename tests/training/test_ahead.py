import pytest
import torch

from cmr_synth.errors import InputError
from cmr_synth.training.ahead import MOST, Ahead, workers_for
from cmr_synth.training.batches import Batches
from cmr_synth.training.recipe import Augmentation


@pytest.fixture
def batches(slices):
    return Batches(slices, augmentation=Augmentation(share=0.7, looks=0.3), seed=3)


def test_batches_are_the_same_whoever_makes_them(batches):
    ahead = Ahead(batches, first=8, count=2, stride=4, workers=2)
    for first in (8, 12, 16, 20):
        made, own = ahead.take(first), batches.batch(first, 2)
        assert torch.equal(made.images, own.images) and torch.equal(made.labels, own.labels)
        assert made.conditions == own.conditions
        # and so is what is drawn from their generators afterwards
        assert torch.equal(made.normal(1, 4, 4), own.normal(1, 4, 4))
    ahead.close()


def test_batches_are_made_in_the_order_of_the_training(batches):
    ahead = Ahead(batches, first=0, count=2, stride=2, workers=0)
    ahead.take(0)
    with pytest.raises(ValueError, match="images from 8 asked for, those from 2 are next"):
        ahead.take(8)


def test_an_error_in_another_process_is_told_as_here(batches):
    batches.slices = None

    def broken(first, count):
        raise InputError("shard 3: cannot be read; prepare the slices again.")

    batches.batch = broken
    ahead = Ahead(batches, first=0, count=2, stride=2, workers=1)
    with pytest.raises(InputError, match="^shard 3: cannot be read; prepare the slices again.$"):
        ahead.take(0)
    ahead.close()


def test_a_processor_makes_its_own_batches():
    assert workers_for(torch.device("cpu"), 1) == 0
    assert 0 <= workers_for(torch.device("cuda"), 1) <= MOST
    assert workers_for(torch.device("cuda"), 1000) == 0  # more processes than processors
