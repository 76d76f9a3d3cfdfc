"""Adapters of a ControlNet: what is trained, that it learns, and the folder that comes out."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from cmr_synth.anatomy.template import draw_slice
from cmr_synth.errors import InputError
from cmr_synth.generators import zoo
from cmr_synth.generators.card import draft_card, write_card
from cmr_synth.generators.interface import Condition, Images
from cmr_synth.generators.stable_diffusion.config import StableDiffusionConfig
from cmr_synth.generators.stable_diffusion.generator import StableDiffusionGenerator
from cmr_synth.generators.stable_diffusion.pipeline import adopt, load_pipeline
from cmr_synth.networks.weights import state_of
from cmr_synth.training.batches import Batches
from cmr_synth.training.families.stable_diffusion import StableDiffusionTask
from cmr_synth.training.loop import train
from cmr_synth.training.recipe import Augmentation, load_recipe

pytest.importorskip("peft", reason="training a ControlNet needs napari-cmr-synth[text]")

MODEL = {"pixels": [64, 64], "subject": "mr"}


@pytest.fixture(scope="module")
def task(make_recipe, pipeline_folder):
    return task_from(make_recipe, pipeline_folder)


def task_from(make_recipe, folder, file="model_index.json", **fields):
    stated = {"model": MODEL, "loss": {"rank": 4, "drop_mask": 0.0}, **fields}
    return StableDiffusionTask(
        make_recipe(family="stable-diffusion", initialize_from=str(folder / file), **stated)
    )


@pytest.fixture(scope="module")
def trained(make_recipe, pipeline_folder, slices, tmp_path_factory):
    """A task, its folder, and its loss on the same noise before and after."""
    folder = tmp_path_factory.mktemp("lora") / "run"
    task = task_from(
        make_recipe, pipeline_folder, images=320, batch_size=8, learning_rate=1e-2,
        weight_decay=0.0, ema=0.5, augmentation=Augmentation(share=0.0, shift=0.0),
    )  # fmt: skip
    before = {k: v.detach().clone() for k, v in state_of(task.network).items()}
    losses = [mean_loss(task, slices)]
    for _ in train(task, task.recipe, slices, folder):
        pass
    losses.append(mean_loss(task, slices))
    return task, folder, losses, before


@torch.no_grad()
def mean_loss(task, slices) -> float:
    batches = Batches(slices, augmentation=Augmentation(share=0.0, shift=0.0), seed=7)
    found = [dict(task.losses(batches.batch(8 * k, 8)))["controlnet"] for k in range(4)]
    return float(torch.cat(found).mean())


def test_it_learns_to_steer(trained):
    _, _, (untrained, after), _ = trained
    assert after < 0.97 * untrained


def test_adapters_alone_are_trained(trained):
    task, _, _, before = trained
    moved = {k for k, v in state_of(task.network).items() if not torch.equal(v, before[k])}
    assert moved and all("lora_" in name for name in moved)
    for place in ("to_q", "controlnet_cond_embedding", "controlnet_down_blocks", "mid_block"):
        assert any(place in name for name in moved), place
    for frozen in task._frozen.values():
        assert not any(p.requires_grad for p in frozen.parameters())


def test_the_result_is_a_folder_that_loads_without_adapters(trained, pipeline_folder, slices):
    task, folder, _, _ = trained
    about = json.loads((folder / "config.json").read_text())
    assert about["images_seen"] == 320 and about["recipe"]["family"] == "stable-diffusion"
    assert not [p for p in folder.rglob("*") if "adapter" in p.name or "lora" in p.name]
    theirs = load_pipeline(pipeline_folder, device=torch.device("cpu"))
    ours = load_pipeline(folder / "pipeline", device=torch.device("cpu"))
    for part in ("unet", "vae", "text_encoder"):
        old = getattr(theirs, part).state_dict()
        assert all(torch.equal(v, old[k]) for k, v in getattr(ours, part).state_dict().items())
    old, new = (one.controlnet.state_dict() for one in (theirs, ours))
    assert old.keys() == new.keys() and any(not torch.equal(new[k], old[k]) for k in old)
    facts = {"title": "drawn hearts", "licence": "CC0 1.0", "citation": "nobody"}
    slices = type(slices)(
        slices.images, slices.labels, slices.covered, slices.rows,
        {**slices.about, "cohorts": {"drawn": facts}},
    )  # fmt: skip
    write_card(draft_card(folder, slices), folder / "card.yaml")
    assert isinstance(zoo.load(folder).generator, StableDiffusionGenerator)  # hashes too


def test_the_mask_shows_more_than_before(trained, pipeline_folder, tmp_path):
    """Adapters were trained to draw masks: pictures of two masks differ, as the config says."""
    _, folder, _, _ = trained
    generator = StableDiffusionGenerator.load(folder)
    hearts = [draw_slice(seed=0), draw_slice(anatomy="dilated", seed=3)]
    asked = [Condition(mask=heart, vendor="ge") for heart in hearts]
    *_, last = generator.sample(asked, seed=0, indices=[0, 0], steps=2, guidance=1.0)
    assert isinstance(last, Images) and np.isfinite(last.pixels).all()
    assert np.abs(last.pixels[0] - last.pixels[1]).max() > 1e-3


def test_a_model_of_the_zoo_is_gone_on_with(make_recipe, pipeline_folder, tmp_path):
    config = StableDiffusionConfig(pixels=(64, 64), subject="heart", vendors=("siemens",))
    adopt(pipeline_folder, tmp_path / "sd", config=config)
    task = task_from(make_recipe, tmp_path / "sd", "weights.safetensors", model={})
    assert task.config == config and task.words["vendor"] == ("siemens",)
    other = task_from(
        make_recipe, tmp_path / "sd", "weights.safetensors", model={"subject": "slice"}
    )
    assert other.config.subject == "slice"


@pytest.mark.parametrize("loss", [{"rank": 1}, {"heart_weight": 9.0}, {"drop_mask": 1.0}], ids=str)
def test_every_setting_of_the_loss_counts(make_recipe, pipeline_folder, slices, task, loss):
    other = task_from(make_recipe, pipeline_folder, loss={"rank": 4, "drop_mask": 0.0, **loss})
    if "rank" in loss:
        sizes = [sum(p.numel() for p in t.network.parameters()) for t in (other, task)]
        assert sizes[0] < sizes[1]
        return
    assert abs(mean_loss(other, slices) - mean_loss(task, slices)) > 1e-6


def test_without_a_folder_nothing_is_downloaded(make_recipe, tmp_path):
    with pytest.raises(InputError, match="nothing is downloaded; name one with --from"):
        StableDiffusionTask(make_recipe(family="stable-diffusion"))
    (tmp_path / "config.json").write_text('{"family": "flow"}')
    with pytest.raises(InputError, match="is of the family 'flow'"):
        task_from(make_recipe, tmp_path, "weights.safetensors")


def test_the_bundled_recipe_fits(pipeline_folder):
    start = str(pipeline_folder / "model_index.json")
    recipe = load_recipe("stable-diffusion-lora").model_copy(update={"initialize_from": start})
    assert StableDiffusionTask(recipe).config.pixels == (64, 64)
