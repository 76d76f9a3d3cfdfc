"""A U-Net or a transformer, behind one call."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from cmr_synth.generators.diffusion.network import DiffusionConfig, DiffusionNetwork
from cmr_synth.generators.flow.network import FlowConfig, FlowNetwork
from cmr_synth.networks.weights import load_weights, save_weights, set_state, state_of

TINY = {"shape": (32, 48), "width": 32, "depth": 3, "head_width": 8, "vendors": ("ge", "philips")}
KINDS = ("dit", "uvit")
ASKED = {"vendor": "ge", "phase": "ES", "z": 0.3}


def flow(kind):
    torch.manual_seed(0)
    return FlowNetwork(FlowConfig(backbone=kind, **TINY)).eval()


def stirred(network):
    """With weights as after some training: blocks that do something, an output that is not 0."""
    with torch.no_grad():
        for weight in network.parameters():
            weight += 0.1 * torch.randn_like(weight)
    return network


def call(network, conditions, mask=None, time=0.4):
    generator = torch.Generator().manual_seed(1)
    noisy = torch.randn(1, 1, 32, 48, generator=generator)
    mask = torch.zeros(1, 4, 32, 48) if mask is None else mask
    with torch.no_grad():
        return network(noisy, torch.full((1,), time), mask, [conditions])


@pytest.mark.parametrize("kind", KINDS)
def test_an_untrained_transformer_says_nothing(kind):
    estimate = call(flow(kind), ASKED)
    assert estimate.shape == (1, 1, 32, 48) and (estimate == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_all_that_it_is_told_changes_the_estimate(kind):
    network = stirred(flow(kind))
    mask = torch.zeros(1, 4, 32, 48)
    mask[:, 1, 20, 30] = 1
    plain = call(network, ASKED)
    others = [call(network, {**ASKED, **c}) for c in ({"vendor": "philips"}, {"z": None})]
    others += [call(network, ASKED, mask), call(network, ASKED, time=0.7)]
    assert all(not torch.allclose(plain, other, atol=1e-4) for other in others)


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_hears_of_all_others_and_knows_its_place(kind):
    network = stirred(flow(kind))
    mask = torch.zeros(1, 4, 32, 48)
    mask[:, 2, 0, 0] = 1
    far = (call(network, {}, mask) - call(network, {}))[..., 24:, 24:]
    assert far.abs().max() > 1e-5
    with torch.no_grad():
        even = network(torch.zeros(1, 1, 32, 48), torch.zeros(1), torch.zeros(1, 4, 32, 48), [{}])
    blocks = even.unfold(2, 8, 8).unfold(3, 8, 8).flatten(0, 3)
    assert (blocks - blocks[0]).abs().max() > 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_weights_come_back_from_their_file(kind, tmp_path):
    network = stirred(flow(kind))
    save_weights(tmp_path / "w.safetensors", state_of(network), bits=16)
    other = flow(kind)
    set_state(other, load_weights(tmp_path / "w.safetensors"))
    torch.testing.assert_close(call(other, ASKED), call(network, ASKED), atol=0.02, rtol=0.02)
    assert [n for n in state_of(network) if n.split(".")[-1] == "places"] == []  # a formula


def test_a_diffusion_has_them_too():
    network = DiffusionNetwork(DiffusionConfig(backbone="uvit", **TINY))
    noisy, mask = torch.randn(2, 1, 32, 48), torch.zeros(2, 4, 32, 48)
    assert network(noisy, torch.tensor([3, 700]), mask, [{}, ASKED]).shape == noisy.shape


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"backbone": "vit"}, "unet"),
        ({"backbone": "dit", "width": 36}, "head_width 8"),
        ({"backbone": "dit", "token": 3}, "tokens of 12 pixels"),
        ({"backbone": "uvit", "depth": 4}, "odd number"),
    ],
)
def test_sizes_that_do_not_fit_are_told(change, words):
    with pytest.raises(ValidationError, match=words):
        FlowConfig(**{**TINY, **change})
