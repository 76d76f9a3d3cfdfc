"""Mask control: at first the model is the unconditional one, then the mask and the words show."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cmr_synth.anatomy.template import draw_slice
from cmr_synth.errors import InputError
from cmr_synth.generators.interface import Condition, Images
from cmr_synth.generators.latent.generator import LatentGenerator
from cmr_synth.generators.latent.network import LatentConfig, LatentNetwork
from cmr_synth.generators.latent_control.generator import LatentControlGenerator
from cmr_synth.generators.latent_control.network import ControlledModel, ControlledNetwork

TINY = {
    "shape": (32, 32),
    "spacing_mm": 6.0,
    "channels": (8, 16),
    "attention": (False, True),
    "head_width": 4,
    "groups": 4,
    "vendors": ("siemens", "ge"),
    "autoencoder": {
        "shape": (32, 32),
        "spacing_mm": 6.0,
        "encoder": (8, 8),
        "decoder": (8, 8, 4),
        "blocks": 1,
        "hidden": 4,
        "groups": 4,
    },
}
WORDS = [{"vendor": "ge", "z": 0.3}, {"vendor": "siemens", "phase": "ES"}]


def config(objective: str = "flow") -> LatentConfig:
    return LatentConfig.model_validate({**TINY, "objective": objective})


def shown(network, conditions, mask, objective="flow") -> torch.Tensor:
    noisy = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    time = torch.tensor([0.2, 0.7]) if objective == "flow" else torch.tensor([100, 900])
    return network(noisy, time, mask, conditions)


@pytest.fixture
def network() -> ControlledNetwork:
    """Frozen part and control with random weights; the additions are as at the start, zero."""
    torch.manual_seed(0)
    made = ControlledNetwork(config())
    for parameter in made.unet.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    made.control.start_from(made.unet)
    return made.eval()


@pytest.fixture
def mask() -> torch.Tensor:
    drawn = torch.zeros(2, 4, 32, 32)
    drawn[:, 0] = 1
    drawn[:, 0, 10:20, 10:20], drawn[:, 1, 10:20, 10:20] = 0, 1
    return drawn


def plain_copy(network: ControlledNetwork) -> LatentNetwork:
    """The latent network that is steered, by itself."""
    plain = LatentNetwork(network.config).eval()
    plain.unet.load_state_dict(network.unet.state_dict())
    plain.conditions.load_state_dict(network.conditions.state_dict())
    return plain


@pytest.mark.parametrize("objective", ["flow", "diffusion"])
def test_before_training_it_is_the_unconditional_model_exactly(objective, mask):
    torch.manual_seed(0)
    network = ControlledNetwork(config(objective)).eval()
    plain = plain_copy(network)
    with torch.no_grad():
        found = shown(network, WORDS, mask, objective)
        wanted = shown(plain, [{}, {}], torch.zeros_like(mask), objective)
        other = shown(plain, WORDS, mask, objective)
    assert torch.equal(found, wanted)
    assert not torch.allclose(found, other, atol=1e-4)


def test_the_frozen_part_is_told_who_was_augmented(network, mask):
    with torch.no_grad():
        network.conditions.augmented.fill_(0.5)
        told = shown(network, [{"augmented": True}, {}], mask)
        untold = shown(network, [{}, {}], mask)
    assert not torch.allclose(told[0], untold[0], atol=1e-4)
    assert torch.equal(told[1], untold[1])


@pytest.mark.parametrize("place", range(5))  # after the first convolution, at two levels, deepest
def test_every_addition_is_taken_up(network, mask, place):
    assert len(network.control.additions) == 5
    with torch.no_grad():
        before = shown(network, WORDS, mask)
        torch.nn.init.normal_(network.control.additions[place].weight)
        after = shown(network, WORDS, mask)
    assert not torch.allclose(before, after, atol=1e-4)


def test_the_control_starts_as_a_copy_that_does_not_see_the_mask(network, mask):
    for addition in network.control.additions:
        torch.nn.init.eye_(addition.weight[:, :, 0, 0])
    with torch.no_grad():
        assert torch.equal(
            shown(network, WORDS, mask), shown(network, WORDS, torch.zeros_like(mask))
        )
        torch.nn.init.normal_(network.control.conv_in.weight, std=0.2)
        seen = shown(network, WORDS, mask) - shown(network, WORDS, torch.zeros_like(mask))
    assert seen.abs().max() > 1e-4


def test_gradients_reach_mask_and_words_through_the_frozen_part(network, mask):
    for addition in network.control.additions:
        torch.nn.init.normal_(addition.weight, std=0.2)
    network.unet.requires_grad_(False)
    network.conditions.requires_grad_(False)
    shown(network, WORDS, mask).square().mean().backward()
    of_mask = network.control.conv_in.weight.grad[:, network.control.latent :]
    assert of_mask.norm() > 0
    assert network.control.conditions.tables["vendor"].weight.grad[1:].norm() > 0
    assert all(p.grad is None for p in network.unet.parameters())


def test_only_the_control_is_left_to_train():
    model = ControlledModel(config())
    model.freeze()
    free = {name for name, p in model.named_parameters() if p.requires_grad}
    assert free == {f"network.control.{n}" for n, _ in model.network.control.named_parameters()}


@pytest.fixture(scope="module")
def generator() -> LatentControlGenerator:
    torch.manual_seed(0)
    model = ControlledModel(config())
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return LatentControlGenerator(model)


def pictures(generator, *conditions, **options) -> np.ndarray:
    *_, last = generator.sample(conditions, seed=0, **{"steps": 2, **options})
    assert isinstance(last, Images)
    return last.pixels


def test_the_mask_shows_in_the_latents_too(generator):
    """The decoder draws the mask in any case; with an open one it cannot."""
    drawn = draw_slice(shape=(32, 32), spacing=(6.0, 6.0), level="mid", seed=0)
    known = [{}]
    latents = []
    for labels in (np.full_like(drawn, 255), drawn):
        shown = torch.nn.functional.one_hot(torch.from_numpy(labels).long().clamp(max=4), 5)
        steps = generator.solve(
            torch.zeros(1, 4, 8, 8),
            shown[None, ..., :4].permute(0, 3, 1, 2).float(),
            known,
            steps=2,
        )
        *_, last = steps
        latents.append(last)
    assert not torch.allclose(*latents, atol=1e-4)


def test_it_samples_like_the_latent_model_that_it_holds(generator):
    condition = Condition(vendor="ge")
    wanted = pictures(LatentGenerator(generator.model), condition, sampler="heun")
    np.testing.assert_array_equal(pictures(generator, condition, sampler="heun"), wanted)
    assert np.abs(pictures(generator, condition) - wanted).max() > 1e-4


@pytest.mark.parametrize(
    ("fields", "options", "said"),
    [
        ({}, {"sampler": "ddim"}, "sampler 'ddim': models of 'latent-control'.*choose euler, heun"),
        ({"prompt": "a heart"}, {}, "prompt: models of 'latent-control' read no text"),
        ({"vendor": "acme"}, {}, "vendor 'acme': this model knows siemens, ge"),
    ],
)
def test_what_it_has_not_is_refused(generator, fields, options, said):
    with pytest.raises(InputError, match=said):
        pictures(generator, Condition(**fields), **options)
