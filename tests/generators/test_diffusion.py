"""The diffusion: its noise in closed form, its samplers on a known answer, its reference style."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from cmr_synth.anatomy.template import draw_slice
from cmr_synth.errors import InputError
from cmr_synth.generators.conditioning import one_hot_mask
from cmr_synth.generators.diffusion.generator import DiffusionGenerator
from cmr_synth.generators.diffusion.network import DiffusionConfig, DiffusionNetwork
from cmr_synth.generators.diffusion.sampler import DEFAULT_STEPS, denoise, noised, own_draws
from cmr_synth.generators.diffusion.schedule import LEAST, signal_shares, spaced
from cmr_synth.generators.interface import Condition, Images

TINY = {
    "shape": (32, 32),
    "spacing_mm": 6.0,
    "channels": (8, 8),
    "attention": (False, False),
    "head_width": 4,
    "groups": 4,
    "vendors": ("siemens", "ge"),
}


def network(seed: int = 0, **settings) -> DiffusionNetwork:
    torch.manual_seed(seed)
    made = DiffusionNetwork(DiffusionConfig(**{**TINY, **settings}))
    for parameter in made.parameters():  # so that every condition shows
        torch.nn.init.normal_(parameter, std=0.2)
    return made.eval()


@pytest.fixture(scope="module")
def generator() -> DiffusionGenerator:
    return DiffusionGenerator(network())


@pytest.fixture(scope="module")
def mask() -> np.ndarray:
    return draw_slice(shape=(32, 32), spacing=(6.0, 6.0), level="mid", seed=0)


def pictures(generator, *conditions, seed=0, **options) -> np.ndarray:
    *_, last = generator.sample(conditions, seed=seed, **{"steps": 4, **options})
    assert isinstance(last, Images)
    return last.pixels


@pytest.mark.parametrize(("name", "curve"), [("cosine", "squaredcos_cap_v2"), ("linear", "linear")])
def test_without_shift_the_schedule_is_that_of_diffusers(name, curve):
    from diffusers import DDPMScheduler

    theirs = DDPMScheduler(beta_schedule=curve).alphas_cumprod.numpy()
    ours = signal_shares(name, 1000, shift=1.0, to_zero=False)
    np.testing.assert_allclose(ours[:-1], theirs[:-1], rtol=1e-3, atol=1e-7)  # theirs is float32


@pytest.mark.parametrize("name", ["cosine", "linear"])
def test_the_shift_is_a_factor_on_the_noise(name):
    ratios = []
    for shift in (1.0, 3.0):
        share = signal_shares(name, 1000, shift=shift, to_zero=False)[:900]
        ratios.append(np.sqrt((1 - share) / share))
    np.testing.assert_allclose(ratios[1], 3 * ratios[0], rtol=1e-6)


@pytest.mark.parametrize("name", ["cosine", "linear"])
def test_nothing_of_the_picture_is_left_at_the_end(name):
    shares = signal_shares(name, 1000, shift=1.0, to_zero=True)
    assert shares[-1] == LEAST
    assert (np.diff(shares) <= 0).all() and shares[0] > 0.999
    kept = signal_shares("linear", 1000, shift=1.0, to_zero=False)
    assert kept[-1] > 1e-5


@pytest.mark.parametrize("steps", [1, 2, 7, 15, 1000])
def test_the_short_diffusion_has_the_long_one_s_levels(steps):
    shares = signal_shares("cosine", 1000, shift=2.0, to_zero=True)
    visited, betas = spaced(shares, steps)
    assert len(visited) == len(set(visited)) == steps and visited[0] == 999
    products = np.cumprod(1 - np.array(betas))
    np.testing.assert_allclose(products[::-1], shares[visited], rtol=1e-6)
    assert (np.diff(visited) < 0).all()


@pytest.mark.parametrize("fold", [1, 2, 4])
def test_every_fold_sees_every_pixel(fold):
    of = network(fold=fold)
    noisy, step = torch.zeros(1, 1, 32, 32), torch.tensor([500])
    empty = torch.zeros(1, 4, 32, 32)
    plain = of(noisy, step, empty, [{}])
    assert plain.shape == noisy.shape
    for y, x in [(0, 0), (13, 18), (31, 31)]:
        other = empty.clone()
        other[0, 1, y, x] = 1
        assert (of(noisy, step, other, [{}]) - plain).abs().max() > 1e-4


def test_the_input_has_unit_variance():
    """x_t = sqrt(a) x + sqrt(1 - a) n with var x = sigma_data^2."""
    of = network(sigma_data=0.3)
    seen = []
    of.unet.register_forward_pre_hook(lambda _, given: seen.append(given[0][:, :16]))
    step = torch.tensor([0, 300, 600, 999])
    share = of.share(step)
    draw = torch.Generator().manual_seed(0)
    x, n = (torch.randn(4, 1, 32, 32, generator=draw) for _ in range(2))
    of(share.sqrt() * 0.3 * x + (1 - share).sqrt() * n, step, torch.zeros(4, 4, 32, 32), [{}] * 4)
    deviations = seen[0].flatten(1).std(dim=1)
    torch.testing.assert_close(deviations, torch.ones(4), atol=0.06, rtol=0)  # of 1024 numbers


class Known(DiffusionNetwork):
    """The exact answer for pictures that are all `mean` plus `sd` times normal numbers."""

    mean, sd = 0.1, 0.3

    def forward(self, noisy, step, mask, conditions):
        share = self.share(step)
        gain = share.sqrt() * self.sd**2 / (share * self.sd**2 + 1 - share)
        x = self.mean + gain * (noisy - share.sqrt() * self.mean)
        noise = (noisy - share.sqrt() * x) / (1 - share).sqrt()
        return {
            "sample": x,
            "epsilon": noise,
            "v_prediction": share.sqrt() * noise - (1 - share).sqrt() * x,
        }[self.config.prediction]


@pytest.mark.parametrize("prediction", ["sample", "epsilon", "v_prediction"])
@pytest.mark.parametrize("betas", ["cosine", "linear"])
@pytest.mark.parametrize(("sampler", "steps"), [("dpm-solver++", 20), ("ddim", 100), ("ddpm", 250)])
def test_samplers_find_the_distribution_of_a_known_answer(sampler, steps, betas, prediction):
    of = Known(DiffusionConfig(**{**TINY, "fold": 1, "prediction": prediction, "betas": betas}))
    noise = torch.randn(4, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    draws = [own_draws(0, i) for i in range(4)]
    options = {"sampler": sampler, "steps": steps, "draws": draws}
    *_, last = denoise(of, noise, torch.zeros(4, 4, 32, 32), [{}] * 4, **options)
    assert last.mean() == pytest.approx(of.mean, abs=0.01)
    assert last.std() == pytest.approx(of.sd, rel=0.1)


def test_few_steps_keep_fine_grain():
    """Even steps, as schedulers take them by themselves, end at 0.4 of it."""
    of = Known(DiffusionConfig(**TINY))
    of.sd = 0.1
    noise = torch.randn(4, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    *_, last = denoise(of, noise, torch.zeros(4, 4, 32, 32), [{}] * 4, steps=15)
    assert last.std() == pytest.approx(of.sd, rel=0.1)


def test_pictures_are_clipped_on_the_way():
    """So that a wrong estimate at one step leads the next no further astray."""
    of = Known(DiffusionConfig(**TINY))
    of.mean = 5.0
    noise = torch.zeros(1, 1, 32, 32)
    for estimate in denoise(of, noise, torch.zeros(1, 4, 32, 32), [{}], steps=4):
        assert estimate.max() <= 1


def test_samplers_and_steps_give_different_pictures(generator, mask):
    condition = Condition(mask=mask, vendor="ge")
    found = [pictures(generator, condition, sampler=s) for s in DEFAULT_STEPS]
    found.append(pictures(generator, condition, steps=9))
    for i, one in enumerate(found):
        for other in found[:i]:
            assert np.abs(one - other).max() > 1e-3
    default = pictures(generator, condition, steps=None)
    same = pictures(generator, condition, sampler="dpm-solver++", steps=15)
    np.testing.assert_array_equal(default, same)


def test_the_noise_added_on_the_way_is_each_image_s_own(generator, mask):
    conditions = [Condition(mask=mask), Condition(mask=mask, vendor="ge"), Condition()]
    whole = pictures(generator, *conditions, sampler="ddpm", indices=[5, 1, 8])
    alone = pictures(generator, conditions[1], sampler="ddpm", indices=[1])
    np.testing.assert_allclose(whole[1], alone[0], atol=1e-5, rtol=0)  # order of float32 sums
    draws = [torch.randn(4, generator=own_draws(*k)) for k in ((0, 1), (0, 1), (0, 2), (1, 1))]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2]) and not torch.equal(draws[0], draws[3])


def test_guidance_moves_away_from_the_unconditional_picture(mask):
    of = network()
    noise = torch.randn(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    shown = one_hot_mask(torch.from_numpy(mask).long()[None])
    given = [{"vendor": "ge"}]
    free, plain, guided = (
        next(denoise(of, noise, m, c, steps=2, guidance=g))
        for m, c, g in ((shown * 0, [{}], 1.0), (shown, given, 1.0), (shown, given, 1.5))
    )
    goal = (free + 1.5 * (plain - free)).clamp(-1, 1)
    inside = (free.abs() < 1) & (plain.abs() < 1)  # where none was clipped
    assert inside.any() and not torch.allclose(guided, plain, atol=1e-3)
    torch.testing.assert_close(guided[inside], goal[inside], atol=1e-5, rtol=0)


def test_partial_noise_is_that_of_the_step():
    of = network()
    ones, noise = torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)
    found = [float(noised(of, ones, noise, steps=5, start=s).mean()) for s in range(5)]
    visited, _ = spaced(of.config.shares.numpy(), 5)
    np.testing.assert_allclose(found, of.config.shares[visited].sqrt(), rtol=1e-5)


@pytest.fixture(scope="module")
def dark() -> np.ndarray:
    return 0.3 * np.random.default_rng(0).random((32, 32), dtype=np.float32)


def test_the_reference_s_grey_levels_come_with_its_strength(mask, dark):
    generator = DiffusionGenerator(Known(DiffusionConfig(**TINY)))
    gaps, found = [], []
    for strength in (0.0, 0.5, 1.0):
        asked = Condition(mask=mask, reference=dark, reference_strength=strength)
        found.append(pictures(generator, asked))
        gaps.append(np.abs(np.sort(found[-1].ravel()) - np.sort(dark.ravel())).mean())
    np.testing.assert_array_equal(found[0], pictures(generator, Condition(mask=mask)))
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 0.02


def test_the_layout_is_the_picture_s_and_not_the_reference_s(generator, mask):
    """At full strength: a reference turned over has the same grey levels, and gives the same."""
    reference = np.float32(0.5) * np.random.default_rng(1).random((32, 32), dtype=np.float32) + 0.2
    asked = Condition(mask=mask, reference=reference, reference_strength=1.0)
    one = pictures(generator, asked)
    other = pictures(generator, replace(asked, reference=reference[::-1, ::-1].copy()))
    np.testing.assert_allclose(one, other, atol=1e-3)


def test_images_of_one_batch_may_have_different_strengths(generator, mask, dark):
    asked = [
        Condition(mask=mask, reference=dark, reference_strength=0.25),
        Condition(mask=mask),
        Condition(mask=mask, reference=dark, reference_strength=0.75),
        Condition(reference=dark[::-1].copy(), reference_strength=0.75),
        Condition(reference=dark, reference_strength=0.05),  # less than half a step
    ]
    for sampler in DEFAULT_STEPS:
        *progress, whole = generator.sample(asked, seed=2, steps=4, sampler=sampler)
        assert progress[-1].step == progress[-1].steps == 4 + 3 + 1
        assert Counter(p.step for p in progress).most_common(1)[0][1] == 1
        for i, condition in enumerate(asked):
            alone = pictures(generator, condition, seed=2, indices=[i], sampler=sampler)
            np.testing.assert_allclose(alone[0], whole.pixels[i], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("fields", "options", "said"),
    [
        ({}, {"sampler": "euler"}, "sampler 'euler'.*choose dpm-solver.., ddim, ddpm"),
        ({}, {"steps": 0}, "steps: 0 given; this model takes 1 to 1000"),
        ({}, {"steps": 1001}, "steps: 1001 given; this model takes 1 to 1000"),
        ({"prompt": "a heart"}, {}, "prompt: models of 'diffusion' read no text"),
        ({"reference": np.zeros((8, 8), np.float32)}, {}, r"reference: is of \(8, 8\) pixels"),
    ],
)
def test_what_it_cannot_do_is_refused(generator, fields, options, said):
    with pytest.raises(InputError, match=said):
        pictures(generator, Condition(**fields), **options)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"prediction": "v_prediction", "fold": 4}, "needs fold 1 or 2"),
        ({"channels": (8, 6)}, "do not divide by groups 4"),
        ({"attention": (True,)}, "channels has 2 levels and attention 1"),
        ({"head_width": 16}, "head_width 16 is more than the channels"),
        ({"shape": (32, 36)}, "does not divide by 8"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        DiffusionConfig(**{**TINY, **settings})
