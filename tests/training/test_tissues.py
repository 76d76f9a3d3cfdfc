"""Tissues around the heart as a condition: told by batches, dropped, learned, and refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from cmr_synth.anatomy.labels import UNLABELLED
from cmr_synth.anatomy.surroundings import TISSUES
from cmr_synth.anatomy.template import draw_slice
from cmr_synth.errors import InputError
from cmr_synth.generators.card import draft_card
from cmr_synth.generators.flow.generator import FlowGenerator
from cmr_synth.generators.interface import Condition
from cmr_synth.networks.weights import save_weights, state_of
from cmr_synth.training.batches import Batches
from cmr_synth.training.dropping import Dropping, dropped, dropped_tissues
from cmr_synth.training.families.diffusion import DiffusionTask
from cmr_synth.training.families.flow import FlowTask
from cmr_synth.training.loop import train
from cmr_synth.training.recipe import Augmentation

UNET = {
    "channels": [8, 8], "attention": [False, False], "head_width": 4, "groups": 4,
    "vendors": ["siemens", "ge"],
}  # fmt: skip
SHAPE = (128, 128)
DRAWN = (1 + TISSUES.index("by the heart"), 1 + TISSUES.index("organs"))
"""What lies around the drawn hearts."""
HEART = ("LV", "MYO", "RV")
PLAIN = Augmentation(share=0.0, shift=0.0)


def test_batches_tell_them_as_scanned_and_open_beyond_the_scan(slices) -> None:
    whole = slices.images.shape[1:]
    batch = Batches(slices, augmentation=PLAIN, seed=0, shape=whole, tissues=HEART).batch(0, 4)
    assert batch.tissues is not None
    assert batch.tissues.shape == batch.labels.shape
    heart, outside = batch.labels > 0, batch.covered[:, 0] == 0
    assert outside.any()
    assert not batch.tissues[heart | outside].any()
    assert (batch.tissues[~heart & ~outside] > 0).all()
    assert Batches(slices, augmentation=PLAIN, seed=0).batch(0, 4).tissues is None


def test_a_darker_picture_has_the_map_of_its_scan(slices) -> None:
    changed = Augmentation(share=1.0, shift=0, rotation_degrees=0, scale=0, gain=0.9, gamma=0.5)
    plain, darker = (
        Batches(slices, augmentation=one, seed=0, tissues=HEART).batch(0, 4)
        for one in (PLAIN, changed)
    )
    assert not torch.allclose(plain.images, darker.images, atol=0.05)
    same = (plain.tissues == darker.tissues).float().mean()
    assert same > 0.97, "all but what moves by less than a pixel"


def test_some_are_dropped_and_all_of_a_slice_without_a_mask(slices) -> None:
    batch = Batches(slices, augmentation=PLAIN, seed=0, tissues=HEART).batch(0, 64)
    shares = Dropping(drop_mask=0.5, drop_tissues=0.5)
    labels, _ = dropped(batch, shares)
    kept = dropped_tissues(batch, labels, shares).flatten(1).any(dim=1)
    followed = (labels != UNLABELLED).flatten(1).any(dim=1)
    assert not kept[~followed].any()
    assert 0.2 < kept[followed].float().mean() < 0.8


def test_a_flow_begins_as_the_one_without_them_and_learns_them(
    slices, make_recipe, tmp_path
) -> None:
    first = FlowTask(make_recipe(family="flow", model=UNET))
    before = tmp_path / "before.safetensors"
    save_weights(before, state_of(first.network), bits=16)
    task = FlowTask(
        make_recipe(
            family="flow",
            model={**UNET, "tissues": True},
            initialize_from=str(before),
            images=96,
            batch_size=8,
            learning_rate=0.01,
            warmup_images=0,
            loss={"drop_tissues": 0.2, "drop_mask": 0.0},
        )
    )
    mask = draw_slice(shape=SHAPE)
    maps = [np.where(mask == 0, k, 0).astype(np.uint8) for k in (0, *DRAWN)]

    def pictures(network) -> list[np.ndarray]:
        made = FlowGenerator(network.eval())
        return [
            [*made.sample([Condition(mask=mask, tissues=one)], seed=1, steps=2)][-1].pixels[0]
            for one in maps
        ]

    open_, near, far = pictures(task.network)
    np.testing.assert_array_equal(open_, near)
    np.testing.assert_array_equal(open_, far)
    list(train(task, task.recipe, slices, tmp_path / "out"))
    open_, near, far = pictures(task.network)
    assert np.abs(open_ - far).max() > 1e-4
    assert np.abs(near - far).max() > 1e-4


def test_the_card_says_that_it_takes_them(slices, make_recipe, tmp_path) -> None:
    task = FlowTask(make_recipe(family="flow", model={**UNET, "tissues": True}, images=8))
    list(train(task, task.recipe, slices, tmp_path / "out"))
    task.save(tmp_path / "out", images_seen=8, minutes=0.0)
    told = replace(slices, about={**slices.about, "cohorts": {}})
    assert draft_card(tmp_path / "out", told).conditions.tissues is True
    assert (tmp_path / "out" / "weights.safetensors").is_file()


def test_the_few_step_stage_judges_with_them(slices, make_recipe, tmp_path) -> None:
    loss = {"adversarial": {"weight": 1.0, "steps": 2, "detail": 1.0, "spectrum": 1.0}}
    task = FlowTask(
        make_recipe(family="flow", model={**UNET, "tissues": True}, loss=loss, images=8)
    )
    before = [weight.clone() for weight in task.networks["detail"].parameters()]
    steps = list(train(task, task.recipe, slices, tmp_path / "out"))
    assert steps
    learned = zip(task.networks["detail"].parameters(), before, strict=True)
    assert any(not torch.equal(now, then) for now, then in learned)


def test_a_family_without_a_map_refuses_one(make_recipe) -> None:
    with pytest.raises(InputError, match="'model.tissues'.*takes no map of them"):
        DiffusionTask(make_recipe(family="ddpm", model={"tissues": True}))


def test_a_path_from_the_mask_has_no_other_tissues(make_recipe) -> None:
    with pytest.raises(InputError, match="shows no other tissues"):
        FlowTask(make_recipe(family="flow", model={**UNET, "tissues": True, "source": "condition"}))
