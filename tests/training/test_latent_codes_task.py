"""A latent model on the codes of a factorised VAE: what it is told, and what it is trained to."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from cmr_synth.errors import InputError
from cmr_synth.generators.factorised.network import FactorisedConfig, FactorisedNetwork
from cmr_synth.generators.interface import Condition
from cmr_synth.generators.latent.autoencoder import Autoencoder, AutoencoderConfig
from cmr_synth.generators.latent_codes.generator import LatentCodesGenerator
from cmr_synth.generators.latent_codes.network import DOMAIN
from cmr_synth.networks.weights import load_weights, save_weights, state_of
from cmr_synth.training.batches import Batches
from cmr_synth.training.families.latent_codes import LatentCodesTask
from cmr_synth.training.loop import train
from cmr_synth.training.recipe import Augmentation, load_recipe

VENDORS = ["siemens", "ge"]
CODER = {"encoder": [8, 8], "decoder": [8, 8, 4], "blocks": 1, "hidden": 4, "groups": 4}
CODES = {**CODER, "anatomy": 4, "domain": 4, "domain_encoder": [8, 8], "vendors": VENDORS}
UNET = {
    "channels": [16, 16], "attention": [False, False], "head_width": 8, "groups": 8,
    "vendors": VENDORS,
}  # fmt: skip
KEPT = {"drop_mask": 0.0, "drop_domain": 0.0}


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    """Folders of a random autoencoder and a random factorised model."""
    root = tmp_path_factory.mktemp("earlier")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = {
            "autoencoder": Autoencoder(AutoencoderConfig.model_validate(CODER)),
            "factorised": FactorisedNetwork(FactorisedConfig.model_validate(CODES)),
        }
    for family, network in made.items():
        (root / family).mkdir()
        save_weights(root / family / "weights.safetensors", state_of(network), bits=16)
        about = {"family": family, "config": network.config.model_dump(mode="json")}
        (root / family / "config.json").write_text(json.dumps(about))
    return root


def task_of(make_recipe, earlier, *, model=None, loss=None, **fields):
    stated = {**UNET, "factorised": str(earlier / "factorised"), **(model or {})}
    return LatentCodesTask(
        make_recipe(
            family="latent-codes", model=stated, loss={**KEPT, **(loss or {})},
            initialize_from=str(earlier / "autoencoder" / "weights.safetensors"), **fields,
        )
    )  # fmt: skip


@pytest.fixture
def batch(slices):
    return Batches(slices, augmentation=Augmentation(share=0, shift=0), seed=0).batch(0, 4)


def test_it_is_told_the_picture_s_own_codes(make_recipe, earlier, batch):
    task = task_of(make_recipe, earlier)
    told, asked = task.told(batch, batch.labels, list(batch.conditions))
    assert told.shape == (4, 4 + 64, 32, 32) and told.abs().sum() > 0
    assert all(one[DOMAIN].shape == (4,) for one in asked)
    alone = task_of(make_recipe, earlier, loss={"drop_domain": 1.0})
    again, asked = alone.told(batch, batch.labels, list(batch.conditions))
    assert again.abs().sum() > 0 and all(one[DOMAIN] is None for one in asked)
    none, asked = task.told(batch, torch.full_like(batch.labels, 255), [{}] * 4)
    assert not none.any() and all(one[DOMAIN] is None for one in asked)


@torch.no_grad()
def mean_loss(task, slices):
    batches = Batches(slices, augmentation=Augmentation(share=0, shift=0), seed=5)
    found = [dict(task.losses(batches.batch(8 * k, 8)))["latent"] for k in range(4)]
    return float(torch.cat(found).mean())


@pytest.fixture(scope="module")
def trained(make_recipe, slices, earlier, tmp_path_factory):
    folder = tmp_path_factory.mktemp("codes") / "run"
    task = task_of(
        make_recipe, earlier, images=192, batch_size=8, learning_rate=3e-3, ema=0.5,
        augmentation=Augmentation(share=0, shift=0),
    )  # fmt: skip
    losses = [mean_loss(task, slices)]
    for _ in train(task, task.recipe, slices, folder):
        pass
    return folder, [*losses, mean_loss(task, slices)]


def test_it_learns_and_leaves_both_earlier_models_alone(trained, earlier):
    folder, (untrained, after) = trained
    assert after < 0.9 * untrained
    saved = load_weights(folder / "weights.safetensors")
    for family in ("autoencoder", "factorised"):
        for name, weight in load_weights(earlier / family / "weights.safetensors").items():
            torch.testing.assert_close(  # 8 bits in the folder
                saved[f"{family}.{name}"], weight, atol=float(weight.abs().max()) / 100, rtol=0
            )


def test_domains_are_exchanged(trained, slices):
    generator = LatentCodesGenerator.load(trained[0])
    pictures, labels = slices.crop(np.arange(2))
    own = generator.exchanged(pictures, looks=pictures, steps=2)
    other = generator.exchanged(pictures, looks=1 - pictures, steps=2)
    of_ge = generator.exchanged(pictures, vendor="ge", steps=2)
    assert own.shape == (2, 128, 128) and np.isfinite(own).all()
    assert np.abs(own - other).max() > 1e-4 and np.abs(own - of_ge).max() > 1e-4
    asked = [Condition(mask=labels[0], vendor="ge")]
    *_, made = generator.sample(asked, seed=0, steps=2, guidance=2.0)
    assert np.isfinite(made.pixels).all()
    with pytest.raises(InputError, match="give one"):
        generator.exchanged(pictures)
    with pytest.raises(InputError, match="1 looks for 2 pictures"):
        generator.exchanged(pictures, looks=pictures[:1])
    with pytest.raises(InputError, match="works on"):
        generator.exchanged(pictures[:, :64], vendor="ge")


def test_both_earlier_models_are_needed(make_recipe, earlier, tmp_path):
    with pytest.raises(InputError, match="'model.factorised': names the folder of a trained"):
        task_of(make_recipe, earlier, model={"factorised": None})
    with pytest.raises(InputError, match="not a configuration of 'factorised'"):
        task_of(make_recipe, earlier, model={"factorised": str(tmp_path)})
    with pytest.raises(InputError, match="is of the family 'autoencoder'"):
        task_of(make_recipe, earlier, model={"factorised": str(earlier / "autoencoder")})
    with pytest.raises(InputError, match="needs a trained autoencoder"):
        LatentCodesTask(
            make_recipe(family="latent-codes", model={"factorised": str(earlier / "factorised")})
        )


def test_the_bundled_recipe_fits(earlier):
    recipe = load_recipe("latent-codes")
    recipe = recipe.model_copy(
        update={
            "initialize_from": str(earlier / "autoencoder" / "weights.safetensors"),
            "model": {**recipe.model, "factorised": str(earlier / "factorised")},
        }
    )
    assert LatentCodesTask(recipe).model.config.objective == "flow"
