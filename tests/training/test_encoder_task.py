"""Training the encoder: known damage, two views alike, and a folder that evaluation opens."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cmr_synth.imaging.damage import DAMAGES, damaged
from cmr_synth.judges.encoder import Encoder
from cmr_synth.training.batches import Batches
from cmr_synth.training.families.encoder import EncoderTask
from cmr_synth.training.loop import train
from cmr_synth.training.recipe import Augmentation, load_recipe

TINY = {"channels": [16, 16, 16, 16]}


@pytest.fixture
def make(make_recipe):
    def of(*, loss=None, **fields) -> EncoderTask:
        return EncoderTask(make_recipe(family="encoder", model=TINY, loss=loss or {}, **fields))

    return of


def test_damage_is_in_range_repeatable_and_told():
    images = torch.rand(12, 1, 64, 64)
    rngs = [[np.random.default_rng(i) for i in range(12)] for _ in range(2)]
    first, told = damaged(images, rngs[0])
    again, _ = damaged(images, rngs[1])
    assert torch.equal(first, again) and first.min() >= 0 and first.max() <= 1
    assert told.shape == (12, len(DAMAGES)) and told.abs().max() <= 1
    for i in range(12):
        assert torch.equal(first[i], images[i]) == (told[i] == 0).all()


def test_each_image_has_a_loss_and_every_weight_learns(make, slices):
    task = make()
    batch = Batches(slices, augmentation=Augmentation(), seed=0).batch(0, 6)
    ((name, loss),) = task.losses(batch)
    assert name == "encoder" and loss.shape == (6,) and (loss > 0).all()
    loss.mean().backward()
    parameters = task.networks["encoder"].parameters()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in parameters)


def test_without_the_weight_damage_is_not_told(make, slices):
    task = make(loss={"damage": 0.0})
    batch = Batches(slices, augmentation=Augmentation(), seed=0).batch(0, 6)
    ((_, loss),) = task.losses(batch)
    loss.mean().backward()
    assert task.networks["encoder"].damage.weight.grad.abs().sum() == 0


def test_a_training_ends_in_a_folder_that_evaluation_opens(make, slices, tmp_path):
    task = make(images=12)
    for _ in train(task, task.recipe, slices, tmp_path / "run"):
        pass
    encoder = Encoder.load(tmp_path / "run")
    features = encoder.features(np.random.default_rng(0).random((3, 128, 128)))
    assert features.shape == (3, 16) == (3, encoder.width) and np.isfinite(features).all()


def test_the_bundled_recipe_is_of_the_bundled_encoder():
    recipe = load_recipe("encoder")
    assert EncoderTask(recipe).network.config == Encoder.load().network.config
