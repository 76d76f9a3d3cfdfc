"""The flow's input scale in closed form, its conditions, and its solver."""

from __future__ import annotations

import pytest
import torch

from cmr_synth.anatomy.labels import LV, UNLABELLED
from cmr_synth.generators.conditioning import one_hot_mask
from cmr_synth.generators.flow.network import FlowConfig, FlowNetwork, start_of
from cmr_synth.generators.flow.sampler import SOLVERS, after_step, euler, heun, time_grid

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


def test_a_direct_flow_starts_from_the_mask_and_sees_it_nowhere_else():
    config = SMALL.model_copy(update={"source": "condition"})
    torch.manual_seed(0)
    direct = FlowNetwork(config).eval()
    mask, other = torch.zeros(2, 1, 4, 32, 32)
    mask[:, 0], other[:, 0] = 1, 1
    other[:, :, 10:20, 10:20] = 0
    other[:, LV, 10:20, 10:20] = 1
    assert torch.equal(call(direct, [FULL], mask), call(direct, [FULL], other))
    noise = torch.randn(1, 1, 32, 32, generator=torch.Generator().manual_seed(2))
    starts = [start_of(config, noise, m) for m in (mask, other)]
    changed = (starts[0] != starts[1])[0, 0]
    assert torch.equal(changed, other[0, LV] == 1)
    assert torch.equal(start_of(SMALL, noise, mask), noise)  # from noise the mask does not matter


def test_a_direct_start_has_the_shades_of_the_structures_and_the_noise_stated():
    config = SMALL.model_copy(
        update={"source": "condition", "shades": (-0.9, 0.1, 0.2, 0.3), "shade_noise": 0.05}
    )
    labels = torch.tensor([0, 1, 2, 3, UNLABELLED]).repeat(20000)[None, None]
    noise = torch.randn(labels[:, None].shape, generator=torch.Generator().manual_seed(2))
    start = start_of(config, noise, one_hot_mask(labels[:, 0][:, None])).flatten()
    for label, shade in ((0, -0.9), (1, 0.1), (2, 0.2), (3, 0.3), (UNLABELLED, -0.9)):
        own = start[labels.flatten() == label]
        assert own.mean().item() == pytest.approx(shade, abs=0.002)
        assert own.std().item() == pytest.approx(0.05, abs=0.002)


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
    for crowding in (1.0, 1.3):
        grid = time_grid(steps, crowding)
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
@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_a_perfect_estimate_is_where_the_flow_ends(solver, steps):
    picture, noise = torch.rand(2, 1, 8, 8), torch.randn(2, 1, 8, 8)
    network = Knows(picture)
    mask = torch.zeros(2, 4, 8, 8)
    yielded = list(SOLVERS[solver](network, noise, mask, [FULL] * 2, steps=steps))
    torch.testing.assert_close(yielded[-1], picture)
    assert len(yielded) == steps
    assert network.calls == (steps if solver == "euler" else 2 * steps - 1)


def test_a_look_is_taken_on_by_the_state_too():
    """Else the next step would know nothing of it."""
    noise, mask = torch.randn(1, 1, 8, 8), torch.zeros(1, 4, 8, 8)
    states = []

    def network(noisy, time, mask, conditions):
        states.append((noisy, float(time)))
        return torch.full_like(noisy, 0.2)

    for solver in (euler, heun):
        states.clear()
        *_, last = solver(network, noise, mask, [{}], steps=4, look=lambda x: x + 0.5)
        torch.testing.assert_close(last, torch.full_like(last, 0.7))
        state, time = states[1 if solver is euler else 2]
        torch.testing.assert_close(state, time * 0.7 + (1 - time) * noise)


def test_the_state_between_steps_is_the_sampler_s_own():
    """From it, the steps that are left lead to where the whole sampler ends."""
    noise, mask = torch.randn(2, 1, 8, 8), torch.zeros(2, 4, 8, 8)

    def network(noisy, time, mask, conditions):
        return torch.tanh(2 * noisy) + time.view(-1, 1, 1, 1)

    *_, end = euler(network, noise, mask, [FULL] * 2, steps=4)
    state = noise
    for now in (0.0, 0.25, 0.5):
        state = after_step(network, state, mask, [FULL] * 2, now=now, after=now + 0.25)
    torch.testing.assert_close(network(state, torch.full((2,), 0.75), mask, None), end)


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


def test_the_second_order_solver_is_nearer_at_equal_evaluations():
    noise = torch.randn(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    exact = Gaussian.m + Gaussian.s * noise
    errors = {}
    for name, steps in (("euler", 15), ("heun", 8)):
        *_, last = SOLVERS[name](Gaussian(), noise, torch.zeros(1, 4, 32, 32), [{}], steps=steps)
        errors[name] = (last - exact).abs().mean().item()
    assert errors["heun"] < errors["euler"]


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
        ({"source": "mask"}, "'noise' or 'condition'"),
        ({"adapter": {"base": "../up", "sha256": "0" * 64, "rank": 2}}, "pattern"),
    ],
    ids=str,
)
def test_a_network_that_cannot_be_built_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        FlowConfig(**{**SMALL.model_dump(), **fields})
