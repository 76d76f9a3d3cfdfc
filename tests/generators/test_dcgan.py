"""DCGAN and progressive GAN: pictures without a mask, and how the second one grows."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from cmr_synth.errors import InputError
from cmr_synth.generators.dcgan import progressive as network_that_grows
from cmr_synth.generators.dcgan.build import make_discriminator, make_generator
from cmr_synth.generators.dcgan.generator import DcganGenerator
from cmr_synth.generators.dcgan.network import (
    DcganConfig,
    projected,
)
from cmr_synth.generators.dcgan.progressive import Scaled, at_growth, deviation, level_of
from cmr_synth.generators.interface import Condition, Images, Progress
from cmr_synth.networks.weights import save_weights, state_of

TINY = {"shape": (32, 32), "spacing_mm": 6.0, "latent": 6, "width": 4, "vendors": ("siemens", "ge")}
PLAIN = {**TINY, "channels": (8, 8, 4), "kernel": 3, "groups": 4}
PROGRESSIVE = {**TINY, "progressive": True, "channels": (8, 8, 4)}
THREE = [
    Condition(vendor="siemens", phase="ED", z=0.5),
    Condition(vendor="ge", pathology="hcm"),
    Condition(),
]


def config(progressive: bool, **changes) -> DcganConfig:
    return DcganConfig(**{**(PROGRESSIVE if progressive else PLAIN), **changes})


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "progressive"])
def progressive(request) -> bool:
    return request.param


@pytest.fixture(scope="module")
def folder(progressive, tmp_path_factory):
    made = tmp_path_factory.mktemp("dcgan")
    of = config(progressive)
    torch.manual_seed(0)
    network = make_generator(of)
    for parameter in network.parameters():  # so that every condition shows
        torch.nn.init.normal_(parameter, std=0.5)
    save_weights(made / "weights.safetensors", state_of(network))
    about = {"family": "dcgan", "config": of.model_dump(mode="json")}
    (made / "config.json").write_text(json.dumps(about))
    return made


@pytest.fixture(scope="module")
def generator(folder) -> DcganGenerator:
    return DcganGenerator.load(folder)


def pictures(generator, conditions, seed=0, **options) -> np.ndarray:
    *progress, last = generator.sample(conditions, seed=seed, **options)
    assert progress == [Progress(1, 1)]
    assert isinstance(last, Images)
    return last.pixels


def test_images_have_the_shape_kind_and_range_of_the_interface(generator):
    pixels = pictures(generator, THREE)
    assert pixels.shape == (3, 32, 32) and generator.shape == (32, 32)
    assert pixels.dtype == np.float32
    assert pixels.min() >= 0 and pixels.max() <= 1
    assert pixels.std() > 0.003  # of random weights


def test_an_image_depends_on_its_condition_seed_and_index_alone(generator):
    whole = pictures(generator, THREE, seed=7)
    for i, condition in enumerate(THREE):
        alone = pictures(generator, [condition], seed=7, indices=[i])
        # float32 convolution order, CPU
        np.testing.assert_allclose(alone[0], whole[i], atol=1e-5, rtol=0)
    other = pictures(generator, THREE, seed=8)
    assert (np.abs(other - whole).mean(axis=(1, 2)) > 1e-3).all()
    pair = pictures(generator, [Condition()] * 2, seed=7)
    assert np.abs(pair[0] - pair[1]).mean() > 1e-3


def test_no_random_state_is_touched(generator):
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()
    pictures(generator, THREE[:1])
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]


@pytest.mark.parametrize(
    "stated", [{"vendor": "ge"}, {"phase": "ES"}, {"pathology": "hcm"}, {"z": 0.9}], ids=str
)
def test_conditions_show(generator, stated):
    first, other = (pictures(generator, [Condition(**c)]) for c in ({}, stated))
    assert np.abs(first - other).max() > 1e-3


def test_steps_are_ignored(generator):
    np.testing.assert_array_equal(pictures(generator, THREE, steps=9), pictures(generator, THREE))


@pytest.mark.parametrize(
    ("condition", "options", "said"),
    [
        (
            {"mask": np.zeros((32, 32), np.uint8)},
            {},
            "^mask: models of 'dcgan' cannot follow one; leave the mask out or choose another",
        ),
        ({"reference": np.zeros((32, 32), np.float32)}, {}, "^reference: models of 'dcgan' take"),
        ({"prompt": "a heart"}, {}, "prompt: models of 'dcgan' read no text"),
        ({"vendor": "acme"}, {}, "vendor 'acme': this model knows siemens, ge"),
        ({}, {"sampler": "ddim"}, "sampler 'ddim': models of 'dcgan' have none"),
        ({}, {"guidance": 2.0}, "guidance: 2 given; models of 'dcgan' have none"),
    ],
)
def test_what_it_has_not_is_refused(generator, condition, options, said):
    with pytest.raises(InputError, match=said):
        pictures(generator, [Condition(), Condition(**condition)], **options)


def test_a_model_of_another_family_is_refused(folder, tmp_path):
    about = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**about, "family": "flow"}))
    with pytest.raises(InputError, match="is of the family 'flow', not 'dcgan'; choose"):
        DcganGenerator.load(tmp_path)


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        (False, {"shape": (36, 36)}, "does not divide by 8, for 3 channels"),
        (True, {"shape": (34, 34)}, "does not divide by 4, for 3 channels"),
        (False, {"groups": 3}, "do not divide by groups 3"),
        (False, {"kernel": 4}, "kernel 4 is even; take an odd one"),
        (True, {"growth": 2.5}, "growth 2.5 is more than 2 levels"),
        (False, {"growth": 0.5}, "growth 0.5 is more than 0 levels"),
    ],
)
def test_a_configuration_that_cannot_be_built_is_refused(kind, change, said):
    with pytest.raises(ValueError, match=said):
        config(kind, **change)


# how the progressive one grows


@pytest.fixture
def growing():
    torch.manual_seed(1)
    return make_generator(config(True))


@pytest.fixture
def latent():
    return torch.randn(2, 6, generator=torch.Generator().manual_seed(0))


def larger(picture):
    return functional.interpolate(picture, scale_factor=2, mode="nearest")


def test_each_level_has_twice_the_resolution(growing, latent):
    for level in range(3):
        assert growing(latent, [{}] * 2, float(level)).shape[2:] == (8 * 2**level,) * 2


@pytest.mark.parametrize("level", [0, 1])
def test_a_level_is_faded_in(growing, latent, level):
    before, between, after = (
        growing(latent, [{}] * 2, growth) for growth in (level, level + 0.25, level + 1.0)
    )
    torch.testing.assert_close(between, 0.75 * larger(before) + 0.25 * after)
    assert (after - larger(before)).abs().mean() > 1e-2


def test_real_pictures_are_faded_alike():
    real = torch.rand(2, 1, 32, 32)
    of = config(True)
    torch.testing.assert_close(at_growth(real, of, 2.0), real)
    torch.testing.assert_close(at_growth(real, of, 0.0), functional.avg_pool2d(real, 4))
    half = functional.avg_pool2d(real, 2)
    mixed = 0.75 * larger(functional.avg_pool2d(real, 4)) + 0.25 * half
    torch.testing.assert_close(at_growth(real, of, 0.25), mixed)


def test_the_discriminator_begins_a_level_where_it_ended_the_last():
    torch.manual_seed(2)
    judge = make_discriminator(config(True))
    seen = torch.randn(2, 1, 32, 32)
    before = judge(functional.avg_pool2d(seen, 2), [{}] * 2, 1.0)
    torch.testing.assert_close(judge(seen, [{}] * 2, 1 + 1e-9), before)
    assert (judge(seen, [{}] * 2, 2.0) - before).abs().max() > 1e-3


def test_a_level_is_faded_in_where_networks_are_in_half_precision(growing, latent, monkeypatch):
    whole = growing(latent, [{}] * 2, 1.5)
    # a GPU's autocast enlarges in full precision, that of a processor does not
    monkeypatch.setattr(network_that_grows, "_larger", lambda x: larger(x.float()))
    with torch.autocast("cpu", torch.bfloat16):
        made = growing(latent, [{}] * 2, 1.5)
    assert (made - whole).abs().mean() < 0.05 * whole.abs().mean()


@pytest.mark.parametrize("growth", [0.0, 0.5, 1.0, 1.5, 2.0])
def test_every_parameter_has_a_gradient_at_every_growth(growing, latent, growth):
    """Else training on several processes would wait for it; those not in use yet stay."""
    judge = make_discriminator(config(True))
    made = growing(latent, [{}] * 2, growth)
    judge(made, [{}] * 2, growth).sum().backward()
    for network in (growing, judge):
        assert all(p.grad is not None for p in network.parameters())
    shown = [bool((m.layer.weight.grad != 0).any()) for m in growing.to_grey]
    assert shown == [abs(growth - level) < 1 for level in range(3)]
    finest = growing.levels[2][0].layer.weight.grad
    assert bool((finest != 0).any()) == (growth > 1)


@pytest.mark.parametrize(
    ("growth", "expected"), [(0.0, (0, 1.0)), (0.25, (1, 0.25)), (1.0, (1, 1.0)), (1.5, (2, 0.5))]
)
def test_a_growth_is_a_level_and_its_share(growth, expected):
    assert level_of(growth) == expected


def test_a_model_that_has_not_grown_up_makes_enlarged_pictures(growing):
    growing.config = config(True, growth=1.0)
    coarse = pictures(DcganGenerator(growing), THREE)
    assert coarse.shape == (3, 32, 32)
    np.testing.assert_array_equal(coarse, coarse[:, ::2, ::2].repeat(2, axis=1).repeat(2, axis=2))
    growing.config = config(True)
    grown = pictures(DcganGenerator(growing), THREE)
    assert np.abs(grown[:, ::2] - grown[:, 1::2]).max() > 1e-3


# what the discriminators are told


def test_the_score_has_a_part_that_fits_what_was_asked_for():
    found = torch.tensor([[1.0, 2.0, 0.0], [1.0, 0.0, 2.0]])
    asked = torch.tensor([[3.0, 0.0], [3.0, 0.0]])
    torch.testing.assert_close(projected(found, asked), torch.tensor([4.0, 1.0]))


def test_the_discriminator_sees_the_conditions(progressive):
    torch.manual_seed(0)
    judge = make_discriminator(config(progressive))
    growth = config(progressive).fully_grown
    seen = torch.randn(1, 1, 32, 32)
    first, other = (judge(seen, [{"vendor": v}], growth) for v in ("siemens", "ge"))
    assert (first - other).abs() > 1e-4


def test_only_its_own_group_matters_to_a_score():
    torch.manual_seed(0)
    judge = make_discriminator(config(True))
    seen = torch.randn(4, 1, 32, 32)
    changed = seen.clone()
    changed[1] *= 3

    def scores(pictures, group):
        return judge(pictures, [{}] * 4, 2.0, group)

    rest = [0, 2, 3]
    torch.testing.assert_close(scores(seen, 1)[rest], scores(changed, 1)[rest])
    moved = (scores(seen, 2) - scores(changed, 2)).abs()
    assert moved[0] > 1e-5
    torch.testing.assert_close(moved[2:], torch.zeros(2), atol=1e-6, rtol=0)


def test_deviation_of_equal_and_of_opposite_maps():
    x = torch.tensor([3.0, 3.0, 1.0, -1.0, 5.0]).view(5, 1, 1, 1).expand(5, 2, 3, 3)
    found = deviation(x, 2)
    assert found.shape == (5, 1, 3, 3)
    expected = torch.tensor([0.0, 0.0, 1.0, 1.0, 0.0])
    torch.testing.assert_close(found[:, 0, 0, 0], expected, atol=2e-4, rtol=0)


@pytest.mark.parametrize("gain", [1.0, math.sqrt(2)])
def test_scaled_weights_keep_the_variance_times_the_squared_gain(gain):
    torch.manual_seed(0)
    layer = Scaled(torch.nn.Linear(400, 2000), gain=gain)
    assert layer.layer.weight.std().item() == pytest.approx(1.0, rel=0.01)
    # 8 x 2000 numbers
    assert layer(torch.randn(8, 400)).var().item() == pytest.approx(gain**2, rel=0.1)
