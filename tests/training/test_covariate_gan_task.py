"""The covariate GAN: finds what a covariate changes, leaves the rest, and says how far it goes."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from cmr_synth.anatomy.labels import LV
from cmr_synth.cohorts.slices import SliceSet
from cmr_synth.errors import InputError
from cmr_synth.generators.covariate_gan.changer import CovariateChanger
from cmr_synth.generators.covariate_gan.network import CovariateGanConfig
from cmr_synth.generators.covariate_gan.ranges import CovariateRange, beyond_training
from cmr_synth.training.batches import Batches
from cmr_synth.training.families.covariate_gan import CovariateGanTask
from cmr_synth.training.loop import train
from cmr_synth.training.recipe import Augmentation, load_recipe
from tests.training.conftest import drawn_slices, recipe

TINY = {
    "shape": [64, 64], "spacing_mm": 3.0, "channels": [8, 8], "attention": [False, False],
    "head_width": 4, "groups": 4,
}  # fmt: skip
STILL = {"share": 0.0, "shift": 0.0}
LIGHT, HEAVY = 50.0, 110.0  # kg, at 170 cm
FAT = (slice(50, 66), slice(None))  # of the wide grid: rows above the heart, which get brighter


def of_people(count: int = 24) -> SliceSet:
    """Hearts of people whose fat, a band above the heart, is brighter the heavier they are."""
    drawn = drawn_slices(count)
    images, rows = drawn.images.copy(), list(drawn.rows)
    for i in range(count):
        share = (i % 8) / 7
        images[i][FAT] = np.clip(images[i][FAT] * 0.2 + 40 + 120 * share, 0, 255)
        rows[i] = replace(
            rows[i], split="train", height=170.0, weight=LIGHT + share * (HEAVY - LIGHT)
        )
    about = {**drawn.about, "spacing_mm": 3.0, "networks_shape": [64, 64]}
    covered = np.ones_like(drawn.covered)
    return SliceSet(images, drawn.labels, covered, tuple(rows), about)


def bmi(weight: float) -> dict[str, float]:
    return {"bmi": weight / 1.7**2}


def task_of(**fields) -> CovariateGanTask:
    stated = {"model": TINY, "loss": {"channels": [8, 16, 16]}, "augmentation": STILL}
    return CovariateGanTask(recipe(family="covariate-gan", **{**stated, **fields}))


@pytest.fixture(scope="module")
def people() -> SliceSet:
    return of_people()


@pytest.fixture(scope="module")
def trained(people, tmp_path_factory):
    folder = tmp_path_factory.mktemp("covariate") / "run"
    task = task_of(
        images=320, batch_size=8, learning_rate=1e-3, warmup_images=8, ema=0.8,
        betas=(0.0, 0.9), weight_decay=0.0, gradient_norm=10.0,
        loss={"channels": [8, 16, 16], "cycle": 2.0, "identity": 2.0, "rate": 3.0},
    )  # fmt: skip
    for _ in train(task, task.recipe, people, folder):
        pass
    return folder


def planted(people, changer):
    """What is added to light people's pictures: in the fat, and in the LV."""
    light = [i for i, row in enumerate(people.rows) if row.weight == LIGHT]
    pictures, labels = people.crop(np.array(light))
    added = changer.change(pictures, bmi(LIGHT), bmi(HEAVY))
    fat = np.zeros(people.images.shape[1:], bool)
    fat[FAT] = True
    fat = fat[48:112, 48:112]
    return float(added[:, fat].mean()), float(np.abs(added[labels == LV]).mean()), pictures


def test_it_finds_what_the_covariate_changes_and_leaves_the_rest(people, trained):
    untrained = task_of()
    untrained.begin(Batches(people, augmentation=Augmentation(), seed=0, covariates=("bmi",)))
    nothing, _, _ = planted(people, CovariateChanger(untrained.network, hash="0" * 64))
    assert abs(nothing) < 1e-6  # it starts as the identity
    changer = CovariateChanger.load(trained)
    fat, cavity, pictures = planted(people, changer)
    real = 120 / 255
    assert 0.25 * real < fat < 1.5 * real and cavity < 0.5 * fat
    same = changer.change(pictures, bmi(LIGHT), bmi(LIGHT))
    assert np.abs(same).mean() < 0.1


def test_what_it_learned_of_whom_is_in_its_folder(trained):
    (known,) = json.loads((trained / "config.json").read_text())["config"]["covariates"]
    assert known["name"] == "bmi" and known["patients"] == 24
    assert known["low"] == pytest.approx(bmi(LIGHT)["bmi"])
    assert known["high"] == pytest.approx(bmi(HEAVY)["bmi"])


def test_people_without_the_covariate_are_left_out(people):
    rows = list(people.rows)
    rows[0] = replace(rows[0], weight=None)
    fewer = replace(people, rows=tuple(rows))
    batches = Batches(fewer, augmentation=Augmentation(), seed=0, covariates=("bmi",))
    assert 0 not in batches.index and len(batches.index) == 23
    assert all("bmi" in c["covariates"] for c in batches.batch(0, 8).conditions)
    nobody = replace(people, rows=tuple(replace(row, height=None) for row in rows))
    with pytest.raises(InputError, match="no training patient has bmi.*cohort.csv"):
        Batches(nobody, augmentation=Augmentation(), seed=0, covariates=("bmi",))
    alike = replace(people, rows=tuple(replace(row, weight=70.0) for row in rows))
    task = task_of()
    with pytest.raises(InputError, match="'bmi': known of 24.*it takes two that differ"):
        task.begin(Batches(alike, augmentation=Augmentation(), seed=0, covariates=("bmi",)))


def test_how_far_beyond_the_training_is_said():
    known = (CovariateRange(name="bmi", mean=25, sd=4, low=18, high=34, patients=75),)
    (line,) = beyond_training({"bmi": 42.0}, known)
    assert "body mass index 42 kg/m2 is 8 kg/m2 (2.0 standard deviations) above all 75" in line
    (line,) = beyond_training({"bmi": 16.0}, known)
    assert "2 kg/m2 (0.5 standard deviations) below" in line
    assert beyond_training({"bmi": 18.0}, known) == [] == beyond_training({}, known)


def test_what_it_does_not_change_is_refused(trained):
    changer = CovariateChanger.load(trained)
    picture = np.zeros((1, 64, 64), np.float32)
    with pytest.raises(InputError, match="'age': this model changes bmi"):
        changer.change(picture, bmi(70), {"age": 70.0})
    with pytest.raises(InputError, match=r"body mass index 3 kg/m2 \(asked for\): give 5 to 100"):
        changer.change(picture, bmi(70), {"bmi": 3.0})


@pytest.mark.parametrize(
    "loss", [{"cycle": 0.0}, {"identity": 0.0}, {"adversarial": 0.0}, {"penalty": 0.0}], ids=str
)
def test_every_setting_of_the_loss_counts(people, loss):
    found = []
    for settings in ({}, loss):
        task = task_of(loss={"channels": [8, 16, 16], **settings})
        batches = Batches(people, augmentation=Augmentation(), seed=0, covariates=("bmi",))
        task.begin(batches)
        torch.manual_seed(1)
        torch.nn.init.normal_(task.network.unet.conv_out.weight, std=0.1)
        losses = dict(task.losses(batches.batch(0, 4)))
        found.append(torch.cat([losses["critic"], losses["change"]]).detach())
    assert not torch.allclose(found[0], found[1], rtol=1e-4)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ({"covariates": ["shoe"]}, "'shoe' is none of age, height, weight, bmi"),
        ({"covariates": []}, "at least 1"),
        ({"covariates": ["bmi", "bmi"]}, "name each once"),
        ({"backbone": "dit"}, "this family has a U-Net"),
    ],
    ids=str,
)
def test_models_that_do_not_fit_are_refused(model, says):
    with pytest.raises(InputError, match=says):
        task_of(model={**TINY, **model})


def test_the_bundled_recipe_fits():
    task = CovariateGanTask(load_recipe("covariate-gan"))
    assert task.covariates == ("bmi",) and isinstance(task.network.config, CovariateGanConfig)
    assert sum(p.numel() for p in task.network.parameters()) < 4e6
