"""Training the conditional VAE: every style is encoded, nothing is judged, and it is saved as such.

The losses themselves are tested with those of the SPADE GAN, whose first stage they are.
"""

from __future__ import annotations

import json

import pytest
import torch

from cmr_synth.errors import InputError
from cmr_synth.generators.cvae.generator import CvaeGenerator
from cmr_synth.generators.interface import Condition
from cmr_synth.training.batches import Batches
from cmr_synth.training.families.cvae import CvaeTask
from cmr_synth.training.loop import train
from cmr_synth.training.recipe import Augmentation, load_recipe
from cmr_synth.training.registry import make_task

TINY = {
    "channels": [8, 8, 8, 8],
    "full_channels": 4,
    "blocks": 1,
    "hidden": 4,
    "look": 6,
    "layout": 2,
    "encoder": [8, 8, 8, 8],
    "groups": 4,
    "vendors": ["siemens", "philips", "ge"],
}


@pytest.fixture
def make(make_recipe):
    def of(*, loss=None, **fields) -> CvaeTask:
        return CvaeTask(make_recipe(family="cvae", model=TINY, loss=loss or {}, **fields))

    return of


def loss_of(task, slices) -> torch.Tensor:
    batch = Batches(slices, augmentation=Augmentation(), seed=0).batch(0, 6)
    ((name, loss),) = task.losses(batch)
    assert name == "cvae"
    return loss.detach()


def test_every_image_is_compared_and_none_judged(make, slices):
    task = make()
    assert set(task.networks) == set(task.rates) == {"cvae"}
    loss = loss_of(task, slices)
    assert loss.shape == (6,) and (loss > 0.1).all()


@pytest.mark.parametrize("field", ["difference", "coarse", "divergence"])
def test_each_part_of_the_loss_has_a_weight(make, slices, field):
    none = {"difference": 0.0, "coarse": 0.0, "divergence": 0.0}
    assert (loss_of(make(loss=none), slices) == 0).all()
    one, three = (loss_of(make(loss={**none, field: w}), slices) for w in (1.0, 3.0))
    assert (one > 1e-6).all()
    torch.testing.assert_close(three, 3 * one)


def test_pixels_near_the_heart_may_weigh_more(make, slices):
    alone = {"coarse": 0.0, "divergence": 0.0}
    first, other = (loss_of(make(loss={**alone, "heart_weight": w}), slices) for w in (0.0, 3.0))
    assert (first - other).abs().max() > 1e-4


def test_training_improves_it_and_moves_the_prior(make, slices, tmp_path):
    task = make(images=96, learning_rate=3e-3)
    before = loss_of(task, slices)
    list(train(task, task.recipe, slices, tmp_path))
    assert loss_of(task, slices).mean() < 0.9 * before.mean()
    covariance = task.network.prior.covariance
    assert (covariance - torch.eye(len(covariance))).abs().max() > 1e-3


def test_a_resumed_run_equals_an_uninterrupted_one(make, slices, tmp_path):
    list(train((task := make()), task.recipe, slices, tmp_path / "whole"))
    task = make()
    running = train(task, task.recipe, slices, tmp_path / "parts")
    next(running), next(running)
    running.close()
    task = make()
    list(train(task, task.recipe, slices, tmp_path / "parts", resume=True))
    weights = [(tmp_path / n / "weights.safetensors").read_bytes() for n in ("whole", "parts")]
    assert weights[0] == weights[1]


def test_what_is_saved_is_of_the_family_and_samples(make, tmp_path):
    task = make()
    task.save(tmp_path, images_seen=1, minutes=0.1)
    assert json.loads((tmp_path / "config.json").read_text())["family"] == "cvae"
    *_, images = CvaeGenerator.load(tmp_path).sample([Condition(vendor="ge")], seed=0)
    assert images.pixels.shape == (1, 128, 128)


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        ({"adversarial": 1.0}, "'loss.adversarial': .*less than or equal to 0"),
        ({"encoded": 0.5}, "'loss.encoded': .*greater than or equal to 1"),
        ({"beta": 1.0}, "'loss.beta': .*known fields are drop_vendor"),
    ],
)
def test_settings_of_another_family_are_refused(make, loss, said):
    with pytest.raises(InputError, match=said):
        make(loss=loss)


def test_the_bundled_recipe_makes_a_task():
    task = make_task(load_recipe("cvae"))
    assert isinstance(task, CvaeTask)
    assert sum(p.numel() for p in task.network.parameters()) < 2.5e6  # a byte each
