"""Latent models: the bottleneck in closed form, both objectives on a known answer, refusals."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from cmr_synth.errors import InputError
from cmr_synth.generators.diffusion.sampler import own_draws
from cmr_synth.generators.interface import Condition, Images
from cmr_synth.generators.latent.autoencoder import Autoencoder, AutoencoderConfig
from cmr_synth.generators.latent.generator import SAMPLERS, LatentGenerator
from cmr_synth.generators.latent.network import LatentConfig, LatentModel, LatentNetwork

GRID = {"shape": (32, 32), "spacing_mm": 6.0}
INNER = {**GRID, "encoder": (8, 8), "decoder": (8, 8, 4), "blocks": 1, "hidden": 4, "groups": 4}
TINY = {
    **GRID,
    "channels": (8, 8),
    "attention": (False, False),
    "head_width": 4,
    "groups": 4,
    "vendors": ("siemens", "ge"),
    "autoencoder": INNER,
}


def autoencoder(**settings) -> Autoencoder:
    torch.manual_seed(0)
    return Autoencoder(AutoencoderConfig(**{**INNER, **settings})).eval()


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def open_masks(count: int) -> torch.Tensor:
    return torch.zeros(count, 4, 32, 32)


def test_the_gaussian_bottleneck_costs_its_divergence():
    of = autoencoder()
    pictures = drawn(3, 1, 32, 32).clamp(-1, 1)
    with torch.no_grad():
        mean, log_variance = of.encoder(pictures)
        _, cost = of(pictures, open_masks(3), torch.zeros(3, 4, 8, 8))
    own = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    wanted = torch.distributions.kl_divergence(own, torch.distributions.Normal(0.0, 1.0))
    torch.testing.assert_close(cost, wanted.mean(dim=(1, 2, 3)))


def test_the_gaussian_bottleneck_is_drawn_from():
    of = autoencoder()
    pictures = drawn(1, 1, 32, 32)
    with torch.no_grad():
        first, other = (
            of(pictures, open_masks(1), draw)[0]
            for draw in (torch.zeros(1, 4, 8, 8), drawn(1, 4, 8, 8))
        )
    assert not torch.allclose(first, other, atol=1e-4)


def test_the_codebook_gives_its_nearest_entry_and_costs_the_distance():
    of = autoencoder(bottleneck="vq", codes=5)
    seen = []
    of.decoder.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    pictures = drawn(2, 1, 32, 32)
    with torch.no_grad():
        mean, _ = of.encoder(pictures)
        _, cost = of(pictures, open_masks(2), torch.zeros(2, 4, 8, 8))
        of.decode(of.encode(pictures), open_masks(2))
    entries = of.codebook.weight.view(5, 1, 4, 1, 1)
    distance = ((mean[None] - entries) ** 2).sum(dim=2)  # (codes, n, y, x)
    wanted = of.codebook(distance.argmin(dim=0)).permute(0, 3, 1, 2)
    torch.testing.assert_close(seen[0], wanted, atol=1e-5, rtol=0)
    torch.testing.assert_close(seen[1], wanted, atol=1e-5, rtol=0)
    # commitment weighs a quarter of the codebook's own error
    torch.testing.assert_close(cost, 1.25 * distance.min(dim=0).values.mean(dim=(1, 2)) / 4)


@pytest.mark.parametrize("spread", [0.3, 1.0])
def test_decoding_undoes_the_scale_of_encoding(spread):
    of = autoencoder(spread=spread)
    of.mean.copy_(torch.tensor([0.5, -1.0, 0.0, 2.0]))
    of.deviation.copy_(torch.tensor([0.2, 3.0, 1.0, 0.5]))
    seen = []
    of.decoder.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    pictures = drawn(1, 1, 32, 32)
    with torch.no_grad():
        latents, (mean, _) = of.encode(pictures), of.encoder(pictures)
        of.decode(latents, open_masks(1))
    torch.testing.assert_close(seen[0], mean)
    wanted = (mean[:, 3] - 2.0) / 0.5 * spread
    torch.testing.assert_close(latents[:, 3], wanted)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"encoder": (8, 6)}, "must divide by groups 4"),
        ({"decoder": (8, 6, 4)}, "must divide by groups 4"),
        ({"shape": (32, 34)}, "does not divide by 4"),
        ({"bottleneck": "none"}, "'kl' or 'vq'"),
        ({"codes": 1}, "greater than 1"),
    ],
)
def test_an_autoencoder_that_cannot_be_built_is_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        AutoencoderConfig(**{**INNER, **settings})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"channels": (8, 6)}, "do not divide by groups 4"),
        ({"attention": (True,)}, "channels has 2 levels and attention 1"),
        ({"head_width": 16}, "head_width 16 is more than"),
        ({"shape": (32, 36)}, "does not divide by 8"),
        ({"shape": (64, 64)}, "is not the autoencoder's"),
        ({"objective": "gan"}, "'flow' or 'diffusion'"),
    ],
)
def test_a_network_that_cannot_be_built_is_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        LatentConfig.model_validate({**TINY, **settings})


def config(**settings) -> LatentConfig:
    return LatentConfig.model_validate({**TINY, **settings})


def random_model(**settings) -> LatentModel:
    torch.manual_seed(0)
    model = LatentModel(config(**settings))
    for parameter in model.parameters():  # so that every condition shows
        torch.nn.init.normal_(parameter, std=0.2)
    torch.nn.init.normal_(model.autoencoder.decoder.out.weight, std=0.01)
    return model.eval()


@pytest.mark.parametrize("objective", ["flow", "diffusion"])
def test_the_network_sees_every_pixel_of_the_mask(objective):
    network = random_model(objective=objective).network
    time = torch.tensor([0.5]) if objective == "flow" else torch.tensor([500])
    noisy, empty = torch.zeros(1, 4, 8, 8), open_masks(1)
    with torch.no_grad():
        plain = network(noisy, time, empty, [{}])
        assert plain.shape == noisy.shape
        for y, x in [(0, 0), (13, 18), (31, 31)]:
            other = empty.clone()
            other[0, 1, y, x] = 1
            assert (network(noisy, time, other, [{}]) - plain).abs().max() > 1e-4


@pytest.mark.parametrize("objective", ["flow", "diffusion"])
@pytest.mark.parametrize("spread", [0.3, 0.8])
def test_the_input_has_unit_variance(objective, spread):
    of = LatentNetwork(config(objective=objective, autoencoder={**INNER, "spread": spread}))
    seen = []
    of.unet.register_forward_pre_hook(lambda _, given: seen.append(given[0][:, :4]))
    latents, noise = drawn(2, 4, 64, 8, 8) * torch.tensor([spread, 1.0]).view(2, 1, 1, 1, 1)
    if objective == "flow":
        time = torch.tensor([0.0, 0.3, 0.6, 0.95])
        t = time.view(-1, 1, 1, 1)
        noisy = t * latents[:, :4] + (1 - t) * noise[:, :4]
    else:
        time = torch.tensor([0, 300, 600, 999])
        share = of.share(time)
        noisy = share.sqrt() * latents[:, :4] + (1 - share).sqrt() * noise[:, :4]
    with torch.no_grad():
        of(noisy, time, open_masks(4), [{}] * 4)
    deviations = seen[0].flatten(1).std(dim=1)
    torch.testing.assert_close(deviations, torch.ones(4), atol=0.15, rtol=0)  # of 256 numbers


class Known(LatentNetwork):
    """The exact answer for latents that are all `mean` plus `sd` times normal numbers."""

    mean, sd = 0.1, 0.3

    def forward(self, noisy, time, mask, conditions):
        if self.config.objective == "flow":
            t = time.view(-1, 1, 1, 1)
            signal, noise = t, 1 - t
        else:
            share = self.share(time)
            signal, noise = share.sqrt(), (1 - share).sqrt()
        gain = signal * self.sd**2 / (signal**2 * self.sd**2 + noise**2)
        return self.mean + gain * (noisy - signal * self.mean)


@pytest.mark.parametrize(
    ("objective", "sampler", "steps"),
    [
        ("flow", "euler", 100),
        ("flow", "heun", 20),
        ("diffusion", "dpm-solver++", 20),
        ("diffusion", "ddim", 100),
        ("diffusion", "ddpm", 250),
    ],
)
def test_samplers_find_the_distribution_of_a_known_answer(objective, sampler, steps):
    model = LatentModel(config(objective=objective))
    model.network = Known(model.config)
    generator = LatentGenerator(model)
    *_, last = generator.solve(
        drawn(16, 4, 8, 8),
        open_masks(16),
        [{}] * 16,
        sampler=sampler,
        steps=steps,
        draws=[own_draws(0, i) for i in range(16)],
    )
    assert last.mean() == pytest.approx(Known.mean, abs=0.02)
    assert last.std() == pytest.approx(Known.sd, rel=0.1)


@pytest.fixture(scope="module", params=["flow", "diffusion"])
def generator(request) -> LatentGenerator:
    return LatentGenerator(random_model(objective=request.param))


def pictures(generator, *conditions, **options) -> np.ndarray:
    *_, last = generator.sample(conditions, seed=0, **{"steps": 3, **options})
    assert isinstance(last, Images)
    return last.pixels


def test_samplers_and_steps_give_different_pictures(generator):
    condition = Condition(vendor="ge")
    names = SAMPLERS[generator.config.objective]
    found = [pictures(generator, condition, sampler=name) for name in names]
    found.append(pictures(generator, condition, steps=6))
    for i, one in enumerate(found):
        for other in found[:i]:
            assert np.abs(one - other).max() > 1e-4
    np.testing.assert_array_equal(found[0], pictures(generator, condition))


def test_the_noise_added_on_the_way_is_each_image_s_own():
    generator = LatentGenerator(random_model(objective="diffusion"))
    conditions = [Condition(), Condition(vendor="ge"), Condition(phase="ES")]
    whole = pictures(generator, *conditions, sampler="ddpm", indices=[5, 1, 8])
    alone = pictures(generator, conditions[1], sampler="ddpm", indices=[1])
    np.testing.assert_allclose(whole[1], alone[0], atol=1e-5, rtol=0)  # order of float32 sums


def test_what_it_cannot_do_is_refused(generator):
    """Samplers of the other objective among it."""
    own, other = generator.config.objective, "diffusion"
    if own == other:
        other = "flow"
    asked = SAMPLERS[other][0]
    said = re.escape(f"sampler {asked!r}: models of 'latent' have none of that name; choose ")
    with pytest.raises(InputError, match=said + re.escape(", ".join(SAMPLERS[own]))):
        pictures(generator, Condition(), sampler=asked)
    for steps in (0, 1001):
        with pytest.raises(InputError, match=f"steps: {steps} given; give a whole number"):
            pictures(generator, Condition(), steps=steps)
