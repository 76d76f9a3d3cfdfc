"""Distillation of the flow: whom the student follows, what is kept, and what is saved."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch

from cmr_synth.errors import InputError
from cmr_synth.files import sha256
from cmr_synth.generators import zoo
from cmr_synth.generators.conditioning import one_hot_mask
from cmr_synth.generators.flow.generator import FlowGenerator
from cmr_synth.generators.flow.sampler import euler
from cmr_synth.generators.interface import Condition
from cmr_synth.networks.weights import state_of
from cmr_synth.training.batches import Batches
from cmr_synth.training.dropping import dropped
from cmr_synth.training.families.flow_student import FlowStudentTask
from cmr_synth.training.loop import train
from cmr_synth.training.recipe import Augmentation, load_recipe
from tests.training.conftest import on_tiny_grid

PLAIN = {"share": 0.0, "shift": 0.0}
JUDGE = {"channels": 4, "layers": 1}


@pytest.fixture
def make(make_recipe, tiny_model):
    """`make(loss={...}, model={...})`: a student of the tiny model and its recipe."""

    def build(*, loss=None, model=None, **fields):
        recipe = make_recipe(
            family="flow-student",
            model={"teacher": str(tiny_model), "rank": 2, **(model or {})},
            loss={**JUDGE, **(loss or {})},
            **{"augmentation": PLAIN, "batch_size": 2, "images": 8, **fields},
        )
        return FlowStudentTask(recipe), recipe

    return build


@pytest.fixture
def batches(slices):
    return Batches(slices, augmentation=Augmentation(**PLAIN), seed=0)


def losses(task, batch) -> dict[str, torch.Tensor]:
    return {name: loss.detach() for name, loss in task.losses(batch)}


def perturb(task) -> None:
    """A student that differs from its teacher."""
    torch.manual_seed(5)
    for parameter in task.student.parameters():
        torch.nn.init.normal_(parameter, std=0.05)


def test_a_student_of_a_one_step_teacher_begins_without_error(make, batches):
    task, _ = make(model={"teacher_steps": 1}, loss={"adversarial": 1e-12})
    batch = batches.batch(0, 3)
    # the teacher's pictures are compared in half precision
    assert (losses(task, batch)["student"] < 1e-3).all()
    perturb(task)
    assert (losses(task, batches.batch(0, 3))["student"] > 1e-2).all()


@pytest.mark.parametrize(
    ("loss", "model"),
    [
        ({"heart_weight": 30.0}, {}),
        ({"drop_vendor": 1.0}, {}),
        ({"pairs": 1}, {}),
        ({}, {"teacher_steps": 4}),
        ({}, {"steps": 2}),
    ],
    ids=str,
)
def test_every_setting_changes_the_loss(make, batches, loss, model):
    found = []
    for settings in ({}, {"loss": loss, "model": model}):
        task, _ = make(**settings)
        perturb(task)
        found.append(losses(task, batches.batch(0, 4))["student"])
    assert not torch.allclose(found[0], found[1], rtol=1e-4)


def test_both_networks_learn_and_the_teacher_does_not(make, batches):
    task, _ = make()
    for name, loss in task.losses(batches.batch(0, 4)):
        task.networks[name].zero_grad()
        loss.mean().backward()
        norms = [p.grad.norm() for p in task.networks[name].parameters() if p.grad is not None]
        assert sum(norms) > 0, name
    assert all(p.grad is None for p in task.student.base.parameters())


def test_who_is_not_taught_is_only_judged(make, batches):
    task, _ = make(loss={"taught": 0.0, "pairs": 1})
    perturb(task)
    assert (losses(task, batches.batch(0, 4))["student"] == 0).all()  # no error, so no force
    assert not task.kept.pictures
    task, _ = make(loss={"taught": 0.5, "pairs": 1, "adversarial": 0.0})
    perturb(task)
    error = losses(task, batches.batch(0, 6))["student"]
    assert 0 < (error > 0).sum() < 6
    assert len(task.kept.pictures) == (error > 0).sum()


def test_a_discriminator_that_knows_nothing_has_no_force(make, batches):
    alone, _ = make(loss={"adversarial": 0.0})
    task, _ = make(loss={"adversarial": 3.0})
    for parameter in task.networks["discriminator"].parameters():
        torch.nn.init.zeros_(parameter)
    for of in (alone, task):
        perturb(of)
    found = losses(task, batches.batch(0, 3))
    torch.testing.assert_close(found["student"], losses(alone, batches.batch(0, 3))["student"])
    torch.testing.assert_close(found["discriminator"], torch.full((3,), 2.0))


def test_a_discriminator_that_knows_has_a_force_in_proportion(make, batches):
    """Whose share in the loss grows with the weight, and never moves the error itself."""
    task, _ = make()
    perturb(task)
    judge = task.networks["discriminator"]
    optimizer = torch.optim.Adam(judge.parameters(), lr=0.02)
    for _ in range(40):
        for name, loss in task.losses(batches.batch(0, 4)):
            if name == "discriminator":
                optimizer.zero_grad()
                loss.mean().backward()
                optimizer.step()
    assert losses(task, batches.batch(0, 4))["discriminator"].mean() < 1.5
    found = []
    for weight in (0.0, 1.0, 2.0):
        other, _ = make(loss={"adversarial": weight})
        perturb(other)
        other.networks["discriminator"].load_state_dict(judge.state_dict())
        found.append(losses(other, batches.batch(0, 4))["student"])
    assert (found[1] - found[0]).abs().mean() > 1e-4
    torch.testing.assert_close(found[2] - found[0], 2 * (found[1] - found[0]))


def test_a_kept_pair_is_the_noise_and_the_teacher_s_picture_of_it(make, batches):
    task, _ = make(loss={"pairs": 1})
    batch = batches.batch(0, 2)
    losses(task, batch)
    paired, names, _ = task._paired(batches.batch(0, 2))
    labels, conditions = dropped(paired, task.loss)
    noise = paired.normal(1, 128, 128)
    *_, last = euler(task.student.base, noise, one_hot_mask(labels), conditions, steps=2)
    for name, picture in zip(names, last, strict=True):
        torch.testing.assert_close(
            task.kept.pictures[name].float(), picture, atol=1e-2, rtol=1e-3
        )  # half precision


def test_kept_pairs_are_made_once(make, slices, batches):
    task, _ = make(loss={"pairs": 1, "adversarial": 0.0})
    count = len(batches.index)
    losses(task, batches.batch(0, count))
    kept = dict(task.kept.pictures)
    assert len(kept) == count
    perturb(task)
    losses(task, batches.batch(count, count))  # the same slices, in another order
    assert {name: id(p) for name, p in task.kept.pictures.items()} == {
        name: id(p) for name, p in kept.items()
    }
    task, _ = make(loss={"pairs": 3})
    for epoch in range(3):
        losses(task, batches.batch(epoch * count, count))
    assert count < len(task.kept.pictures) <= 3 * count


def test_pairs_in_a_folder_serve_the_next_training(make, batches, tmp_path):
    memory, _ = make(loss={"pairs": 1})
    found = [losses(memory, batches.batch(0, 3))["student"]]
    folder = tmp_path / "pictures"
    for _ in range(2):
        task, _ = make(loss={"pairs": 1, "pairs_folder": str(folder)})
        found.append(losses(task, batches.batch(0, 3))["student"])
    files = sorted(folder.iterdir())
    assert [np.load(f).dtype for f in files] == [np.float16] * 3
    for loss in found[1:]:
        assert torch.equal(loss, found[0])
    for file in files:  # it is these that are compared with
        np.save(file, np.load(file) + 1)
    task, _ = make(loss={"pairs": 1, "pairs_folder": str(folder)})
    assert not torch.allclose(losses(task, batches.batch(0, 3))["student"], found[0])
    files[0].write_bytes(b"no picture")
    with pytest.raises(InputError, match="not a readable picture of the teacher"):
        losses(task, batches.batch(0, 7))


@pytest.mark.parametrize("pairs", [0, 1])
def test_a_resumed_run_equals_an_uninterrupted_one(pairs, make, slices, tmp_path):
    slices = on_tiny_grid(slices)
    task, recipe = make(loss={"pairs": pairs})
    list(train(task, recipe, slices, tmp_path / "whole"))
    task, recipe = make(loss={"pairs": pairs})
    running = train(task, recipe, slices, tmp_path / "parts")
    next(running), next(running)
    running.close()
    task, recipe = make(loss={"pairs": pairs})
    list(train(task, recipe, slices, tmp_path / "parts", resume=True))
    weights = [(tmp_path / n / "weights.safetensors").read_bytes() for n in ("whole", "parts")]
    assert weights[0] == weights[1]


@pytest.mark.parametrize("steps", [1, 2])
def test_what_is_saved_is_the_student(steps, make, tiny_model, tmp_path):
    task, _ = make(model={"steps": steps})
    perturb(task)
    shutil.copytree(tiny_model, tmp_path / "tiny")
    out = tmp_path / "student"
    task.save(out, images_seen=8, minutes=0.1)
    about = json.loads((out / "config.json").read_text())
    assert about["family"] == "flow"
    assert about["config"]["adapter"] == {
        "base": "tiny",
        "sha256": sha256(tiny_model / "weights.safetensors"),
        "rank": 2,
        "steps": steps,
    }
    condition = Condition(vendor="ge", z=0.4)
    *_, saved = FlowGenerator.load(out).sample([condition], seed=3)
    *_, meant = FlowGenerator(task.student.merged()).sample([condition], seed=3)
    # 8 bits a channel of the change
    assert np.abs(saved.pixels - meant.pixels).mean() < 0.01
    *_, base = FlowGenerator.load(tiny_model).sample([condition], seed=3, steps=steps)
    assert np.abs(saved.pixels - base.pixels).mean() > 0.03


def test_a_second_stage_starts_from_the_first(make, tmp_path):
    first, _ = make()
    perturb(first)
    first.save(tmp_path, images_seen=1, minutes=0.1)
    second, _ = make(initialize_from=str(tmp_path / "weights-fp16.safetensors"))
    for name, value in state_of(second.student).items():
        torch.testing.assert_close(value, state_of(first.student)[name], atol=1e-3, rtol=1e-3)


def test_a_sheet_shows_real_mask_teacher_and_student(make, batches):
    task, _ = make()
    sheet = task.sheet(batches.batch(0, 2))
    assert sheet.shape == (4 * 128, 2 * 128)
    assert sheet.min() >= 0 and sheet.max() <= 1


def test_kept_pictures_of_augmented_slices_are_refused(make):
    with pytest.raises(InputError, match="'loss.pairs': kept pictures are of slices as they are"):
        make(loss={"pairs": 1}, augmentation={"share": 0.5, "shift": 0.0})


def test_a_teacher_of_another_family_is_refused(make):
    with pytest.raises(InputError, match="'segmenter' is of family 'segmenter'; name a model of"):
        make(model={"teacher": "segmenter"})


def test_a_teacher_that_is_not_there_is_refused(make):
    with pytest.raises(
        InputError, match="no model is called 'nobody'; known are copy-detector, cvae, ddpm, .*flow"
    ):
        make(model={"teacher": "nobody"})


def test_a_student_is_no_teacher(make, tiny_model, tmp_path):
    from cmr_synth.generators.card import file_hashes, read_card, write_card

    task, _ = make()
    shutil.copytree(tiny_model, tmp_path / "tiny")
    out = tmp_path / "student"
    task.save(out, images_seen=1, minutes=0.1)
    card = read_card(tiny_model / "card.yaml")
    own = {"name": "student", **file_hashes(out)}
    write_card(card.model_copy(update=own), out / "card.yaml")
    with pytest.raises(InputError, match="'student' is an adapter itself; name its base 'tiny'"):
        make(model={"teacher": str(out)})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": {"techer": "flow"}}, "'model.techer': .*known fields are teacher"),
        ({"loss": {"taught": 1.5}}, "'loss.taught': .*less than or equal to 1"),
        ({"model": {"steps": 0}}, "'model.steps': .*greater than 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make, fields, message):
    with pytest.raises(InputError, match=message):
        make(**fields)


def test_the_bundled_recipe_is_small_and_of_the_bundled_flow():
    task = FlowStudentTask(load_recipe("flow-student"))
    numbers = sum(p.numel() for p in task.student.parameters())
    assert numbers < 1.8e6  # a byte each
    assert task.student.config.adapter.base == "flow"
    assert task.teacher_steps == zoo.card_of("flow").default_steps
