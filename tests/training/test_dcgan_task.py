"""Losses of DCGAN and the progressive GAN, and growth that a resumed training goes on with."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional

from cmr_synth.errors import InputError
from cmr_synth.generators.dcgan.generator import DcganGenerator
from cmr_synth.generators.interface import Condition
from cmr_synth.training.batches import Batches
from cmr_synth.training.families.dcgan import DcganTask, Growing
from cmr_synth.training.loop import train
from cmr_synth.training.recipe import Augmentation, load_recipe
from cmr_synth.training.registry import make_task

SMALL = {"latent": 6, "width": 4, "vendors": ["siemens", "philips", "ge"]}
PLAIN = {**SMALL, "channels": [4, 4, 4], "kernel": 3, "groups": 4}
PROGRESSIVE = {**SMALL, "progressive": True, "channels": [4, 4, 4]}
BOTH = pytest.mark.parametrize("model", [PLAIN, PROGRESSIVE], ids=["plain", "progressive"])


@pytest.fixture
def make(make_recipe):
    def of(model, *, loss=None, **fields) -> DcganTask:
        return DcganTask(make_recipe(family="dcgan", model=model, loss=loss or {}, **fields))

    return of


def batch_of(slices, size=4, first=0):
    return Batches(slices, augmentation=Augmentation(), seed=0).batch(first, size)


def losses(task, batch) -> dict[str, torch.Tensor]:
    return {name: loss.detach() for name, loss in task.losses(batch)}


@BOTH
def test_the_discriminator_comes_first_and_both_learn(make, slices, model):
    task = make(model)
    task.growing.count(12)  # all levels
    found = []
    for name, loss in task.losses(batch_of(slices)):
        assert loss.shape == (4,)
        for network in task.networks.values():
            network.zero_grad()
        loss.mean().backward()
        assert sum(float(p.grad.norm()) for p in task.networks[name].parameters()) > 0
        found.append(name)
    assert found == ["discriminator", "generator"]


@BOTH
def test_the_generator_is_judged_by_the_discriminator_after_its_step(make, slices, model):
    def generator_loss(step: float) -> torch.Tensor:
        task = make(model)
        running = task.losses(batch_of(slices))
        next(running)
        with torch.no_grad():
            for parameter in task.networks["discriminator"].parameters():
                parameter.mul_(step)
        return next(running)[1].detach()

    # whose scores are all zero now
    torch.testing.assert_close(generator_loss(0.0), torch.full((4,), float(np.log(2))))
    assert (generator_loss(1.0) - generator_loss(0.0)).abs().max() > 1e-4


def test_scores_in_closed_form(make):
    of_real, of_made = torch.tensor([2.0, -0.5]), torch.tensor([-3.0, 0.5])
    task = make(PLAIN, loss={"score": "hinge"})
    torch.testing.assert_close(task._against(of_real, of_made), torch.tensor([0.0, 3.0]))
    torch.testing.assert_close(task._for(of_made), -of_made)
    task = make(PLAIN, loss={"score": "logistic"})
    expected = functional.softplus(-of_real) + functional.softplus(of_made)
    torch.testing.assert_close(task._against(of_real, of_made), expected)
    torch.testing.assert_close(task._for(of_made), functional.softplus(-of_made))


@BOTH
def test_the_penalty_is_that_of_the_gradient(make, slices, model):
    """In proportion to its weight, on some images more and on others not at all."""
    off = losses(make(model, loss={"penalty": 0.0}), batch_of(slices, 7))
    all_of = {"penalised": 1.0}
    once, thrice = (
        losses(make(model, loss={"penalty": weight, **all_of}), batch_of(slices, 7))
        for weight in (1.0, 3.0)
    )
    one, three = (f["discriminator"] - off["discriminator"] for f in (once, thrice))
    assert (one > 0).all()
    torch.testing.assert_close(three, 3 * one, atol=1e-5, rtol=1e-3)
    torch.testing.assert_close(once["generator"], off["generator"])
    some = losses(make(model, loss={"penalty": 1.0, "penalised": 0.5}), batch_of(slices, 7))
    measured = some["discriminator"] - off["discriminator"]
    chosen = measured.abs() > 1e-7
    assert 0 < chosen.sum() < 7
    torch.testing.assert_close(measured[chosen], 2 * one[chosen], atol=1e-5, rtol=1e-3)


@BOTH
def test_what_lies_outside_the_scan_is_not_judged(make, slices, model):
    batch = batch_of(slices)
    outside = batch.covered == 0
    assert outside.any()
    changed = dataclasses.replace(
        batch_of(slices), images=torch.where(outside, 1 - batch.images, batch.images)
    )
    first, other = (losses(make(model), b)["discriminator"] for b in (batch, changed))
    torch.testing.assert_close(first, other)


@BOTH
@pytest.mark.parametrize("shares", [{"drop_vendor": 1.0}, {"drop_mask": 1.0}], ids=str)
def test_dropped_conditions_change_the_losses(make, slices, model, shares):
    none = dict.fromkeys(("drop_vendor", "drop_phase", "drop_z", "drop_mask"), 0.0)
    first, other = (
        losses(make(model, loss=loss), batch_of(slices)) for loss in (none, {**none, **shares})
    )
    for name in first:
        assert (first[name] - other[name]).abs().max() > 1e-6


def test_losses_know_their_group_alone(make, slices):
    """With groups of one none depends on its batch; with the others' groups of two, no more."""
    for group, own in ((1, 1), (2, 2)):
        whole = losses(make(PROGRESSIVE, loss={"group": group}), batch_of(slices, 4))
        alone = losses(make(PROGRESSIVE, loss={"group": group}), batch_of(slices, own))
        for name in whole:
            torch.testing.assert_close(alone[name], whole[name][:own], atol=1e-5, rtol=1e-4)
    apart, told = (
        losses(make(PROGRESSIVE, loss={"group": g}), batch_of(slices, 4)) for g in (1, 4)
    )
    assert (apart["discriminator"] - told["discriminator"]).abs().max() > 1e-5


def test_the_discriminator_s_rate_is_a_factor(make):
    assert make(PLAIN, loss={"rate": 0.5}).rates == {"discriminator": 0.5, "generator": 1.0}


@pytest.mark.parametrize(
    ("seen", "growth"), [(0, 0), (10, 0), (15, 0.5), (20, 1), (30, 1), (35, 1.5), (40, 2), (80, 2)]
)
def test_a_level_is_faded_in_for_as_long_as_it_stays_alone(make, seen, growth):
    config = make(PROGRESSIVE).config
    growing = Growing(torch.nn.Identity(), config, images=80, grown_at=0.5)
    growing.count(seen)
    assert growing.growth() == pytest.approx(growth)
    late = Growing(torch.nn.Identity(), config, images=80, grown_at=1.0)
    late.count(2 * seen)
    assert late.growth() == pytest.approx(growth)


def test_growth_follows_the_images_seen(make, slices):
    task = make(PROGRESSIVE, images=16, loss={"grown_at": 1.0})
    sizes = []
    for first in range(0, 20, 4):
        made = task.networks["generator"](batch_of(slices, 1).normal(6), [{}])
        sizes.append(made.shape[-1])
        losses(task, batch_of(slices, 4, first))
    assert sizes == [32, 32, 64, 64, 128]


@BOTH
def test_a_resumed_run_equals_an_uninterrupted_one(make, slices, tmp_path, model):
    list(train((task := make(model)), task.recipe, slices, tmp_path / "whole"))
    task = make(model)
    running = train(task, task.recipe, slices, tmp_path / "parts")
    next(running), next(running)
    running.close()
    task = make(model)
    list(train(task, task.recipe, slices, tmp_path / "parts", resume=True))
    assert int(task.growing.seen) == 16
    weights = [(tmp_path / n / "weights.safetensors").read_bytes() for n in ("whole", "parts")]
    assert weights[0] == weights[1]


@BOTH
def test_what_is_saved_samples(make, slices, tmp_path, model):
    task = make(model)
    list(train(task, task.recipe, slices, tmp_path))
    generator = DcganGenerator.load(tmp_path)
    assert generator.config.growth is None
    *_, images = generator.sample([Condition(vendor="ge"), Condition()], seed=0)
    assert images.pixels.shape == (2, 128, 128)


def test_a_training_ended_early_leaves_the_growth_it_came_to(make, slices, tmp_path):
    task = make(PROGRESSIVE, images=80)
    task.growing.count(20)
    task.save(tmp_path, images_seen=20, minutes=0.1)
    generator = DcganGenerator.load(tmp_path)
    assert generator.config.growth == 1.0
    *_, images = generator.sample([Condition()], seed=0)
    np.testing.assert_array_equal(images.pixels[:, ::2, ::2], images.pixels[:, 1::2, 1::2])


def test_a_second_stage_starts_from_the_first(make, tmp_path):
    first = make(PLAIN)
    first.save(tmp_path, images_seen=1, minutes=0.1)
    second = make(PLAIN, seed=5, initialize_from=str(tmp_path / "weights-fp16.safetensors"))
    for own, given in zip(second.network.parameters(), first.network.parameters(), strict=True):
        torch.testing.assert_close(own, given, atol=1e-3, rtol=1e-3)


@BOTH
def test_a_sheet_shows_real_pictures_and_three_rows_of_others(make, slices, model):
    sheet = make(model).sheet(batch_of(slices, 2))
    assert sheet.shape == (4 * 128, 2 * 128)
    assert sheet.min() >= 0 and sheet.max() <= 1


@pytest.mark.parametrize(
    ("model", "loss", "said"),
    [
        (PLAIN, {"group": 2}, "'loss.group': is for a network that grows; leave it out"),
        (PLAIN, {"grown_at": 0.4}, "'loss.grown_at': is for a network that grows"),
        ({**PROGRESSIVE, "growth": 1.0}, {}, "'model.growth': is for loading"),
        (PLAIN, {"penalised": 0.0}, "'loss.penalised': .*greater than 0"),
        (PLAIN, {"heart_weight": 1.0}, "'loss.heart_weight': .*known fields are drop_vendor"),
        ({**PLAIN, "progresive": True}, {}, "'model.progresive': .*known fields are shape"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make, model, loss, said):
    with pytest.raises(InputError, match=said):
        make(model, loss=loss)


@pytest.mark.parametrize(("name", "grows"), [("dcgan", False), ("progressive-gan", True)])
def test_the_bundled_recipes_are_small(name, grows):
    task = make_task(load_recipe(name))
    assert task.config.progressive == grows
    assert task.config.coarse_shape == (4, 4)  # as in both papers
    assert sum(p.numel() for p in task.network.parameters()) < 1.8e6  # a byte each
