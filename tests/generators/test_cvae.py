"""Conditional VAE: the networks of the SPADE GAN under a name of their own."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from cmr_synth.anatomy.template import draw_slice
from cmr_synth.errors import InputError
from cmr_synth.generators.cvae.generator import CvaeGenerator
from cmr_synth.generators.interface import Condition, Images, Progress
from cmr_synth.generators.spade_gan.generator import SpadeGanGenerator
from cmr_synth.generators.spade_gan.network import SpadeConfig, SpadeGan
from cmr_synth.networks.weights import save_weights, state_of

TINY = {
    "shape": (32, 32),
    "spacing_mm": 6.0,
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
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("cvae")
    torch.manual_seed(0)
    config = SpadeConfig(**TINY)
    network = SpadeGan(config)
    for parameter in network.parameters():  # so that every condition shows
        torch.nn.init.normal_(parameter, std=0.2)
    torch.nn.init.normal_(network.generator.out.weight, std=0.01)  # greys, neither black nor white
    network.prior.mean.fill_(0.5)
    save_weights(made / "weights.safetensors", state_of(network))
    about = {"family": "cvae", "config": config.model_dump(mode="json")}
    (made / "config.json").write_text(json.dumps(about))
    return made


@pytest.fixture(scope="module")
def generator(folder) -> CvaeGenerator:
    return CvaeGenerator.load(folder)


@pytest.fixture
def mask() -> np.ndarray:
    return draw_slice(shape=(32, 32), spacing=(6.0, 6.0), level="mid", seed=0)


def pictures(generator, *conditions, seed=0, **options) -> np.ndarray:
    *progress, last = generator.sample(conditions, seed=seed, **options)
    assert progress == [Progress(1, 1)]
    assert isinstance(last, Images)
    return last.pixels


def test_a_model_folder_is_of_one_of_the_two_families(folder, tmp_path):
    """Their weights fit each other, so that the name alone tells them apart."""
    with pytest.raises(InputError, match="is of the family 'cvae', not 'spade-gan'; choose"):
        SpadeGanGenerator.load(folder)
    about = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**about, "family": "spade-gan"}))
    with pytest.raises(InputError, match="is of the family 'spade-gan', not 'cvae'; choose"):
        CvaeGenerator.load(tmp_path)


def test_without_mask_and_words_the_style_decides(generator):
    first, other = (pictures(generator, Condition(), seed=seed) for seed in (0, 1))
    assert first.shape == (1, 32, 32)
    assert np.abs(first - other).mean() > 1e-3


def test_the_mask_shows_at_every_pixel_of_its_boundary(generator, mask):
    other = mask.copy()
    y, x = np.argwhere(mask == 1)[0]
    other[y, x] = 2
    change = pictures(generator, Condition(mask=mask)) - pictures(generator, Condition(mask=other))
    assert np.abs(change)[0, y, x] > 1e-4


def test_a_reference_gives_its_style_by_its_strength(generator, mask):
    rng = np.random.default_rng(0)
    first, second = (rng.random((32, 32), dtype=np.float32) ** p for p in (1, 4))
    a, b = (
        pictures(generator, Condition(mask=mask, reference=r, reference_strength=1.0))
        for r in (first, second)
    )
    assert np.abs(a - b).max() > 1e-3
    plain = pictures(generator, Condition(mask=mask))
    none, half = (
        pictures(generator, Condition(mask=mask, reference=first, reference_strength=s))
        for s in (0.0, 0.5)
    )
    np.testing.assert_array_equal(none, plain)
    assert np.abs(half - plain).max() > 1e-4 and np.abs(half - a).max() > 1e-4


def test_steps_are_ignored(generator, mask):
    asked = Condition(mask=mask)
    np.testing.assert_array_equal(pictures(generator, asked, steps=7), pictures(generator, asked))


@pytest.mark.parametrize(
    ("condition", "options", "said"),
    [
        ({}, {"sampler": "ddim"}, "sampler 'ddim': models of 'cvae' have none"),
        ({}, {"guidance": 2.0}, "guidance: 2 given; models of 'cvae' have none"),
        ({"prompt": "a heart"}, {}, "prompt: models of 'cvae' read no text"),
        ({"vendor": "acme"}, {}, "vendor 'acme': this model knows siemens, ge"),
    ],
)
def test_what_it_has_not_is_refused(generator, condition, options, said):
    with pytest.raises(InputError, match=said):
        pictures(generator, Condition(**condition), **options)
