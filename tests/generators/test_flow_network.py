"""The flow's input scale in closed form, its conditions, and its solver."""

from __future__ import annotations

import pytest
import torch

from cmr_synth.anatomy.labels import LV, UNLABELLED
from cmr_synth.generators.conditioning import one_hot_mask
from cmr_synth.generators.flow.network import FlowConfig, FlowNetwork
from cmr_synth.generators.flow.sampler import euler, state_after, time_grid

SMALL = FlowConfig(
    shape=(32, 32), channels=(16, 16), attention=(False, True), layers=1, head_width=8, groups=8
)


@pytest.fixture(scope="module")
def network():
    """A tiny network with random weights."""
    torch.manual_seed(0)
    return FlowNetwork(SMALL).eval()


@pytest.mark.parametrize("sigma_data", [0.3, 0.5, 1.0])
def test_the_scaled_input_has_unit_variance(sigma_data):
    """x_t = t x + (1 - t) n with var x = sigma_data^2, n standard normal, both independent."""
    holder = type("Holder", (), {"config": SMALL.model_copy(update={"sigma_data": sigma_data})})
    t = torch.linspace(0, 1, 12)
    scale = FlowNetwork.input_scale(holder, t).flatten()
    variance = t**2 * sigma_data**2 + (1 - t) ** 2
    torch.testing.assert_close(scale**2 * variance, torch.ones_like(t))


def call(network, conditions, mask=None, n=None):
    n = n or len(conditions)
    generator = torch.Generator().manual_seed(1)
    noisy = torch.randn(n, 1, 32, 32, generator=generator)
    mask = torch.zeros(n, 4, 32, 32) if mask is None else mask
    with torch.no_grad():
        return network(noisy, torch.full((n,), 0.4), mask, conditions)


FULL = {"vendor": "ge", "phase": "ES", "pathology": "hcm", "z": 0.3}


@pytest.mark.parametrize(
    "change",
    [{"vendor": "philips"}, {"phase": "ED"}, {"pathology": "dcm"}, {"z": 0.9}, {"z": 0.0}]
    + [{key: None} for key in FULL],
    ids=str,
)
def test_every_condition_changes_the_estimate(change, network):
    plain, other = (call(network, [{**FULL, **c}]) for c in ({}, change))
    assert not torch.allclose(plain, other, atol=1e-6)


def test_augmented_pictures_have_a_condition_of_their_own(network):
    plain = call(network, [FULL])
    try:
        with torch.no_grad():
            network.conditions.augmented.fill_(0.5)
        assert torch.equal(call(network, [FULL]), plain)
        assert not torch.allclose(call(network, [{**FULL, "augmented": True}]), plain, atol=1e-6)
    finally:
        with torch.no_grad():
            network.conditions.augmented.zero_()


@pytest.mark.parametrize("unspecified", [{}, {"vendor": "", "phase": ""}, dict.fromkeys(FULL)])
def test_missing_empty_and_none_are_all_unspecified(unspecified, network):
    assert torch.equal(call(network, [unspecified]), call(network, [{}]))


def test_the_mask_changes_the_estimate(network):
    mask = torch.zeros(1, 4, 32, 32)
    mask[:, LV, 10:20, 10:20] = 1
    assert not torch.allclose(call(network, [FULL], mask), call(network, [FULL]), atol=1e-6)


def test_an_estimate_does_not_depend_on_its_batch(network):
    both = call(network, [FULL, {}])
    noisy = torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        alone = network(noisy[1:], torch.tensor([0.4]), torch.zeros(1, 4, 32, 32), [{}])
    torch.testing.assert_close(alone, both[1:], atol=1e-5, rtol=0)  # convolution order


def test_one_hot_leaves_unlabelled_pixels_open():
    labels = torch.tensor([[[0, 1, 2, 3, UNLABELLED]]])
    indicators = one_hot_mask(labels)
    assert indicators.shape == (1, 4, 1, 5)
    assert torch.equal(indicators[0, :, 0], torch.eye(4, 5))


@pytest.mark.parametrize("steps", [1, 3, 8])
def test_time_grid_starts_at_noise_and_stays_below_the_picture(steps):
    grid = time_grid(steps)
    assert len(grid) == steps and grid[0] == 0 and grid == sorted(set(grid)) and grid[-1] < 1


class Knows(torch.nn.Module):
    """Always estimates the same picture; another one when nothing is specified."""

    def __init__(self, picture, free=None):
        super().__init__()
        self.picture, self.free, self.calls = picture, free, 0

    def forward(self, noisy, time, mask, conditions):
        self.calls += 1
        return self.free if conditions[0] == {} and self.free is not None else self.picture


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_perfect_estimate_is_where_the_flow_ends(steps):
    picture, noise = torch.rand(2, 1, 8, 8), torch.randn(2, 1, 8, 8)
    network = Knows(picture)
    *_, last = euler(network, noise, torch.zeros(2, 4, 8, 8), [FULL] * 2, steps=steps)
    torch.testing.assert_close(last, picture)
    assert network.calls == steps


def test_the_state_between_steps_is_the_sampler_s_own():
    """From it, the steps that are left lead to where the whole sampler ends."""
    noise, mask = torch.randn(2, 1, 8, 8), torch.zeros(2, 4, 8, 8)

    def network(noisy, time, mask, conditions):
        return torch.tanh(2 * noisy) + time.view(-1, 1, 1, 1)

    *_, end = euler(network, noise, mask, [FULL] * 2, steps=4)
    before_last = state_after(3, network, noise, mask, [FULL] * 2, steps=4)
    torch.testing.assert_close(network(before_last, torch.full((2,), 0.75), mask, None), end)
    assert torch.equal(state_after(0, network, noise, mask, [FULL] * 2, steps=4), noise)


def test_guidance_moves_away_from_the_unconditional_estimate():
    picture, free = torch.rand(1, 1, 8, 8), torch.rand(1, 1, 8, 8)
    network = Knows(picture, free)
    (last,) = euler(
        network, torch.randn(1, 1, 8, 8), torch.zeros(1, 4, 8, 8), [FULL], steps=1, guidance=2.0
    )
    torch.testing.assert_close(last, free + 2 * (picture - free))
    assert network.calls == 2


class Gaussian(torch.nn.Module):
    """The exact estimate where pictures are normal with mean m and deviation s."""

    m, s = 0.3, 0.5

    def forward(self, noisy, time, mask, conditions):
        t = time.view(-1, 1, 1, 1)
        gain = t * self.s**2 / (t**2 * self.s**2 + (1 - t) ** 2)
        return self.m + gain * (noisy - t * self.m)


def test_many_steps_reach_the_distribution():
    """The flow from N(0, 1) to N(m, s^2) is x = m + s n; the error of Euler falls with steps."""
    noise = torch.randn(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    exact = Gaussian.m + Gaussian.s * noise
    errors = []
    for steps in (4, 16, 64):
        *_, last = euler(Gaussian(), noise, torch.zeros(1, 4, 32, 32), [{}], steps=steps)
        errors.append((last - exact).abs().max().item())
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.05


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"attention": (False,)}, "channels has 2 levels and attention 1"),
        ({"channels": (), "attention": ()}, "both need one entry a level"),
        ({"channels": (16, 20)}, "do not divide by groups 8"),
        ({"head_width": 32}, "head_width 32 is more than"),
        ({"shape": (36, 32)}, r"shape \(36, 32\) does not divide by 8"),
        ({"layers": 0}, "greater than 0"),
        ({"channels": (16, -8)}, "greater than 0"),
        ({"sigma_data": float("nan")}, "finite"),
    ],
    ids=str,
)
def test_a_network_that_cannot_be_built_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        FlowConfig(**{**SMALL.model_dump(), **fields})
