"""Every task of the registry keeps the contract of `cmr_synth.training.task.Task`.

A task is tested by being registered: without an entry in `TINY` its tests fail.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cmr_synth.cohorts.slices import SliceSet
from cmr_synth.generators.covariate_gan.changer import CovariateChanger
from cmr_synth.generators.factorised.network import FactorisedConfig, FactorisedNetwork
from cmr_synth.generators.interface import Condition, Images
from cmr_synth.generators.latent.autoencoder import Autoencoder, AutoencoderConfig
from cmr_synth.generators.latent.network import LatentConfig, LatentModel
from cmr_synth.generators.mask_flow.masks import MaskFlow
from cmr_synth.generators.registry import families, load_family
from cmr_synth.generators.volumes.autoencoder import VolumeAutoencoder, VolumeConfig
from cmr_synth.judges.copy_detector import CopyDetector
from cmr_synth.judges.encoder import Encoder
from cmr_synth.judges.segmenter import Segmenter
from cmr_synth.networks.folder import read_config, with_weights
from cmr_synth.networks.weights import save_weights, state_of
from cmr_synth.reconstruction.acquisition import Scanner, simulated
from cmr_synth.reconstruction.methods import load_reconstructor
from cmr_synth.reconstruction.sampling import Sampling
from cmr_synth.training.batches import Batch
from cmr_synth.training.loop import batches_of, train
from cmr_synth.training.registry import make_task, tasks
from tests.training.conftest import drawn_stacks, on_tiny_grid

VENDORS = ["siemens", "philips", "ge"]
UNET = {"channels": [8, 8], "attention": [False, False], "head_width": 4, "groups": 4}
SPADE = {
    "channels": [8, 8, 8, 8],
    "full_channels": 4,
    "blocks": 1,
    "hidden": 4,
    "look": 6,
    "layout": 2,
    "encoder": [8, 8, 8, 8],
    "groups": 4,
    "vendors": VENDORS,
}
CODER = {"encoder": [8, 8], "decoder": [8, 8, 4], "blocks": 1, "hidden": 4, "groups": 4}
CODES = {
    "anatomy": 4, "domain": 4, "encoder": [8, 8], "domain_encoder": [8, 8],
    "decoder": [8, 8, 4], "blocks": 1, "hidden": 4, "groups": 4, "vendors": VENDORS,
}  # fmt: skip
DISCRIMINATOR = {"channels": 4, "layers": 1}
VOLUME = {"depth": 4, "least": 3, "fold": 8, "latent": 4, "channels": [8, 8], "groups": 4}

TINY: dict[str, dict[str, Any]] = {
    "segmenter": {"model": {"filters": [4, 8, 8]}},
    "encoder": {"model": {"channels": [16, 16, 16, 16]}},
    "copy-detector": {
        "model": {"channels": [16, 16, 16, 16], "width": 16, "window_width": 8, "layout": 2}
    },
    "flow": {
        "model": {**UNET, "vendors": VENDORS},
        "loss": {"adversarial": {"weight": 0.1, **DISCRIMINATOR}},
    },
    "flow-student": {
        "model": {"teacher": "tiny", "rank": 2, "teacher_steps": 2},
        "loss": DISCRIMINATOR,
    },
    "diffusion": {"model": {**UNET, "vendors": VENDORS}},
    "spade-gan": {"model": SPADE, "loss": DISCRIMINATOR},
    "cvae": {"model": SPADE},
    "private-gan": {"model": SPADE, "loss": DISCRIMINATOR},
    "factorised": {"model": CODES},
    "mask-flow": {"model": {**UNET, "pathologies": ["normal"]}},
    "volume-autoencoder": {"model": VOLUME, "loss": {**DISCRIMINATOR, "judged": 1}},
    "latent-volume": {"model": {**UNET, "vendors": VENDORS}, "initialize_from": "volumes"},
    "covariate-gan": {"model": UNET, "loss": {"channels": [4, 4]}},
    "autoencoder": {"model": CODER, "loss": DISCRIMINATOR},
    "latent": {"model": {**UNET, "vendors": VENDORS}, "initialize_from": "autoencoder"},
    "maskgit": {
        "model": {"width": 16, "depth": 2, "head_width": 8, "vendors": VENDORS},
        "initialize_from": "tokenizer",
    },
    "latent-control": {"initialize_from": "latent"},
    "latent-codes": {
        "model": {**UNET, "vendors": VENDORS, "factorised": "codes"},
        "initialize_from": "autoencoder",
    },
    "stable-diffusion": {
        "model": {"pixels": [64, 64]}, "loss": {"rank": 2}, "initialize_from": "pipeline"
    },
    "reccgan": {
        "model": {"filters": [4, 8, 8], "cascades": 1, "coils": 2}, "loss": DISCRIMINATOR
    },
    "dcgan": {
        "model": {
            "latent": 6, "width": 4, "channels": [4, 4, 4], "kernel": 3, "groups": 4,
            "vendors": VENDORS,
        }
    },
}  # fmt: skip
"""What a tiny recipe of each family states; a teacher or an earlier stage lies in `earlier`."""

JUDGES = {"segmenter": Segmenter, "encoder": Encoder, "copy-detector": CopyDetector}
WITHOUT_MASK = {"dcgan", "latent-volume"}
RNGS = [np.random.default_rng(i) for i in range(2)]
VOLUMES = {"volume-autoencoder", "latent-volume"}
"""Families that learn from stacks."""
PRIVATE = {"flow", "diffusion", "spade-gan", "cvae", "private-gan"}
"""Families that can be trained with privacy, given the right recipe."""


@pytest.fixture(scope="module")
def earlier(tmp_path_factory, tiny_model) -> Path:
    """Folder of what some families start from: a flow, two autoencoders, a latent model."""
    root = tmp_path_factory.mktemp("earlier")
    shutil.copytree(tiny_model, root / "tiny")
    stated = {**UNET, "vendors": VENDORS, "autoencoder": CODER}
    written: list[tuple[str, nn.Module]] = []
    with torch.random.fork_rng():
        torch.manual_seed(0)
        written.append(("autoencoder", Autoencoder(AutoencoderConfig.model_validate(CODER))))
        written.append(("latent", LatentModel(LatentConfig.model_validate(stated))))
        of_volumes = VolumeConfig.model_validate(VOLUME)
        written.append(("volumes", VolumeAutoencoder(of_volumes)))
        tokenizer = AutoencoderConfig.model_validate({**CODER, "bottleneck": "vq", "codes": 16})
        written.append(("tokenizer", Autoencoder(tokenizer)))
        codes = FactorisedNetwork(FactorisedConfig.model_validate(CODES))
        written.append(("codes", codes))
    for name, network in written:
        (root / name).mkdir()
        save_weights(root / name / "weights.safetensors", state_of(network), bits=16)
        family = {
            "tokenizer": "autoencoder",
            "volumes": "volume-autoencoder",
            "codes": "factorised",
        }.get(name, name)
        about = {"family": family, "config": network.config.model_dump(mode="json")}
        (root / name / "config.json").write_text(json.dumps(about))
    return root


@pytest.fixture(params=sorted(tasks()))
def recipe(request, make_recipe, earlier):
    """A tiny recipe of every registered family, two steps long."""
    stated = {"family": request.param, "images": 4, "batch_size": 2, **TINY[request.param]}
    model = dict(stated.get("model", {}))
    for named in ("teacher", "factorised"):
        if named in model:
            stated["model"] = {**model, named: str(earlier / model[named])}
    if "initialize_from" in stated:
        folder = earlier / stated["initialize_from"]
        if request.param == "stable-diffusion":
            folder = request.getfixturevalue("pipeline_folder")
        file = "model_index.json" if request.param == "stable-diffusion" else "weights.safetensors"
        stated["initialize_from"] = str(folder / file)
    return make_recipe(**stated)


@pytest.fixture
def patients(recipe, slices) -> SliceSet:
    """What a family learns from: single slices, or stacks of them."""
    return drawn_stacks(3) if recipe.family in VOLUMES else slices


@pytest.fixture
def batch(recipe, patients) -> Batch:
    """Three images, one of them alone in its conditions."""
    return batches_of(make_task(recipe), recipe, patients).batch(0, 3)


def test_what_the_loop_reads_is_there(recipe):
    task = make_task(recipe)
    assert task.networks and all(isinstance(n, nn.Module) for n in task.networks.values())
    assert task.rates.keys() == task.networks.keys()
    assert all(rate > 0 for rate in task.rates.values())
    for name, words in task.words.items():
        assert name in ("vendor", "phase", "pathology", "cohort")
        assert words and all(isinstance(word, str) for word in words)
    assert isinstance(task.unaccounted(), str)


def test_what_no_account_covers_is_said_unless_there_is_nothing(recipe):
    task = make_task(recipe)
    if recipe.family not in PRIVATE:
        assert f"the family {recipe.family!r} learns from patients" in task.unaccounted()
    elif "discriminator" in task.networks and not hasattr(task, "private_network"):
        assert "a discriminator learns from patients too" in task.unaccounted()
    else:
        assert "learns from patients" not in task.unaccounted()


def test_each_network_has_a_finite_loss_of_every_image(recipe, batch):
    task = make_task(recipe)
    named = []
    for name, loss in task.losses(batch):
        assert loss.shape == (len(batch),) and torch.isfinite(loss).all()
        task.networks[name].zero_grad()
        loss.mean().backward()
        own = [p.grad for p in task.networks[name].parameters() if p.grad is not None]
        assert own and all(torch.isfinite(gradient).all() for gradient in own)
        named.append(name)
    assert sorted(named) == sorted(task.networks)


def test_a_loss_is_of_the_seed_and_the_images_alone(recipe, patients):
    def losses() -> dict[str, torch.Tensor]:
        task = make_task(recipe)
        batch = batches_of(task, recipe, patients).batch(0, 3)
        return {name: loss.detach() for name, loss in task.losses(batch)}

    one, two = losses(), losses()
    assert one.keys() == two.keys()
    assert all(torch.equal(value, two[name]) for name, value in one.items())


def test_a_sheet_is_a_picture(recipe, batch):
    task = make_task(recipe)
    for network in task.networks.values():
        network.eval()
    with torch.no_grad():
        sheet = task.sheet(batch)
    assert sheet.ndim == 2 and np.isfinite(sheet).all()


def test_two_steps_end_in_a_folder_that_loads_and_samples(recipe, patients, earlier, tmp_path):
    shutil.copytree(earlier / "tiny", tmp_path / "tiny")  # an adapter's base lies beside it
    out = tmp_path / "run"
    if recipe.family == "flow-student":  # its teacher is the tiny model
        patients = on_tiny_grid(patients)
    steps = list(train(make_task(recipe), recipe, patients, out))
    assert [step.images_seen for step in steps] == [2, 4]
    assert all(np.isfinite(loss) for step in steps for loss in step.losses.values())
    about = json.loads((out / "config.json").read_text())
    assert about["images_seen"] == 4 and about["recipe"]["family"] == recipe.family
    pictures = np.random.default_rng(0).random((2, 128, 128)).astype(np.float32)
    if recipe.family in JUDGES:
        judge = JUDGES[recipe.family].load(out)
        looked = getattr(judge, "descriptors", None) or judge.features
        found = looked(pictures)
        assert all(np.isfinite(part).all() for part in np.atleast_1d(found[0]))
        return
    if recipe.family == "mask-flow":
        masks = MaskFlow.load(out)
        asked = [Condition(mask=np.zeros((128, 128), np.uint8), phase="ED"), Condition(z=0.5)]
        drawn = masks.draw(asked, seed=0, steps=2)
        assert drawn.shape == (2, 128, 128) and set(np.unique(drawn)) <= {0, 1, 2, 3}
        return
    if recipe.family == "reccgan":
        scan, _ = simulated(torch.from_numpy(pictures), [Sampling()] * 2, Scanner(), RNGS)
        made = load_reconstructor(out).run(scan)
        assert made.shape == (2, 128, 128) and torch.isfinite(made.abs()).all()
        return
    if recipe.family == "volume-autoencoder":
        coder = VolumeAutoencoder(read_config(out, VolumeConfig, family=recipe.family))
        labels = torch.zeros(1, 4, 128, 128, dtype=torch.long)
        volume = torch.from_numpy(pictures[:1, None, None]).expand(-1, -1, 4, -1, -1)
        coded = with_weights(coder, out, device="cpu").encode(volume, labels)
        assert coded.shape == (1, 4, 2, 8, 8) and torch.isfinite(coded).all()
        return
    if recipe.family == "covariate-gan":
        added = CovariateChanger.load(out).change(pictures, {"bmi": 24.0}, {"bmi": 30.0})
        assert added.shape == (2, 128, 128) and np.isfinite(added).all()
        return
    if about["family"] not in families():  # a stage that makes no images of its own
        network = Autoencoder(read_config(out, AutoencoderConfig, family=about["family"]))
        coded = with_weights(network, out, device="cpu").encode(torch.from_numpy(pictures[:, None]))
        assert coded.shape == (2, 4, 32, 32) and torch.isfinite(coded).all()
        return
    generator = load_family(about["family"]).load(out)
    mask = None if recipe.family in WITHOUT_MASK else np.zeros(generator.shape, np.uint8)
    asked = [Condition(mask=mask, vendor="ge"), Condition(mask=mask)]
    *_, last = generator.sample(asked, seed=0, steps=2)
    assert isinstance(last, Images) and last.pixels.shape == (2, *generator.shape)
    assert np.isfinite(last.pixels).all()
    assert last.pixels.min() >= 0 and last.pixels.max() <= 1
