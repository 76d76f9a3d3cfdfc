"""Training the mask flow: seconds teach it something, and what nobody drew teaches nothing."""

from dataclasses import replace

import pytest
import torch

from cmr_synth.training.batches import Batches
from cmr_synth.training.loop import train
from cmr_synth.training.recipe import load_recipe
from cmr_synth.training.registry import make_task
from tests.training.conftest import on_tiny_grid

TINY = {
    "shape": [64, 64],
    "spacing_mm": 3.0,
    "channels": [16, 16],
    "attention": [False, False],
    "head_width": 4,
    "groups": 4,
}


def test_some_steps_lower_the_loss(make_recipe, slices, tmp_path):
    recipe = make_recipe(
        family="mask-flow", model=TINY, images=320, batch_size=8, learning_rate=3e-3
    )
    steps = list(train(make_task(recipe), recipe, on_tiny_grid(slices), tmp_path / "run"))
    losses = [step.losses["mask-flow"] for step in steps]  # each a mean of the last 20
    assert losses[-1] < 0.7 * losses[0]


def test_partly_labelled_slices_teach_nothing(make_recipe, slices):
    recipe = make_recipe(family="mask-flow", model=TINY)
    task = make_task(recipe)
    batch = Batches(on_tiny_grid(slices), augmentation=recipe.augmentation, seed=0).batch(0, 2)
    labels = batch.labels.clone()
    labels[1, :4] = 255
    ((_, loss),) = task.losses(replace(batch, labels=labels))
    assert loss[0] > 0 and loss[1] == 0


def test_pictures_are_not_looked_at(make_recipe, slices):
    recipe = make_recipe(family="mask-flow", model=TINY)
    found = []
    for factor in (1.0, 0.5):
        batches = Batches(on_tiny_grid(slices), augmentation=recipe.augmentation, seed=0)
        batch = batches.batch(0, 2)
        ((_, loss),) = make_task(recipe).losses(replace(batch, images=factor * batch.images))
        found.append(loss.detach())
    assert torch.equal(*found)


def test_the_recipe_is_one(tmp_path):
    recipe = load_recipe("mask-flow")
    assert recipe.cohorts == ("acdc",)
    assert make_task(recipe).words["pathology"] == ("normal", "dcm", "hcm", "minf", "arv")
    with pytest.raises(KeyError):
        make_task(recipe).words["vendor"]
