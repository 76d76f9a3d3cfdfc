"""Fine detail: what its discriminator sees, and how its force is balanced in the few-step stage."""

import numpy as np
import pytest
import torch

from cmr_synth.errors import InputError
from cmr_synth.training.batches import Batches
from cmr_synth.training.detail import DetailDiscriminator, high_pass
from cmr_synth.training.families.few_steps import Push, balanced
from cmr_synth.training.families.flow import FlowTask
from cmr_synth.training.recipe import Augmentation, load_recipe

SMALL = {
    "channels": [32, 32],
    "attention": [False, True],
    "vendors": ["siemens", "philips", "ge"],
    "crowding": 1.3,
}
STAGE = {
    "weight": 0.7,
    "channels": 4,
    "layers": 1,
    "steps": 3,
    "detail": 1.5,
    "detail_channels": 4,
    "spectrum": 0.7,
}


def task(make_recipe, **adversarial) -> FlowTask:
    loss = {"adversarial": {**STAGE, **adversarial}}
    return FlowTask(make_recipe(family="flow", model=SMALL, loss=loss))


def test_a_high_pass_picture_holds_the_grain_and_not_the_layout():
    flat = torch.linspace(-1, 1, 64).view(1, 1, 1, 64).expand(1, 1, 64, 64)
    assert high_pass(flat)[..., 1:-1].abs().max() < 1e-5
    checks = torch.ones(1, 1, 64, 64)
    checks[..., ::2, 1::2] = checks[..., 1::2, ::2] = -1
    assert high_pass(checks).abs().mean() > 3


def test_the_vendor_steers_every_layer():
    torch.manual_seed(0)
    network = DetailDiscriminator(("siemens", "philips"), channels=4)
    pictures, mask = torch.randn(3, 1, 32, 32), torch.zeros(3, 4, 32, 32)
    pictures[1:] = pictures[:1]
    asked = [{"vendor": "siemens"}, {"vendor": "philips"}, {"vendor": None}]
    (plain,) = network(pictures, mask, asked)
    torch.testing.assert_close(plain[0], plain[1])  # at first all are alike
    for look in network.looks:
        torch.nn.init.normal_(look.weight, std=0.3)
    (scores,) = network(pictures, mask, asked)
    assert (scores[0] - scores[1]).abs().max() > 1e-3
    assert scores.shape[2:] == (8, 8)
    (other,) = network(pictures, mask, [{"vendor": "canon"}, {}, {"vendor": None}])
    torch.testing.assert_close(other, scores[2:].expand(3, -1, -1, -1))


def test_forces_have_the_ratios_asked_for():
    torch.manual_seed(0)
    estimate = torch.randn(4, 1, 8, 8, requires_grad=True)
    error = (estimate**2).mean(dim=(1, 2, 3))
    other = 17 * (estimate - 3).abs().mean(dim=(1, 2, 3))
    acts = torch.tensor([True, False, True, False])
    everywhere = torch.ones(4, dtype=torch.bool)
    total = balanced(error, estimate, everywhere, [Push(other, 0.5, acts)])
    (both,) = torch.autograd.grad(total.sum(), estimate, retain_graph=True)
    (alone,) = torch.autograd.grad(error.sum(), estimate)
    pull = alone.flatten(1).norm(dim=1)
    push = (both - alone).flatten(1).norm(dim=1)
    assert push[acts].mean().item() == pytest.approx(0.5 * pull.mean().item(), rel=1e-4)
    assert (push[~acts] == 0).all()


def test_all_networks_of_the_stage_learn(make_recipe, slices):
    of = task(make_recipe)
    batch = Batches(slices, augmentation=Augmentation(share=0.3), seed=0).batch(0, 8)
    names = []
    for name, loss in of.losses(batch):
        names.append(name)
        of.networks[name].zero_grad()
        loss.mean().backward()
        norms = [p.grad.norm() for p in of.networks[name].parameters() if p.grad is not None]
        assert sum(norms) > 0, name
    assert names == ["flow", "discriminator", "detail"]


def test_augmented_pictures_say_nothing_of_detail(make_recipe, slices):
    of = task(make_recipe)
    batch = Batches(slices, augmentation=Augmentation(share=1.0), seed=0).batch(0, 4)
    found = {name: loss.detach() for name, loss in of.losses(batch)}
    assert (found["detail"] == 0).all() and (found["discriminator"] > 0).all()


def test_steps_are_drawn_as_often_as_asked(make_recipe):
    of = task(make_recipe, shares=[0.1, 0.3, 0.6])
    uniform = np.random.default_rng(0).random(20000)
    steps = of._steps(uniform)
    np.testing.assert_allclose(np.bincount(steps) / len(steps), [0.1, 0.3, 0.6], atol=0.02)
    assert of._steps(np.array([0.0, 1 - 1e-12])).tolist() == [0, 2]


@pytest.mark.parametrize("shares", [[0.5, 0.5], [0.0, 0.0, 0.0], [1.0, -1.0, 1.0]])
def test_shares_that_do_not_fit_are_refused(make_recipe, shares):
    with pytest.raises(InputError, match="shares"):
        task(make_recipe, shares=shares)


def test_the_bundled_recipe_trains_at_the_sampler_s_own_times():
    recipe = load_recipe("flow-few-step")
    stage = recipe.loss["adversarial"]
    assert recipe.model["crowding"] == 1.3 and len(stage["shares"]) == stage["steps"] == 6
    first = load_recipe("flow")
    same = {k: v for k, v in recipe.model.items() if k != "crowding"}
    assert same == first.model  # or its weights would not fit
