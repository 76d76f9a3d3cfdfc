"""The private GAN: patients reach the discriminator alone, and its account covers what is kept."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from cmr_synth.errors import InputError
from cmr_synth.generators.card import draft_card
from cmr_synth.generators.interface import Condition, Images
from cmr_synth.generators.private_gan.generator import PrivateGanGenerator
from cmr_synth.training.batches import Batches
from cmr_synth.training.families.private_gan import PrivateGanTask
from cmr_synth.training.loop import train
from cmr_synth.training.private import PrivateTraining
from cmr_synth.training.recipe import Augmentation, load_recipe
from cmr_synth.training.secret import SIZE, Secret

SMALL = {
    "channels": [16, 16, 16, 8], "full_channels": 8, "blocks": 1, "hidden": 8, "look": 4,
    "layout": 1, "encoder": [8, 8, 8, 8], "groups": 8, "vendors": ["siemens", "ge"],
}  # fmt: skip
PRIVACY = {"epsilon": 20.0, "delta": 0.01, "images": 2, "patients": 6}
KNOWN = Secret(bytes(range(SIZE)))


@pytest.fixture
def recipe(make_recipe):
    def of(**fields):
        stated = {"images": 8, "batch_size": 4, "family": "private-gan", "model": SMALL}
        return make_recipe(**{**stated, "loss": {"channels": 8}, **fields})

    return of


@pytest.fixture
def patients(slices):
    """Seven patients with one slice each, of a cohort with a title."""
    rows = tuple(replace(row, cohort="drawn") for row in slices.rows)
    drawn = {"title": "Drawn", "licence": "CC0", "citation": "none"}
    return replace(slices, rows=rows, about={**slices.about, "cohorts": {"drawn": drawn}})


def private_of(of, patients) -> tuple[PrivateGanTask, PrivateTraining]:
    task = PrivateGanTask(of)
    batches = Batches(patients, augmentation=of.augmentation, seed=0)
    return task, PrivateTraining(task, of, batches, secret=KNOWN)


def weights(network) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def gradient(network) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])


def test_the_generator_learns_the_same_whatever_the_patients_look_like(recipe, patients):
    """With a discriminator that was not stepped, not a bit of its gradient is of a patient."""
    found = []
    for images in (patients.images, 255 - patients.images):
        task, private = private_of(recipe(privacy=PRIVACY), replace(patients, images=images))
        named = [name for name, _ in private.losses(task)]
        assert named == ["discriminator", "private-gan"]
        found.append([gradient(task.networks[name]) for name in named])
    (judge, generator), (other_judge, other_generator) = found
    assert torch.equal(generator, other_generator) and generator.norm() > 0
    assert not torch.equal(judge, other_judge)


def test_a_patient_more_changes_no_other_patients_gradient(recipe, patients):
    fewer = replace(
        patients,
        rows=tuple(replace(r, split="test") if r.patient == "p3" else r for r in patients.rows),
    )
    given = []
    for of_patients in (patients, fewer):
        task, private = private_of(recipe(privacy=PRIVACY), of_patients)
        private.sample_rate = 1.0
        given.append({c.person: c.gradients for c in private.contributions(task, "cpu")})
    everyone, without = given
    assert everyone.keys() - without.keys() == {("drawn", "p3")}
    for person, gradients in without.items():
        assert all(map(torch.equal, gradients, everyone[person]))
        norm = torch.stack([g.norm() for g in gradients]).norm()
        assert norm <= 1 + 1e-6


def test_the_account_goes_onto_the_card_and_the_generator_learns(recipe, patients, tmp_path):
    of = recipe(privacy=PRIVACY)
    task = PrivateGanTask(of)
    before = {name: weights(network) for name, network in task.networks.items()}
    steps = list(train(task, of, patients, tmp_path / "run"))
    assert [step.images_seen for step in steps] == [4, 8]
    assert steps[-1].losses.keys() == {"discriminator", "private-gan"}
    for name, network in task.networks.items():
        assert not torch.equal(before[name], weights(network))
    card = draft_card(tmp_path / "run", patients)
    assert card.family == "private-gan" and 0 < card.training.privacy["epsilon"] <= 20
    assert card.training.privacy["steps"] == 2
    about = json.loads((tmp_path / "run" / "config.json").read_text())
    assert about["family"] == "private-gan"
    generator = PrivateGanGenerator.load(tmp_path / "run")
    *_, images = generator.sample([Condition(vendor="ge")], seed=0)
    assert isinstance(images, Images) and images.pixels.shape == (1, 128, 128)
    with pytest.raises(InputError, match="^reference: models of 'private-gan' take over no look"):
        reference = np.zeros((128, 128), np.float32)
        list(generator.sample([Condition(reference=reference)], seed=0))


def test_it_learns_in_seconds_through_the_discriminator_alone(recipe, slices):
    """Blood and muscle come closer to their greys in the pictures, without any being compared."""
    of = recipe(augmentation=Augmentation(share=0), loss={"channels": 8, "layers": 1})
    about = {**slices.about, "networks_shape": [64, 64]}
    batches = Batches(replace(slices, about=about), augmentation=of.augmentation, seed=0)
    task = PrivateGanTask(of.model_copy(update={"model": {**SMALL, "shape": [64, 64]}}))
    optimizers = {
        name: torch.optim.Adam(network.parameters(), 2e-3, betas=(0.5, 0.99))
        for name, network in task.networks.items()
    }

    def missed() -> float:
        """Mean distance of the greys of background, LV, wall and RV from the real ones."""
        batch = batches.batch(400, 6)
        labels = batch.labels.numpy()
        asked = [Condition(mask=one.astype(np.uint8)) for one in labels]
        *_, images = PrivateGanGenerator(task.network).sample(asked, seed=0)
        task.network.train()
        real = batch.images[:, 0].numpy()
        tissues = [labels == k for k in range(4)]
        return float(np.mean([abs(images.pixels[t].mean() - real[t].mean()) for t in tissues]))

    untrained = missed()
    for k in range(40):
        for name, loss in task.losses(batches.batch(6 * k, 6)):
            optimizers[name].zero_grad()
            loss.mean().backward()
            optimizers[name].step()
    assert missed() < 0.7 * untrained


def test_the_recipe_is_accounted_for():
    of = load_recipe("private-gan")
    assert of.privacy is not None and PrivateGanTask(of).unaccounted() == ""
