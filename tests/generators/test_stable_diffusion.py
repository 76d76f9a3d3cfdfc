"""Stable Diffusion with ControlNet from a folder: a tiny random pipeline, made here."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from cmr_synth.anatomy.template import draw_slice
from cmr_synth.errors import InputError
from cmr_synth.generators import zoo
from cmr_synth.generators.conditioning import mask_tensor
from cmr_synth.generators.interface import Condition, Images, Progress
from cmr_synth.generators.stable_diffusion.config import StableDiffusionConfig
from cmr_synth.generators.stable_diffusion.generator import (
    SAMPLERS,
    StableDiffusionGenerator,
    own_draws,
)
from cmr_synth.generators.stable_diffusion.pipeline import adopt, load_pipeline

transformers = pytest.importorskip(
    "transformers", reason="reading text needs napari-cmr-synth[text]"
)

CONFIG = StableDiffusionConfig(
    shape=(32, 32), spacing_mm=6.0, pixels=(64, 64), subject="mr", vendors=("siemens", "ge")
)


@pytest.fixture
def own_pipeline(pipeline_folder, tmp_path) -> Path:
    return shutil.copytree(pipeline_folder, tmp_path / "own")


@pytest.fixture(scope="module")
def model(pipeline_folder, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "tiny-sd"
    adopt(pipeline_folder, folder, config=CONFIG)
    return folder


@pytest.fixture(scope="module")
def generator(model) -> StableDiffusionGenerator:
    return StableDiffusionGenerator.load(model)


@pytest.fixture(scope="module")
def mask() -> np.ndarray:
    return draw_slice(shape=(32, 32), spacing=(6.0, 6.0), level="mid", seed=0)


def pictures(generator, *conditions, seed=0, **options) -> np.ndarray:
    *_, last = generator.sample(conditions, seed=seed, **{"steps": 3, **options})
    assert isinstance(last, Images)
    return last.pixels


def test_images_are_those_of_the_pipeline_itself(generator, pipeline_folder, mask):
    """Called as its own documentation says, then averaged to grey and to the model's grid."""
    pipeline = load_pipeline(pipeline_folder, device=torch.device("cpu"))
    conditions = [Condition(mask=mask, prompt="a heart"), Condition(mask=mask.T.copy())]
    control = CONFIG.mask_picture(mask_tensor(conditions, CONFIG))
    theirs = pipeline(
        ["a heart", "mr"],
        control,
        num_inference_steps=3,
        guidance_scale=2.0,
        generator=[own_draws(5, 0), own_draws(5, 1)],
        output_type="np",
    ).images  # (n, rows, columns, 3)
    assert theirs.shape == (2, 64, 64, 3)
    grey = theirs.mean(axis=3).reshape(2, 32, 2, 32, 2).mean(axis=(2, 4))
    ours = pictures(generator, *conditions, seed=5, guidance=2.0)
    assert grey.std() > 0.01
    np.testing.assert_allclose(ours, grey, atol=1e-5, rtol=0)


def test_the_text_of_conditions():
    full = Condition(vendor="ge", phase="ES", pathology="hcm", z=0.5)
    config = StableDiffusionConfig()
    assert config.text(full) == (
        "short-axis cardiac magnetic resonance image, ge scanner, end-systole, "
        "hypertrophic cardiomyopathy, slice 0.50 of the way from base to apex"
    )
    assert config.text(Condition()) == "short-axis cardiac magnetic resonance image"
    assert config.text(Condition(vendor="ge", prompt="a cat")) == "a cat"
    other = StableDiffusionConfig(
        subject="MRI", phrases={"vendor": "by {}"}, words={"ge": "General Electric"}
    )
    assert other.text(full) == "MRI, by General Electric"


def test_the_picture_of_a_mask_has_the_colours_of_the_labels():
    labels = np.full((32, 32), 255, dtype=np.uint8)
    labels[0, :4] = range(4)
    colours = ((9, 8, 7), (255, 0, 0), (0, 255, 0), (0, 0, 255), (50, 60, 70))
    config = StableDiffusionConfig(shape=(32, 32), pixels=(64, 128), colours=colours)
    shown = config.mask_picture(mask_tensor([Condition(mask=labels)], config))
    assert shown.shape == (1, 3, 64, 128)
    for label, colour in [(0, colours[0]), (1, colours[1]), (2, colours[2]), (3, colours[3])]:
        assert shown[0, :, 1, 4 * label + 3].mul(255).tolist() == pytest.approx(colour)
    assert shown[0, :, 40, 40].mul(255).tolist() == pytest.approx(colours[4])


def test_grey_pictures_go_to_the_grid_and_back():
    drawn = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.interpolate(drawn, (32, 32), mode="bicubic")
    large = CONFIG.from_grid(smooth)
    assert large.shape == (2, 3, 64, 64)
    assert (CONFIG.to_grid(large) - smooth).abs().mean() < 0.02
    coloured = torch.tensor([0.0, 0.3, 0.9]).view(1, 3, 1, 1).expand(1, 3, 64, 64)
    torch.testing.assert_close(CONFIG.to_grid(coloured), torch.full((1, 1, 32, 32), 0.4))


@pytest.mark.parametrize(
    "change",
    [{"prompt": "a cat"}, {"vendor": "ge"}, {"phase": "ES"}, {"z": 0.9}, {"pathology": "dcm"}],
    ids=str,
)
def test_what_is_told_shows(generator, mask, change):
    plain, other = (pictures(generator, Condition(mask=mask, **c)) for c in ({}, change))
    assert np.abs(plain - other).max() > 1e-4


def test_the_mask_shows_by_the_control_scale(generator, mask):
    moved = np.roll(mask, 6, axis=1)
    found = {}
    for scale in (0.0, 0.5, 1.0):
        config = CONFIG.model_copy(update={"control_scale": scale})
        scaled = StableDiffusionGenerator(generator._from_noise, config)
        found[scale] = [pictures(scaled, Condition(mask=m)) for m in (mask, moved)]
    np.testing.assert_array_equal(*found[0.0])
    for first, second in (found[0.5], found[1.0], (found[0.5][0], found[1.0][0])):
        assert np.abs(first - second).max() > 1e-4


def test_guidance_and_the_negative_text_show(generator, mask):
    condition = Condition(mask=mask, prompt="a heart")
    plain = pictures(generator, condition)
    np.testing.assert_array_equal(plain, pictures(generator, condition, guidance=1.0))
    guided = pictures(generator, condition, guidance=4.0)
    assert np.abs(guided - plain).max() > 1e-4
    config = CONFIG.model_copy(update={"negative": "a dog"})
    away = pictures(
        StableDiffusionGenerator(generator._from_noise, config), condition, guidance=4.0
    )
    assert np.abs(away - guided).max() > 1e-4


@pytest.mark.parametrize("sampler", [None, *SAMPLERS])
def test_an_image_does_not_depend_on_its_batch(generator, mask, sampler):
    dark = 0.3 * np.random.default_rng(0).random((32, 32), dtype=np.float32)
    asked = [
        Condition(mask=mask),
        Condition(prompt="a heart", reference=dark, reference_strength=0.4),
        Condition(mask=mask, reference=dark, reference_strength=0.7),
        Condition(reference=dark.T.copy(), reference_strength=0.7),
        Condition(mask=mask, reference=dark, reference_strength=1.0),
    ]
    *progress, whole = generator.sample(asked, seed=2, steps=3, sampler=sampler)
    assert all(isinstance(step, Progress) for step in progress)
    assert [p.step for p in progress] == list(range(1, progress[-1].steps + 1))
    for i, condition in enumerate(asked):
        alone = pictures(generator, condition, seed=2, indices=[i], sampler=sampler)
        # float32 convolution order, made larger by random weights and guidance
        np.testing.assert_allclose(alone[0], whole.pixels[i], atol=2e-4, rtol=0)


def test_samplers_and_steps_give_different_pictures(generator, mask):
    condition = Condition(mask=mask)
    found = [pictures(generator, condition, sampler=s) for s in (None, *SAMPLERS)]
    found.append(pictures(generator, condition, steps=6))
    for i, one in enumerate(found):
        for other in found[:i]:
            assert np.abs(one - other).max() > 1e-4
    np.testing.assert_array_equal(found[0], pictures(generator, condition))  # and none remembers


def test_the_reference_s_grey_levels_come_with_its_strength(generator, mask):
    dark = 0.3 * np.random.default_rng(0).random((32, 32), dtype=np.float32)
    gaps, found = [], []
    for strength in (0.0, 0.67, 1.0):
        asked = Condition(mask=mask, reference=dark, reference_strength=strength)
        found.append(pictures(generator, asked))
        gaps.append(np.abs(np.sort(found[-1].ravel()) - np.sort(dark.ravel())).mean())
    np.testing.assert_array_equal(found[0], pictures(generator, Condition(mask=mask)))
    assert np.abs(found[1] - found[0]).max() > 1e-3
    assert gaps[2] < 0.02 < gaps[0]


def test_sampling_can_be_stopped_between_steps(generator, mask):
    calls = []
    hook = generator._from_noise.unet.register_forward_hook(lambda *_: calls.append(1))
    run = generator.sample([Condition(mask=mask)], seed=0, steps=40)
    assert next(run) == Progress(1, 41)  # the pipeline's own sampler begins with a step more
    run.close()
    hook.remove()
    assert len(calls) < 20
    np.testing.assert_array_equal(  # and it can be used again
        pictures(generator, Condition(mask=mask)), pictures(generator, Condition(mask=mask))
    )


def test_an_error_of_the_pipeline_reaches_the_caller(generator, mask):
    def fail(*_):
        raise RuntimeError("out of memory")

    hook = generator._from_noise.unet.register_forward_hook(fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        pictures(generator, Condition(mask=mask))
    hook.remove()


@pytest.mark.parametrize(
    ("fields", "options", "said"),
    [
        ({}, {"sampler": "euler"}, "sampler 'euler'.*choose dpm-solver.., ddim, ddpm"),
        ({}, {"steps": 0}, "steps: 0 given; this model takes 1 to 1000"),
        ({}, {"steps": 1001}, "steps: 1001 given; this model takes 1 to 1000"),
        ({"vendor": "acme"}, {}, "vendor 'acme': this model knows siemens, ge"),
        ({"reference": np.zeros((8, 8), np.float32)}, {}, r"reference: is of \(8, 8\) pixels"),
    ],
)
def test_what_it_cannot_do_is_refused(generator, fields, options, said):
    with pytest.raises(InputError, match=said):
        pictures(generator, Condition(**fields), **options)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"pixels": (60, 64)}, "no multiples of 8"),
        ({"phrases": {"age": "{}"}}, "'age' is none of vendor, phase, pathology and z"),
        ({"phrases": {"z": "{:d}"}}, "'{:d}' cannot be filled in"),
        ({"phrases": {"vendor": "{name}"}}, "'{name}' cannot be filled in"),
        ({"colours": ((0, 0, 300), *((0, 0, 0),) * 4)}, "less than or equal to 255"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        StableDiffusionConfig(**settings)


@pytest.mark.parametrize("part", ["unet", "vae", "controlnet", "text_encoder"])
def test_pickles_are_never_loaded(own_pipeline, tmp_path, part):
    (weights,) = (own_pipeline / part).glob("*.safetensors")
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(InputError, match=rf"{part}.*\.bin: is no safetensors.*safe_serialization"):
        adopt(own_pipeline, tmp_path / "model")
    assert not (tmp_path / "model").exists()
    with pytest.raises(InputError, match="pickles are never loaded"):
        load_pipeline(own_pipeline, device=torch.device("cpu"))


def test_a_pickle_beside_safetensors_stays_behind(own_pipeline, tmp_path):
    (own_pipeline / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"evil")
    (own_pipeline / "unet" / "evil.py").write_text("raise SystemExit")
    shutil.copyfile(
        own_pipeline / "vae" / "diffusion_pytorch_model.safetensors",
        own_pipeline / "vae" / "diffusion_pytorch_model.fp16.safetensors",
    )
    adopt(own_pipeline, tmp_path / "model")
    copied = [p.name for p in (tmp_path / "model").rglob("*") if p.is_file()]
    assert not [n for n in copied if n.endswith((".bin", ".py")) or "fp16" in n]
    assert zoo.load(tmp_path / "model").generator.shape == (128, 128)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: shutil.rmtree(f / "controlnet"), "controlnet: no such folder; save the whole"),
        (lambda f: (f / "model_index.json").unlink(), r"model_index\.json: no such file"),
        (lambda f: (f / "model_index.json").write_text("{"), r"model_index\.json: not readable"),
        (lambda f: (f / "model_index.json").write_text("[]"), "is no JSON mapping"),
        (
            lambda f: (f / "model_index.json").write_text(
                (f / "model_index.json").read_text().replace("UNet2DConditionModel", "Evil")
            ),
            "unet is of the kind 'Evil', but only UNet2DConditionModel is read",
        ),
        (
            lambda f: (f / "scheduler" / "scheduler_config.json").write_text(
                '{"_class_name": "UNet2DModel"}'
            ),
            "'UNet2DModel' is no scheduler of diffusers",
        ),
        (
            lambda f: (f / "unet" / "diffusion_pytorch_model.safetensors").unlink(),
            r"unet: holds no \.safetensors weights",
        ),
        (
            lambda f: (f / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"no"),
            r"unet: cannot be loaded \(.*\); get the pipeline again",
        ),
    ],
)
def test_a_damaged_pipeline_is_one_line(own_pipeline, change, said):
    change(own_pipeline)
    with pytest.raises(InputError, match=said) as caught:
        load_pipeline(own_pipeline, device=torch.device("cpu"))
    assert "\n" not in str(caught.value)


def test_a_pipeline_becomes_a_model_of_the_zoo(pipeline_folder, empty_zoo):
    entry = zoo.add(pipeline_folder)
    assert entry.name == "tiny-heart-sd"
    loaded, card = zoo.load("tiny-heart-sd")
    assert card.family == "stable-diffusion" and card.default_guidance == 7.5
    assert card.grid.shape == loaded.shape == (128, 128)
    assert loaded.config.pixels == (64, 64)  # of the latent size 32, folded twice
    assert len(pictures(loaded, Condition(), steps=1)) == 1
    assert zoo.add(entry.folder).folder == entry.folder


def test_every_file_of_the_pipeline_is_verified(model, tmp_path):
    for name in ("unet/diffusion_pytorch_model.safetensors", "tokenizer/tokenizer_config.json"):
        folder = shutil.copytree(model, tmp_path / name.split("/")[0])
        path = folder / "pipeline" / name
        content = bytearray(path.read_bytes())
        content[-1] ^= 1  # one bit
        path.write_bytes(content)
        with pytest.raises(InputError, match=f"{name}: has SHA-256 .*damaged or was exchanged"):
            zoo.load(folder)
        path.unlink()
        with pytest.raises(InputError, match=f"{name}: no such file"):
            zoo.verify(folder)
