"""Training mask control: what it starts from, what moves, what is saved."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from cmr_synth.errors import InputError
from cmr_synth.generators.interface import Condition, Images
from cmr_synth.generators.latent.autoencoder import Autoencoder
from cmr_synth.generators.latent.generator import LatentGenerator
from cmr_synth.generators.latent.network import LatentConfig, LatentModel
from cmr_synth.generators.latent_control.generator import LatentControlGenerator
from cmr_synth.networks.weights import load_weights, save_weights, state_of
from cmr_synth.training.batches import Batches
from cmr_synth.training.families.latent_control import LatentControlTask
from cmr_synth.training.loop import train
from cmr_synth.training.recipe import Augmentation, load_recipe

INNER = {"encoder": (8, 8), "decoder": (8, 8, 4), "blocks": 1, "hidden": 4, "groups": 4}
OUTER = {"channels": (16, 16), "attention": (False, True), "head_width": 8, "groups": 8}
VENDORS = ("siemens", "philips", "ge")


@pytest.fixture(scope="module")
def steered(tmp_path_factory):
    """Weights of a latent model in its folder, as if trained without masks."""
    folder = tmp_path_factory.mktemp("latent-unconditional")
    stated = {**OUTER, "vendors": VENDORS, "autoencoder": INNER}
    config = LatentConfig.model_validate(stated)
    torch.manual_seed(0)
    save_weights(folder / "weights.safetensors", state_of(LatentModel(config)))
    about = {"family": "latent", "config": config.model_dump(mode="json")}
    (folder / "config.json").write_text(json.dumps(about))
    return folder / "weights.safetensors"


def control(make_recipe, start, **fields) -> LatentControlTask:
    return LatentControlTask(
        make_recipe(family="latent-control", initialize_from=str(start), **fields)
    )


def trained(task, slices, folder, images=8):
    for _ in train(task, task.recipe.model_copy(update={"images": images}), slices, folder):
        pass
    return folder / "weights.safetensors"


def shown(task, mask) -> torch.Tensor:
    noisy = torch.randn(1, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return task.network(noisy, torch.tensor([0.4]), mask, [{"vendor": "ge"}])


def test_before_training_the_mask_changes_nothing_and_after_it_does(make_recipe, slices, steered):
    task = control(make_recipe, steered, learning_rate=1e-2)
    plain = LatentGenerator.load(steered.parent).model.network
    mask = torch.zeros(1, 4, 128, 128)
    mask[:, 1, 40:80, 40:80] = 1
    noisy = torch.randn(1, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = plain(noisy, torch.tensor([0.4]), torch.zeros_like(mask), [{}])
    torch.testing.assert_close(shown(task, mask), wanted, atol=1e-5, rtol=0)  # memory format
    assert torch.equal(shown(task, mask), shown(task, torch.zeros_like(mask)))
    optimizer = torch.optim.Adam(task.network.control.parameters(), lr=1e-2)
    batches = Batches(slices, augmentation=Augmentation(), seed=0)
    for k in range(3):
        ((name, loss),) = task.losses(batches.batch(2 * k, 2))
        assert name in task.networks and loss.shape == (2,)
        optimizer.zero_grad()
        loss.mean().backward()
        optimizer.step()
    assert not torch.allclose(shown(task, mask), shown(task, torch.zeros_like(mask)), atol=1e-4)


def test_only_the_control_moves_and_the_folder_is_complete(make_recipe, slices, steered, tmp_path):
    # without warm-up and with much decay: whatever may move does
    task = control(make_recipe, steered, learning_rate=1e-2, weight_decay=0.5, warmup_images=0)
    before = {k: v.clone() for k, v in state_of(task.model).items()}
    saved = load_weights(trained(task, slices, tmp_path / "out"))
    for name, weight in state_of(task.model).items():
        if not name.startswith("network.control."):
            assert torch.equal(weight, before[name]), name
    for name, weight in load_weights(steered).items():
        # 8 bits, twice
        torch.testing.assert_close(saved[name], weight, atol=1e-3, rtol=1e-3)
    moved = [k for k in saved if k.startswith("network.control.additions")]
    assert any(saved[k].abs().max() > 0 for k in moved)
    steered_copy = tmp_path / "out" / "config.json"
    assert json.loads(steered_copy.read_text())["family"] == "latent-control"
    generator = LatentControlGenerator.load(tmp_path / "out")
    *_, last = generator.sample([Condition(vendor="ge")], seed=0, steps=2)
    assert isinstance(last, Images) and last.pixels.shape == (1, 128, 128)


def test_an_earlier_control_is_gone_on_with(make_recipe, slices, steered, tmp_path):
    first = trained(control(make_recipe, steered), slices, tmp_path / "first")
    again = control(make_recipe, first)
    kept = load_weights(first)
    for name, weight in state_of(again.model).items():
        np.testing.assert_array_equal(weight.detach().numpy(), kept[name].numpy())
    assert not any(p.requires_grad for p in again.network.unet.parameters())


def test_a_sheet_shows_four_rows(make_recipe, slices, steered):
    task = control(make_recipe, steered)
    sheet = task.sheet(Batches(slices, augmentation=Augmentation(), seed=0).batch(0, 2))
    assert sheet.shape == (4 * 128, 2 * 128)
    assert np.isfinite(sheet).all() and sheet.min() >= 0 and sheet.max() <= 1


def test_without_a_latent_model_there_is_nothing_to_steer(make_recipe, steered, tmp_path):
    with pytest.raises(InputError, match="needs a latent model to steer.*--from"):
        LatentControlTask(make_recipe(family="latent-control"))
    start = tmp_path / "weights.safetensors"
    with pytest.raises(InputError, match="not a readable configuration"):
        control(make_recipe, start)
    about = json.loads((steered.parent / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(about))
    with pytest.raises(InputError, match="no such file"):
        control(make_recipe, start)
    inner = LatentConfig.model_validate(about["config"]).autoencoder
    save_weights(start, state_of(Autoencoder(inner)))
    with pytest.raises(InputError, match="these weights do not fit this network"):
        control(make_recipe, start)
    (tmp_path / "config.json").write_text('{"family": "autoencoder"}')
    with pytest.raises(InputError, match="holds one of family 'autoencoder'"):
        control(make_recipe, start)


def test_the_size_is_that_of_the_latent_model(make_recipe, steered):
    with pytest.raises(InputError, match=r"field 'model.channels': is told by the latent model"):
        control(make_recipe, steered, model={"channels": [8, 8]})


def test_an_unknown_setting_of_the_loss_is_refused(make_recipe, steered):
    with pytest.raises(InputError, match="field 'loss.colour'.*known fields are"):
        control(make_recipe, steered, loss={"colour": 1})


def test_the_bundled_recipe_fits(steered):
    recipe = load_recipe("latent-control").model_copy(update={"initialize_from": str(steered)})
    task = LatentControlTask(recipe)
    assert 0 < task.loss.drop_mask < 1
    assert task.words["vendor"] == VENDORS
