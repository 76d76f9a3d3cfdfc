"""The latent model: what it starts from, what is trained, what is saved."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cmr_synth.errors import InputError
from cmr_synth.generators.interface import Condition, Images
from cmr_synth.generators.latent.generator import LatentGenerator
from cmr_synth.networks.weights import load_weights
from cmr_synth.training.batches import Batches
from cmr_synth.training.families.autoencoder import AutoencoderTask
from cmr_synth.training.families.latent import LatentTask
from cmr_synth.training.loop import train
from cmr_synth.training.recipe import Augmentation, load_recipe

INNER = {"encoder": [8, 8], "decoder": [8, 8, 4], "blocks": 1, "hidden": 4, "groups": 4}
OUTER = {
    "channels": [16, 16],
    "attention": [False, True],
    "head_width": 8,
    "groups": 8,
    "vendors": ["siemens", "philips", "ge"],
}


def autoencoder(make_recipe, **more) -> AutoencoderTask:
    loss = {"channels": 4, "layers": 1, **more.pop("loss", {})}
    return AutoencoderTask(make_recipe(family="autoencoder", model={**INNER, **more}, loss=loss))


def trained(task, slices, folder):
    for _ in train(task, task.recipe.model_copy(update={"images": 4}), slices, folder):
        pass
    return folder / "weights.safetensors"


@pytest.fixture
def first_stage(make_recipe, slices, tmp_path):
    return trained(autoencoder(make_recipe), slices, tmp_path / "first")


def latent(make_recipe, start, **model) -> LatentTask:
    return LatentTask(
        make_recipe(family="latent", model={**OUTER, **model}, initialize_from=str(start))
    )


@pytest.mark.parametrize("bottleneck", ["kl", "vq"])
def test_the_autoencoder_learns_both_ways(make_recipe, slices, bottleneck):
    task = autoencoder(make_recipe, bottleneck=bottleneck)
    batch = Batches(slices, augmentation=Augmentation(), seed=0).batch(0, 4)
    for name, loss in task.losses(batch):
        task.networks[name].zero_grad()
        loss.mean().backward()
    parts = dict(task.network.named_parameters())
    moved = {n.split(".")[0] for n, p in parts.items() if p.grad is not None and p.grad.norm() > 0}
    assert moved == {"encoder", "decoder"} | ({"codebook"} if bottleneck == "vq" else set())


@pytest.mark.parametrize("field", ["difference", "edges", "bottleneck", "matching"])
def test_every_loss_counts(make_recipe, slices, field):
    off = dict.fromkeys(("difference", "edges", "bottleneck", "matching"), 0.0)
    of = autoencoder(make_recipe, loss={**off, field: 1.0, "adversarial": 1e-12})
    batch = Batches(slices, augmentation=Augmentation(), seed=0).batch(0, 4)
    found = dict(of.losses(batch))["autoencoder"]
    assert (found.detach().abs() > 1e-6).all()


def test_latents_come_out_with_the_spread_that_is_promised(make_recipe, slices):
    task = autoencoder(make_recipe)
    batch = Batches(slices, augmentation=Augmentation(), seed=0).batch(0, 7)
    mask = torch.zeros(7, 4, 128, 128)
    with torch.no_grad():
        for _ in range(60):
            task.network(2 * batch.images - 1, mask, torch.zeros(7, 4, 32, 32), learn_spread=0.2)
        latents = task.network.encode(2 * batch.images - 1)
    spread = task.network.config.spread
    torch.testing.assert_close(latents.mean(dim=(0, 2, 3)), torch.zeros(4), atol=0.02, rtol=0)
    torch.testing.assert_close(
        latents.std(dim=(0, 2, 3)), torch.full((4,), spread), atol=0.05, rtol=0
    )


def test_the_mask_shows_in_the_decoded_picture_at_single_pixels(make_recipe):
    network = autoencoder(make_recipe).network
    mask = torch.zeros(1, 4, 128, 128)
    mask[:, 0] = 1
    other = mask.clone()
    other[:, 0, 60, 61], other[:, 1, 60, 61] = 0, 1
    with torch.no_grad():
        latents = torch.zeros(1, 4, 32, 32)
        change = (network.decode(latents, mask) - network.decode(latents, other)).abs()[0, 0]
    assert change[60, 61] > 0


@pytest.mark.parametrize("objective", ["flow", "diffusion"])
def test_only_the_network_learns_and_both_are_saved(
    make_recipe, slices, first_stage, tmp_path, objective
):
    task = latent(make_recipe, first_stage, objective=objective)
    saved = load_weights(trained(task, slices, tmp_path / objective))
    before = load_weights(first_stage)
    for name, weight in before.items():
        # 8 bits in the latent model's file
        torch.testing.assert_close(
            saved[f"autoencoder.{name}"], weight, atol=float(weight.abs().max()) / 100, rtol=0
        )
    generator = LatentGenerator.load(tmp_path / objective)
    *_, last = generator.sample([Condition(vendor="ge")], seed=0, steps=2)
    assert isinstance(last, Images) and last.pixels.shape == (1, 128, 128)


def test_an_earlier_latent_model_brings_its_autoencoder(make_recipe, slices, first_stage, tmp_path):
    weights = trained(latent(make_recipe, first_stage), slices, tmp_path / "second")
    again = latent(make_recipe, weights)
    kept = load_weights(weights)["autoencoder.encoder.out.weight"].numpy()
    np.testing.assert_array_equal(again.model.autoencoder.encoder.out.weight.numpy(), kept)


def test_an_earlier_latent_model_of_fewer_words_is_gone_on_with(
    make_recipe, slices, first_stage, tmp_path
):
    weights = trained(latent(make_recipe, first_stage, pathologies=["dcm"]), slices, tmp_path / "2")
    known = load_weights(weights)["network.conditions.tables.pathology.weight"]
    again = latent(make_recipe, weights, pathologies=["dcm", "hcm"])
    table = again.model.network.conditions.tables["pathology"].weight
    torch.testing.assert_close(table[:2], known)
    assert not table[2:].any()


def test_without_an_autoencoder_there_is_no_latent_model(make_recipe, slices, tmp_path):
    with pytest.raises(InputError, match="needs a trained autoencoder.*--from"):
        LatentTask(make_recipe(family="latent", model=OUTER))
    with pytest.raises(InputError, match="not a readable configuration"):
        latent(make_recipe, tmp_path / "weights.safetensors")
    (tmp_path / "config.json").write_text('{"family": "flow"}')
    with pytest.raises(InputError, match="holds one of family 'flow'"):
        latent(make_recipe, tmp_path / "weights.safetensors")


def test_the_autoencoder_s_size_is_its_own(make_recipe, first_stage):
    with pytest.raises(InputError, match="model.autoencoder.*told by the trained autoencoder"):
        latent(make_recipe, first_stage, autoencoder={"latent": 8})


@pytest.mark.parametrize(
    ("objective", "loss"),
    [
        ("flow", {"time_mean": 1.0}),
        ("flow", {"time_sd": 0.1}),
        ("flow", {"heart_weight": 9.0}),
        ("diffusion", {"snr_bound": 0.1}),
        ("diffusion", {"heart_weight": 9.0}),
        ("diffusion", {"drop_mask": 1.0}),
    ],
    ids=str,
)
def test_every_setting_of_the_loss_counts(make_recipe, slices, first_stage, objective, loss):
    found = []
    for settings in ({}, loss):
        of = latent(make_recipe, first_stage, objective=objective)
        recipe = of.recipe.model_copy(update={"loss": settings})
        batch = Batches(slices, augmentation=Augmentation(), seed=0).batch(0, 4)
        ((_, per_image),) = LatentTask(recipe).losses(batch)
        assert per_image.shape == (4,)
        found.append(per_image.detach())
    assert not torch.allclose(found[0], found[1], rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "objective", "share"),
    [
        ("latent-flow", "flow", 0.08),
        ("latent-diffusion", "diffusion", 0.08),
        ("latent-unconditional", "flow", 1.0),
    ],
)
def test_the_bundled_recipes_fit(first_stage, name, objective, share):
    recipe = load_recipe(name).model_copy(update={"initialize_from": str(first_stage)})
    of = LatentTask(recipe)
    assert of.model.config.objective == objective and of.loss.drop_mask == share
    assert sum(p.numel() for p in of.network.parameters()) < 4.5e6
