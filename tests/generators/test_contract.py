"""Every family keeps the contract of `cmr_synth.generators.interface.Generator`.

A family is tested by being registered: without an entry in `TINY` its tests fail.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cmr_synth.anatomy.template import draw_slice
from cmr_synth.errors import InputError
from cmr_synth.generators.interface import TAKES, Condition, Images, Progress
from cmr_synth.generators.registry import families, load_family
from cmr_synth.generators.stable_diffusion.config import StableDiffusionConfig
from cmr_synth.generators.stable_diffusion.pipeline import adopt
from cmr_synth.networks.weights import save_weights, state_of

GRID = {"shape": (64, 64), "spacing_mm": 3.0}
VENDORS = ("siemens", "philips", "ge")


def standard(
    network: str, config: str, settings: dict[str, Any], **init: float
) -> Callable[[str, Path], None]:
    """How the folder of a family is written that has one network and one configuration.

    `init` maps a part of a parameter's name to the deviation of its random weights, where it is
    not 0.2.
    """

    def write(family: str, folder: Path) -> None:
        made = _object(config)(**{**GRID, "vendors": VENDORS, **settings})
        built = _object(network)(made)
        for name, parameter in built.named_parameters():  # so that every condition shows
            deviation = next((sd for part, sd in init.items() if part in name), 0.2)
            torch.nn.init.normal_(parameter, std=deviation)
        save_weights(folder / "weights.safetensors", state_of(built))
        about = {"family": family, "config": made.model_dump(mode="json")}
        (folder / "config.json").write_text(json.dumps(about))

    return write


def _object(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(f"cmr_synth.generators.{module}"), name)


SPADE_GAN = standard(
    "spade_gan.network:SpadeGan",
    "spade_gan.network:SpadeConfig",
    {
        "channels": (8, 8, 8, 8),
        "full_channels": 4,
        "blocks": 1,
        "hidden": 4,
        "look": 6,
        "layout": 2,
        "encoder": (8, 8, 8, 8),
        "groups": 4,
    },
    **{"out.weight": 0.01},  # greys, neither black nor white
)
LATENT = {
    "channels": (8, 8),
    "attention": (False, False),
    "head_width": 4,
    "groups": 4,
    "autoencoder": {
        **GRID,
        "encoder": (8, 8),
        "decoder": (8, 8, 4),
        "blocks": 1,
        "hidden": 4,
        "groups": 4,
    },
}

CODES = {
    "anatomy": 4,
    "domain": 4,
    "encoder": (8, 8),
    "domain_encoder": (8, 8),
    "decoder": (8, 8, 4),
    "blocks": 1,
    "hidden": 4,
    "groups": 4,
}

TINY = {
    "flow": standard(
        "flow.network:FlowNetwork",
        "flow.network:FlowConfig",
        {"channels": (8, 8), "attention": (False, False), "head_width": 4, "groups": 4},
    ),
    "spade-gan": SPADE_GAN,
    "diffusion": standard(
        "diffusion.network:DiffusionNetwork",
        "diffusion.network:DiffusionConfig",
        {"channels": (8, 8), "attention": (False, False), "head_width": 4, "groups": 4},
    ),
    "cvae": SPADE_GAN,
    "private-gan": SPADE_GAN,
    "latent": standard(
        "latent.network:LatentModel",
        "latent.network:LatentConfig",
        LATENT,
        **{"decoder.out.weight": 0.01},  # greys, neither black nor white
    ),
    "latent-codes": standard(
        "latent_codes.network:LatentCodesModel",
        "latent_codes.network:LatentCodesConfig",
        {**LATENT, "factorised": {**GRID, **CODES, "vendors": VENDORS}},
        **{"decoder.out.weight": 0.01},
    ),
    "latent-control": standard(
        "latent_control.network:ControlledModel",
        "latent.network:LatentConfig",
        LATENT,
        **{"decoder.out.weight": 0.01},
    ),
    "maskgit": standard(
        "maskgit.network:MaskgitModel",
        "maskgit.network:MaskgitConfig",
        {
            "width": 16,
            "depth": 2,
            "head_width": 8,
            "autoencoder": {**LATENT["autoencoder"], "bottleneck": "vq", "codes": 32},
        },
        **{"decoder.out.weight": 0.01},
    ),
    "factorised": standard(
        "factorised.network:FactorisedNetwork",
        "factorised.network:FactorisedConfig",
        CODES,
        **{"decoder.out.weight": 0.05},
    ),
    "latent-volume": standard(
        "volumes.network:LatentVolumeModel",
        "volumes.network:LatentVolumeConfig",
        {
            "channels": (8, 8),
            "attention": (False, False),
            "head_width": 4,
            "groups": 4,
            "autoencoder": {
                **GRID,
                "depth": 4,
                "least": 3,
                "channels": (8, 8),
                "latent": 4,
                "groups": 4,
            },
        },
    ),
    "dcgan": standard(
        "dcgan.build:make_generator",
        "dcgan.network:DcganConfig",
        {"latent": 6, "width": 4, "channels": (8, 8, 4), "kernel": 3, "groups": 4},
    ),
}
"""How the folder of a tiny model of each family is written: weights as small as its parts allow.

That of "stable-diffusion" comes from `pipeline_folder`.
"""


@pytest.fixture(scope="module", params=sorted(families()))
def family(request: pytest.FixtureRequest) -> str:
    """Every registered family."""
    return request.param


@pytest.fixture(scope="module")
def folder(
    family: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Path:
    """A model folder of the family; leave it as it is."""
    if family == "stable-diffusion":
        made = tmp_path_factory.mktemp(family) / "model"
        config = StableDiffusionConfig(**GRID, pixels=(64, 64), subject="mr", vendors=VENDORS)
        adopt(request.getfixturevalue("pipeline_folder"), made, config=config)
        return made
    if family not in TINY:
        pytest.fail(f"tell in TINY how a tiny model of the family {family!r} is made")
    made = tmp_path_factory.mktemp(family)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        TINY[family](family, made)
    return made


@pytest.fixture(scope="module")
def generator(family: str, folder: Path) -> Any:
    return load_family(family).load(folder)


@pytest.fixture
def three(generator: Any) -> list[Condition]:
    """Different conditions, the last one open."""
    spacing = 192 / generator.shape[0]
    drawn = [
        draw_slice(shape=generator.shape, spacing=(spacing, spacing), level=level)
        for level in ("mid", "apical")
    ]
    conditions = [
        Condition(mask=drawn[0], vendor="siemens", phase="ED", z=0.5),
        Condition(mask=drawn[1], vendor="ge", pathology="hcm"),
        Condition(),
    ]
    return [c if "mask" in generator.takes else replace(c, mask=None) for c in conditions]


def final(steps: Iterator[Progress | Images]) -> np.ndarray:
    *progress, images = steps
    assert progress and all(isinstance(step, Progress) for step in progress)
    assert isinstance(images, Images)
    return images.pixels


def test_progress_counts_up_to_its_end(generator, three):
    *progress, _ = generator.sample(three, seed=0)
    assert [p.step for p in progress] == list(range(1, progress[-1].steps + 1))
    assert len({p.steps for p in progress}) == 1


def test_images_have_the_shape_kind_and_range_of_the_interface(generator, three):
    pixels = final(generator.sample(three, seed=0))
    assert pixels.shape == (3, *generator.shape)
    assert pixels.dtype == np.float32
    assert pixels.min() >= 0 and pixels.max() <= 1
    assert pixels.std() > 0.01


def test_an_image_does_not_depend_on_its_batch(generator, three):
    whole = final(generator.sample(three, seed=7))
    for i, condition in enumerate(three):
        alone = final(generator.sample([condition], seed=7, indices=[i]))
        # float32 convolution order, CPU
        np.testing.assert_allclose(alone[0], whole[i], atol=1e-5, rtol=0)


def test_an_image_does_not_depend_on_the_order(generator, three):
    whole = final(generator.sample(three, seed=7, indices=[4, 9, 2]))
    turned = final(generator.sample(three[::-1], seed=7, indices=[2, 9, 4]))
    np.testing.assert_allclose(turned[::-1], whole, atol=1e-5, rtol=0)


def test_seed_and_index_decide_the_image(generator, three):
    first, again, other = (final(generator.sample(three, seed=seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (np.abs(first - other).mean(axis=(1, 2)) > 1e-3).all()
    pair = final(generator.sample(three[:1] * 2, seed=3))
    assert np.abs(pair[0] - pair[1]).mean() > 1e-3


def test_no_random_state_is_touched(generator, three):
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()
    final(generator.sample(three[:1], seed=3))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]


@pytest.mark.parametrize("change", [{"vendor": "philips"}, {"phase": "ES"}, {"z": 0.9}], ids=str)
def test_conditions_show(generator, three, change):
    assert change.keys() <= generator.takes
    first, other = (
        final(generator.sample([c], seed=1)) for c in (three[0], replace(three[0], **change))
    )
    assert np.abs(first - other).max() > 1e-4


def test_the_mask_shows_or_is_refused(generator, three):
    if "mask" not in generator.takes:
        asked = [Condition(mask=np.zeros(generator.shape, np.uint8))]
        with pytest.raises(InputError, match="^mask: models of .* cannot follow one"):
            list(generator.sample(asked, seed=0))
        return
    moved = replace(three[0], mask=np.roll(three[0].mask, 8, axis=1))
    first, other = (final(generator.sample([c], seed=1)) for c in (three[0], moved))
    assert np.abs(first - other).max() > 1e-3


def test_everything_may_be_left_open(generator):
    assert np.isfinite(final(generator.sample([Condition()], seed=0))).all()


@pytest.mark.parametrize("what", ["vendor", "phase", "pathology", "cohort"])
def test_an_unknown_word_is_refused(generator, what):
    said = f"{what} 'acme': this model knows" if what in generator.takes else f"{what}: models of"
    with pytest.raises(InputError, match=said):
        list(generator.sample([Condition(**{what: "acme"})], seed=0))


def test_an_unknown_sampler_is_refused(generator, three):
    with pytest.raises(InputError, match="sampler 'nonsense'"):
        list(generator.sample(three, seed=0, sampler="nonsense"))


def test_guidance_changes_the_image_or_is_refused(generator, three):
    plain, one = (final(generator.sample(three[:1], seed=0, guidance=g)) for g in (None, 1.0))
    np.testing.assert_array_equal(plain, one)
    if "guidance" not in generator.takes:
        with pytest.raises(InputError, match="^guidance: 3 given"):
            list(generator.sample(three[:1], seed=0, guidance=3.0))
        return
    guided = final(generator.sample(three[:1], seed=0, guidance=3.0))
    assert np.abs(guided - plain).max() > 1e-4


def test_guidance_stresses_nothing_where_everything_is_open(generator):
    """What training drops conditions to is what guidance leads away from."""
    if "guidance" not in generator.takes or "prompt" in generator.takes:
        return  # a model of text is led away from another text, which is none of its conditions
    plain, guided = (
        final(generator.sample([Condition()], seed=0, guidance=g)) for g in (None, 3.0)
    )
    np.testing.assert_allclose(guided, plain, atol=1e-4, rtol=0)


def test_steps_change_the_image_or_are_ignored(generator, three):
    few, more = (final(generator.sample(three[:1], seed=0, steps=steps)) for steps in (2, 3))
    if "steps" in generator.takes:
        assert np.abs(few - more).max() > 1e-4
    else:
        np.testing.assert_array_equal(few, more)


def test_what_is_taken_is_declared_in_words_of_the_interface(generator):
    assert generator.takes <= TAKES.keys()
    assert type(generator).takes is generator.takes  # known before any weights are read


def test_samplers_are_there_or_refused(generator, three):
    names = ("euler", "heun", "dpm-solver++", "ddim", "ddpm")
    taken = set()
    for name in names:
        try:
            next(iter(generator.sample(three[:1], seed=0, steps=2, sampler=name)))
        except InputError as error:
            assert str(error).startswith(f"sampler {name!r}")
        else:
            taken.add(name)
    assert bool(taken) == ("sampler" in generator.takes)


def test_text_is_read_or_refused(generator, three):
    asked = [replace(three[0], prompt="a heart")]
    if "prompt" in generator.takes:
        other = [replace(three[0], prompt="another heart, at rest")]
        first, second = (final(generator.sample(c, seed=0)) for c in (asked, other))
        assert np.abs(first - second).max() > 1e-4
    else:
        with pytest.raises(InputError, match="^prompt: models of .* read no text"):
            list(generator.sample(asked, seed=0))


def test_a_reference_changes_the_look_by_its_strength(generator, three):
    reference = np.random.default_rng(0).random(generator.shape).astype(np.float32)
    asked = [
        [replace(three[0], reference=reference, reference_strength=s), three[1]] for s in (0.0, 1.0)
    ]
    if "reference" not in generator.takes:
        with pytest.raises(InputError, match="^reference"):
            list(generator.sample(asked[1], seed=0))
        return
    plain = final(generator.sample(three[:2], seed=0))
    none, full = (final(generator.sample(c, seed=0)) for c in asked)
    np.testing.assert_array_equal(none, plain)
    assert np.abs(full[0] - plain[0]).mean() > 1e-4
    # without a reference nothing changes, beyond the order of sums
    np.testing.assert_allclose(full[1], plain[1], atol=1e-5, rtol=0)


def test_a_layout_is_kept_or_refused(generator, three):
    rows = np.linspace(0, 1, generator.shape[0], dtype=np.float32)[:, None]
    layout = np.broadcast_to(rows, generator.shape)
    asked = [replace(three[0], layout=layout), three[1]]
    if "layout" not in generator.takes:
        with pytest.raises(InputError, match="^layout: models of .* keep the layout of no picture"):
            list(generator.sample(asked, seed=0))
        return
    plain, kept = (final(generator.sample(c, seed=0)) for c in (three[:2], asked))
    means = kept[0].mean(axis=1)
    assert (
        np.corrcoef(means, rows[:, 0])[0, 1] > 0.5 > np.corrcoef(plain[0].mean(1), rows[:, 0])[0, 1]
    )
    np.testing.assert_allclose(kept[1], plain[1], atol=1e-5, rtol=0)
    with pytest.raises(InputError, match="^layout: is of"):
        list(generator.sample([replace(three[0], layout=layout[1:])], seed=0))
    with pytest.raises(InputError, match="coarser than 0 pixels"):
        list(generator.sample([replace(three[0], layout=layout, layout_pixels=0)], seed=0))


def test_a_model_of_another_family_is_refused(generator, folder, tmp_path):
    about = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**about, "family": "other"}))
    with pytest.raises(InputError, match=r"is of the family 'other', not '[a-z-]+'; choose"):
        type(generator).load(tmp_path)


def test_a_folder_without_weights_is_refused(generator, folder, tmp_path):
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    with pytest.raises(InputError, match="no such file|holds no"):
        type(generator).load(tmp_path)
