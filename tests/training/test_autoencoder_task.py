"""Losses of the autoencoder: where errors count, what the discriminator may say, what is saved."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from cmr_synth.anatomy.labels import UNLABELLED
from cmr_synth.errors import InputError
from cmr_synth.networks.weights import load_weights
from cmr_synth.training.batches import Batch, Batches
from cmr_synth.training.families.autoencoder import AutoencoderTask
from cmr_synth.training.loop import train
from cmr_synth.training.recipe import Augmentation, load_recipe

TINY = {"encoder": [8, 8], "decoder": [8, 8, 4], "blocks": 1, "hidden": 4, "groups": 4}


def task(make_recipe, model=None, **loss) -> AutoencoderTask:
    settings = {"channels": 4, "layers": 1, **loss}
    return AutoencoderTask(
        make_recipe(family="autoencoder", model={**TINY, **(model or {})}, loss=settings)
    )


def batch_of(slices, size: int = 4) -> Batch:
    return Batches(slices, augmentation=Augmentation(), seed=0).batch(0, size)


def losses(of: AutoencoderTask, batch: Batch) -> dict[str, torch.Tensor]:
    return {name: loss.detach() for name, loss in of.losses(batch)}


class Gives(torch.nn.Module):
    """An autoencoder that gives the pictures stated, whatever it is shown."""

    def __init__(self, pictures: torch.Tensor):
        super().__init__()
        self.pictures = pictures.requires_grad_()

    def forward(self, pictures, mask, draw, learn_spread):
        self.mask, self.share = mask, learn_spread
        return self.pictures, torch.zeros(len(pictures))


def found(of: AutoencoderTask, batch: Batch, made: torch.Tensor) -> torch.Tensor:
    of.networks["autoencoder"] = Gives(made)
    return losses(of, batch)["autoencoder"]


PLAIN = {"edges": 0.0, "bottleneck": 0.0, "matching": 0.0, "adversarial": 0.0}


def test_without_a_discriminator_a_perfect_picture_costs_nothing(make_recipe, slices):
    of, batch = task(make_recipe, adversarial=0.0, bottleneck=0.0), batch_of(slices)
    assert set(of.networks) == {"autoencoder"}
    assert (found(of, batch, 2 * batch.images - 1) == 0).all()
    off = found(of, batch, 2 * batch.images - 0.9)
    # all pixels are off by 0.1, no step from pixel to pixel is
    torch.testing.assert_close(off, torch.full((4,), 10 * 0.1), atol=1e-4, rtol=0)


def test_errors_of_edges_count_by_their_weight(make_recipe, slices):
    batch = batch_of(slices)
    blurred = torch.nn.functional.avg_pool2d(2 * batch.images - 1, 5, stride=1, padding=2)
    one, twice = (
        found(task(make_recipe, **{**PLAIN, "difference": 0.0, "edges": weight}), batch, blurred)
        for weight in (1.0, 2.0)
    )
    assert (one > 1e-3).all()
    torch.testing.assert_close(twice, 2 * one)


def test_pixels_outside_the_field_of_view_do_not_count(make_recipe, slices):
    batch = batch_of(slices)
    outside = batch.covered == 0
    assert outside.any()
    real = 2 * batch.images - 1
    assert (found(task(make_recipe, **PLAIN), batch, real.masked_fill(outside, 1.0)) == 0).all()


def test_the_heart_weighs_more(make_recipe, slices):
    batch = batch_of(slices)
    heart = ((batch.labels > 0) & (batch.labels != UNLABELLED))[:, None]
    made = (2 * batch.images - 1) + 0.5 * heart
    low, high = (
        found(task(make_recipe, **PLAIN, heart_weight=weight), batch, made) for weight in (0.0, 3.0)
    )
    assert (high > 1.5 * low).all()


def test_a_discriminator_that_cannot_tell_has_no_force(make_recipe, slices):
    off = {"difference": 0.0, "edges": 0.0, "bottleneck": 0.0, "matching": 0.0}
    of, batch = task(make_recipe, **off), batch_of(slices)
    knowing = losses(of, batch)
    for parameter in of.networks["discriminator"].parameters():
        torch.nn.init.zeros_(parameter)
    silent = losses(of, batch)
    assert (silent["discriminator"] == 2).all() and (silent["autoencoder"] == 0).all()
    assert knowing["discriminator"].mean() != 2


def test_the_decoder_learns_to_do_without_a_mask(make_recipe, slices):
    batch = batch_of(slices)
    shown = []
    for share in (0.0, 1.0):
        of = task(make_recipe, **PLAIN, drop_mask=share)
        found(of, batch_of(slices), 2 * batch.images - 1)
        shown.append(of.networks["autoencoder"].mask.sum())
    assert shown[0] > 0 and shown[1] == 0


def test_the_spread_follows_what_is_encoded(make_recipe, slices):
    of = task(make_recipe)
    losses(of, batch_of(slices))
    assert of.network.mean.abs().sum() > 0
    assert not torch.equal(of.network.deviation, torch.ones(4))


@pytest.mark.parametrize("bottleneck", ["kl", "vq"])
def test_what_is_saved_is_started_from(make_recipe, slices, tmp_path, bottleneck):
    of = task(make_recipe, {"bottleneck": bottleneck, "codes": 8})
    for _ in train(of, of.recipe.model_copy(update={"images": 4}), slices, tmp_path):
        pass
    assert json.loads((tmp_path / "config.json").read_text())["family"] == "autoencoder"
    start = str(tmp_path / "weights.safetensors")
    saved = load_weights(tmp_path / "weights.safetensors")
    again = AutoencoderTask(of.recipe.model_copy(update={"initialize_from": start}))
    for name, weight in again.network.state_dict().items():
        np.testing.assert_array_equal(weight.numpy(), saved[name].numpy())
    sheet = of.sheet(batch_of(slices, 2))
    assert sheet.shape == (4 * 128, 2 * 128) and np.isfinite(sheet).all()


def test_settings_that_do_not_fit_are_refused(make_recipe):
    with pytest.raises(InputError, match="field 'model': .*must divide by groups 4"):
        task(make_recipe, {"encoder": [8, 6]})
    with pytest.raises(InputError, match="field 'loss.colour'"):
        task(make_recipe, colour=1.0)


def test_the_bundled_recipe_fits():
    of = AutoencoderTask(load_recipe("autoencoder"))
    assert sum(p.numel() for p in of.network.parameters()) < 1.3e6
    assert set(of.networks) == {"autoencoder", "discriminator"}
