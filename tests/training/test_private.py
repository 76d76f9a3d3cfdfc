"""Differential privacy: a patient's share of a step is bounded, hidden by noise, and counted."""

from __future__ import annotations

import json
from dataclasses import replace

import dp_accounting
import numpy as np
import pytest
import torch
from dp_accounting.rdp import RdpAccountant
from torch import nn

from cmr_synth.errors import InputError
from cmr_synth.generators.card import draft_card
from cmr_synth.training.batches import Batches
from cmr_synth.training.families.cvae import CvaeTask
from cmr_synth.training.families.flow import FlowTask
from cmr_synth.training.loop import Stopped, train
from cmr_synth.training.private import PrivateTraining
from cmr_synth.training.recipe import Privacy, load_recipe
from cmr_synth.training.registry import make_task

TINY = {"channels": [8, 8], "attention": [False, False], "head_width": 4, "groups": 4}
PRIVACY = {"epsilon": 20.0, "delta": 0.01, "max_grad_norm": 0.5, "images": 2}


@pytest.fixture
def recipe(make_recipe):
    """Six patients, of whom two are expected in a step."""

    def of(*, privacy=None, **fields):
        stated = {"images": 12, "batch_size": 4, "family": "flow", "model": TINY}
        return make_recipe(privacy={**PRIVACY, **(privacy or {})}, **{**stated, **fields})

    return of


@pytest.fixture
def patients(slices):
    """Fourteen slices of seven patients, the last of whom is not trained on."""
    rows = tuple(
        replace(row, patient=f"p{i // 2}", split="test" if i // 2 == 6 else "train")
        for i, row in enumerate([*slices.rows, *slices.rows][:14])
    )
    twice = [np.concatenate([a, a])[:14] for a in (slices.images, slices.labels, slices.covered)]
    return replace(
        slices,
        images=twice[0],
        labels=twice[1],
        covered=twice[2],
        rows=tuple(replace(row, cohort="drawn") for row in rows),
        about={
            **slices.about,
            "cohorts": {"drawn": {"title": "Drawn", "licence": "CC0", "citation": "none"}},
        },
    )


def batches_of(patients, recipe) -> Batches:
    return Batches(patients, augmentation=recipe.augmentation, seed=recipe.seed)


def private_of(recipe, patients, *, entropy=7, noise=None):
    task = make_task(recipe)
    private = PrivateTraining(task, recipe, batches_of(patients, recipe), entropy=entropy)
    if noise is not None:
        private.noise_multiplier = noise
    (network,) = task.networks.values()
    optimizer = private.wrap(torch.optim.SGD(network.parameters(), lr=1.0))
    return task, private, optimizer


def weights_of(task) -> torch.Tensor:
    (network,) = task.networks.values()
    return nn.utils.parameters_to_vector(network.parameters()).detach().clone()


def test_epsilon_agrees_with_another_library(recipe, patients):
    _, private, _ = private_of(recipe(privacy={"delta": 1e-5}), patients)
    private.accountant.history = [(1.5, 0.04, 2250)]
    event = dp_accounting.PoissonSampledDpEvent(0.04, dp_accounting.GaussianDpEvent(1.5))
    other = RdpAccountant().compose(event, 2250).get_epsilon(1e-5)
    assert private.epsilon() == pytest.approx(7.329, abs=5e-4)
    assert private.epsilon() == pytest.approx(other, rel=1e-3)


@pytest.mark.parametrize("accountant", ["rdp", "prv"])
def test_the_noise_keeps_the_promised_epsilon(recipe, patients, accountant):
    _, private, _ = private_of(recipe(privacy={"accountant": accountant}), patients)
    history = (private.noise_multiplier, private.sample_rate, private.planned_steps)
    private.accountant.history = [history]
    assert 0.97 * PRIVACY["epsilon"] < private.epsilon() <= PRIVACY["epsilon"]


def test_a_smaller_epsilon_needs_more_noise(recipe, patients):
    much, little = (
        private_of(recipe(privacy={"epsilon": e}), patients)[1].noise_multiplier for e in (20, 2)
    )
    assert little > 2 * much


def test_each_patient_moves_the_weights_by_the_clip_at_most(recipe, patients):
    asked = recipe(learning_rate=1.0)
    for drawn in range(20):  # until somebody takes part
        task, private, optimizer = private_of(asked, patients, entropy=drawn, noise=0.0)
        before = weights_of(task)
        ((_, losses),) = private.losses(task)
        taking_part = len(losses) // 2
        optimizer.step()
        moved = (weights_of(task) - before).norm() * 2  # two patients are expected
        assert moved <= taking_part * PRIVACY["max_grad_norm"] * (1 + 1e-5)
        if taking_part == 1:
            assert private.norm > PRIVACY["max_grad_norm"]  # or the clip would not be seen
            assert moved.item() == pytest.approx(PRIVACY["max_grad_norm"], rel=1e-4)
            return
    pytest.fail("nobody was ever alone")


def test_the_gradient_is_that_of_all_pictures_of_a_patient_together(recipe, patients):
    asked = recipe(privacy={"max_grad_norm": 1e6})
    task, private, optimizer = private_of(asked, patients, noise=0.0)
    drawn, of = [], private.batches.of
    private.batches.of = lambda chosen, numbers: (
        drawn.append((chosen, numbers)) or of(chosen, numbers)
    )
    before = weights_of(task)
    list(private.losses(task))
    optimizer.step()
    moved = before - weights_of(task)

    assert drawn
    for chosen, _ in drawn:  # two slices of one patient
        assert len(set(chosen)) == 2 and len({i // 2 for i in chosen}) == 1
    other = make_task(asked)
    (network,) = other.networks.values()
    for chosen, numbers in drawn:
        ((_, loss),) = other.losses(of(chosen, numbers))
        loss.mean().backward()
    gradients = [torch.zeros_like(w) if w.grad is None else w.grad for w in network.parameters()]
    expected = nn.utils.parameters_to_vector(gradients) / 2  # two patients are expected
    torch.testing.assert_close(moved, expected, rtol=1e-3, atol=1e-6)


def test_the_noise_has_the_size_that_is_accounted_for(recipe, patients):
    asked = recipe(privacy={"max_grad_norm": 1e-4})
    task, private, optimizer = private_of(asked, patients)
    before = weights_of(task)
    list(private.losses(task))
    optimizer.step()
    moved = weights_of(task) - before
    # the clipped gradients themselves are far smaller than that, spread over all weights
    wanted = private.noise_multiplier * 1e-4 / 2
    assert moved.std().item() == pytest.approx(wanted, rel=0.05)


def test_everybody_takes_part_with_the_sample_rate(recipe, patients):
    asked = recipe()
    task, private, _ = private_of(asked, patients, entropy=1)
    taken = []
    of = private.batches.of
    private._batch = lambda own: taken.append(tuple(own)) or of(own, [0, 1])
    task.losses = lambda batch: iter([("flow", next(iter(weights)).sum() + torch.zeros(2))])
    weights = list(task.networks["flow"].parameters())
    counts = []
    for _ in range(120):
        before = len(taken)
        list(private.losses(task))
        counts.append(len(taken) - before)
    assert private.sample_rate == pytest.approx(1 / 3)
    assert np.mean(counts) == pytest.approx(2, abs=0.45)  # 3.7 standard errors
    assert min(counts) == 0 and len(set(counts)) > 3  # not a fixed number
    assert {own for own in taken} == {(2 * k, 2 * k + 1) for k in range(6)}
    assert private.steps == 120


def test_neither_patients_nor_noise_follow_from_the_seed(recipe, patients):
    first, second = (private_of(recipe(), patients, entropy=None) for _ in range(2))
    moved = []
    for task, private, optimizer in (first, second):
        list(private.losses(task))
        optimizer.step()
        moved.append(weights_of(task))
    assert not torch.equal(*moved)


def test_a_step_without_patients_is_noise_and_is_counted(recipe, patients):
    task, private, optimizer = private_of(recipe(), patients)
    private.sample_rate = 0.0
    before = weights_of(task)
    ((name, losses),) = private.losses(task)
    optimizer.step()
    assert name == "flow" and len(losses) == 1 and private.drawn == 0
    assert (weights_of(task) != before).float().mean() > 0.99


def test_patients_known_to_be_one_person_are_one(recipe, patients):
    names = {"p0": "patient074", "p1": "patient076"}
    rows = tuple(
        replace(row, cohort="acdc", patient=names.get(row.patient, row.patient))
        for row in patients.rows
    )
    _, private, _ = private_of(recipe(), replace(patients, rows=rows))
    assert [len(own) for own in private.patients] == [4, 2, 2, 2, 2]


def test_a_training_says_what_it_has_spent(recipe, patients, tmp_path):
    asked = recipe()
    *_, last = train(make_task(asked), asked, patients, tmp_path)
    assert last.images_seen == 12
    facts = json.loads((tmp_path / "config.json").read_text())["privacy"]
    assert facts["steps"] == 3 and facts["patients"] == 6 and facts["unit"] == "patient"
    assert 0 < facts["epsilon"] <= 20
    assert draft_card(tmp_path, patients).training.privacy == facts
    assert not (tmp_path / "samples").exists() and not (tmp_path / "log").exists()


def test_steps_are_of_full_precision_where_the_network_is_not(recipe, patients, tmp_path):
    """Half precision would round gradients that are clipped and summed; opacus refuses it."""
    asked = recipe(precision="bf16")
    *_, last = train(make_task(asked), asked, patients, tmp_path)
    assert last.images_seen == 12
    assert json.loads((tmp_path / "config.json").read_text())["privacy"]["steps"] == 3


def test_less_training_spends_less(recipe, patients, tmp_path):
    asked = recipe(images=400)
    stops = iter([False, False, True])
    with pytest.raises(Stopped):
        list(train(make_task(asked), asked, patients, tmp_path, asked=lambda: next(stops)))
    state = json.loads((tmp_path / "checkpoint" / "state.json").read_text())["privacy"]
    ((_, _, steps),) = state["history"]
    assert steps == 2
    _, private, _ = private_of(asked, patients)
    private.restore(state)
    assert private.epsilon() < 0.7 * PRIVACY["epsilon"]


def test_a_resumed_training_goes_on_counting(recipe, patients, tmp_path):
    asked = recipe(images=20)
    stops = iter([False, False, True])
    with pytest.raises(Stopped):
        list(train(make_task(asked), asked, patients, tmp_path, asked=lambda: next(stops)))
    list(train(make_task(asked), asked, patients, tmp_path, resume=True))
    facts = json.loads((tmp_path / "config.json").read_text())["privacy"]
    assert facts["steps"] == 5 and facts["epsilon"] <= 20


def test_resuming_what_cannot_be_added_up_is_refused(recipe, patients, tmp_path):
    asked = recipe()
    _, private, _ = private_of(asked, patients)
    state = {**private.state(), "history": [[private.noise_multiplier, private.sample_rate, 1]]}
    private.restore(state)
    for other, message in (
        (None, "trained without privacy"),
        ({**state, "history": [[1.0]]}, "account is damaged"),
        ({**state, "patients": "0"}, "trained on other patients"),
        ({**state, "history": [[9.0, 0.1, 1]]}, "set for another number of images"),
    ):
        with pytest.raises(InputError, match=message):
            private.restore(other)


def test_weights_of_a_private_training_alone_start_no_other(recipe, patients, tmp_path):
    asked = recipe(initialize_from=str(tmp_path / "weights.safetensors"))
    task = make_task(recipe())
    with pytest.raises(InputError, match="starts from the weights in .* leave initialize_from"):
        PrivateTraining(task, asked, batches_of(patients, asked))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"privacy": {"delta": 0.5}}, "a delta of 0.5 .* give less than 0.17"),
        ({"batch_size": 3}, "batch_size 3 is no multiple of 2"),
        ({"batch_size": 12}, "12 would take 2 images of 6 patients in a step, and there are 6"),
        ({"privacy": {"epsilon": 0.01, "delta": 1e-6}}, "no noise keeps epsilon at 0.01"),
        ({"loss": {"adversarial": {"weight": 1.0}}}, "a discriminator learns from patients too"),
        ({"family": "cvae", "model": {}}, "the prior is fitted .* set loss.fit_prior to false"),
        ({"family": "segmenter", "model": {}}, "learns from patients in ways .* choose flow"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_no_account_covers_is_refused(recipe, patients, fields, message):
    with pytest.raises(InputError, match=f"recipe 'tiny': field 'privacy': .*{message}"):
        private_of(recipe(**fields), patients)


def test_masks_completed_by_a_segmenter_are_refused(recipe, patients):
    rows = tuple(replace(row, completed=i == 3) for i, row in enumerate(patients.rows))
    with pytest.raises(InputError, match="masks of drawn were completed by a segmenter"):
        private_of(recipe(), replace(patients, rows=rows))


def test_batch_normalisation_is_refused(recipe, patients):
    task = make_task(recipe())
    task.networks["flow"].add_module("norm", nn.BatchNorm2d(2))
    with pytest.raises(InputError, match="'norm' is a batch normalisation"):
        PrivateTraining(task, recipe(), batches_of(patients, recipe()))


@pytest.mark.parametrize("family", [FlowTask, CvaeTask])
def test_a_unit_other_than_the_patient_is_no_setting(family):
    with pytest.raises(ValueError, match="patient"):
        Privacy(epsilon=1.0, delta=1e-3, unit="slice")


def test_the_bundled_recipe_can_be_accounted_for(patients):
    asked = load_recipe("cvae-private")
    assert asked.privacy is not None and asked.privacy.unit == "patient"
    assert make_task(asked).unaccounted() == ""
