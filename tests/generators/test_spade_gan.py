"""SPADE GAN: the mask decides where boundaries are, the style how the rest looks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cmr_synth.anatomy.template import draw_slice
from cmr_synth.errors import InputError
from cmr_synth.generators.interface import Condition, Images
from cmr_synth.generators.spade_gan.generator import SpadeGanGenerator
from cmr_synth.generators.spade_gan.network import SpadeConfig, SpadeGan

TINY = {
    "shape": (64, 64),
    "spacing_mm": 3.0,
    "channels": (8, 8, 8, 8),
    "full_channels": 4,
    "blocks": 1,
    "hidden": 4,
    "look": 6,
    "layout": 2,
    "encoder": (8, 8, 8, 8),
    "groups": 4,
    "vendors": ("siemens", "ge"),
}


@pytest.fixture(scope="module")
def generator() -> SpadeGanGenerator:
    torch.manual_seed(0)
    network = SpadeGan(SpadeConfig(**TINY))
    for parameter in network.parameters():  # so that every condition shows
        torch.nn.init.normal_(parameter, std=0.2)
    torch.nn.init.normal_(network.generator.out.weight, std=0.01)  # greys, neither black nor white
    return SpadeGanGenerator(network)


@pytest.fixture
def mask() -> np.ndarray:
    return draw_slice(shape=(64, 64), spacing=(3.0, 3.0), level="mid", seed=0)


def pictures(generator, *conditions, seed=0, **options) -> np.ndarray:
    *_, last = generator.sample(conditions, seed=seed, **options)
    assert isinstance(last, Images)
    return last.pixels


def test_the_mask_shows_at_every_pixel_of_its_boundary(generator, mask):
    """Half-resolution masks would lose a change of one pixel; folded ones do not."""
    other = mask.copy()
    y, x = np.argwhere(mask == 1)[0]
    other[y, x] = 2
    change = np.abs(
        pictures(generator, Condition(mask=mask)) - pictures(generator, Condition(mask=other))
    )[0]
    assert change[y, x] > 1e-4


def test_the_reference_gives_the_style(generator, mask):
    rng = np.random.default_rng(0)
    first, second = (rng.random((64, 64), dtype=np.float32) ** p for p in (1, 4))
    full = {"mask": mask, "reference_strength": 1.0}
    a, b = (pictures(generator, Condition(reference=r, **full)) for r in (first, second))
    assert np.abs(a - b).max() > 1e-3
    plain = pictures(generator, Condition(mask=mask))
    none = pictures(generator, Condition(mask=mask, reference=first, reference_strength=0.0))
    np.testing.assert_array_equal(plain, none)
    # the grain still follows the seed
    again = pictures(generator, Condition(reference=first, **full), seed=1)
    assert np.abs(a - again).max() > 1e-3


@pytest.mark.parametrize(
    "options, said",
    [
        ({"sampler": "ddim"}, "sampler 'ddim': models of 'spade-gan' have none"),
        ({"guidance": 2.0}, "guidance: 2 given; models of 'spade-gan' have none"),
    ],
)
def test_what_it_has_not_is_refused(generator, mask, options, said):
    with pytest.raises(InputError, match=said):
        pictures(generator, Condition(mask=mask), **options)


def test_text_is_refused(generator, mask):
    with pytest.raises(InputError, match="prompt: models of 'spade-gan' read no text"):
        pictures(generator, Condition(mask=mask, prompt="a heart"))


def test_channels_must_divide_by_groups():
    with pytest.raises(ValueError, match="must divide by groups 4"):
        SpadeConfig(**{**TINY, "channels": (8, 8, 6, 8)})


def test_the_grid_must_divide_by_sixteen():
    with pytest.raises(ValueError, match="does not divide by 16"):
        SpadeConfig(**{**TINY, "shape": (64, 72)})
