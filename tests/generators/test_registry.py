"""Every family keeps the contract of the interface."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from cmr_synth.anatomy.template import draw_slice
from cmr_synth.errors import InputError
from cmr_synth.generators import registry
from cmr_synth.generators.interface import Condition, Images, Progress
from cmr_synth.generators.registry import families, load_family

# How a tiny model of each family is made; a new family adds its fixture here.
TINY = {"flow": "tiny_model"}


@pytest.fixture(params=sorted(registry.BUILT_IN))
def generator(request: pytest.FixtureRequest):
    folder: Path = request.getfixturevalue(TINY[request.param])
    return load_family(request.param).load(folder)


@pytest.fixture
def two_conditions(generator) -> list[Condition]:
    spacing = 192 / generator.shape[0]
    drawn = [
        draw_slice(shape=generator.shape, spacing=(spacing, spacing), level=level)
        for level in ("mid", "apical")
    ]
    return [
        Condition(mask=drawn[0], vendor="siemens", phase="ED", z=0.5),
        Condition(mask=drawn[1], vendor="ge"),
    ]


def final(steps) -> np.ndarray:
    *progress, images = steps
    assert all(isinstance(step, Progress) for step in progress)
    assert isinstance(images, Images)
    return images.pixels


def test_image_does_not_depend_on_its_batch(generator, two_conditions) -> None:
    pair = final(generator.sample(two_conditions, seed=7))
    alone = final(generator.sample(two_conditions[:1], seed=7))
    second = final(generator.sample(two_conditions[1:], seed=7, indices=[1]))
    # float32 convolution order, CPU
    np.testing.assert_allclose(alone, pair[:1], atol=1e-5, rtol=0)
    np.testing.assert_allclose(second, pair[1:], atol=1e-5, rtol=0)


def test_images_have_the_shape_and_range_of_the_interface(generator, two_conditions) -> None:
    pixels = final(generator.sample(two_conditions, seed=0))
    assert pixels.shape == (2, *generator.shape)
    assert pixels.dtype == np.float32
    assert pixels.min() >= 0 and pixels.max() <= 1


def test_the_same_seed_gives_the_same_pixels_and_another_does_not(
    generator, two_conditions
) -> None:
    first, again, other = (final(generator.sample(two_conditions, seed=seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).mean() > 0.01


def test_everything_may_be_left_open(generator) -> None:
    assert np.isfinite(final(generator.sample([Condition()], seed=0))).all()


def test_an_unknown_vendor_is_refused(generator, two_conditions) -> None:
    with pytest.raises(InputError, match="vendor 'acme'"):
        list(generator.sample([Condition(vendor="acme")], seed=0))


def test_nothing_is_imported_before_load() -> None:
    assert families()["flow"].value == registry.BUILT_IN["flow"]


def test_a_family_declared_twice_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    other = EntryPoint("flow", "elsewhere:Flow", registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [other])
    with pytest.raises(ValueError, match="'flow' is declared twice: .*elsewhere:Flow"):
        families()


def test_an_unknown_family_lists_those_known() -> None:
    with pytest.raises(InputError, match="no family of generators is called 'gan'.*flow"):
        load_family("gan")
