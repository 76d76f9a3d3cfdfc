"""Differential privacy: a patient's share of a step is bounded, hidden by noise, and counted."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import dp_accounting
import numpy as np
import pytest
import torch
from dp_accounting.rdp import RdpAccountant
from opacus.optimizers import DPOptimizer
from torch import nn
from torch.nn import functional

from cmr_synth.errors import InputError
from cmr_synth.generators.card import draft_card
from cmr_synth.networks.weights import load_weights
from cmr_synth.training.batches import Batches
from cmr_synth.training.families.cvae import CvaeTask
from cmr_synth.training.families.flow import FlowTask
from cmr_synth.training.loop import Stopped, train
from cmr_synth.training.private import PrivateTraining, clipped
from cmr_synth.training.recipe import Privacy, load_recipe
from cmr_synth.training.registry import make_task
from cmr_synth.training.secret import SIZE, Secret

TINY = {"channels": [8, 8], "attention": [False, False], "head_width": 4, "groups": 4}
PRIVACY = {"epsilon": 20.0, "delta": 0.01, "max_grad_norm": 0.5, "images": 2, "patients": 6}
KNOWN = Secret(bytes(range(SIZE)))
OTHERS = [Secret(bytes([number]) * SIZE) for number in range(20)]


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


def private_of(recipe, patients, *, secret=KNOWN, noise=None, make=make_task):
    task = make(recipe)
    private = PrivateTraining(task, recipe, batches_of(patients, recipe), secret=secret)
    if noise is not None:
        private.noise_multiplier = noise
    return task, private


def step(task, private):
    """How one step of gradient descent moves the weights, and the losses of those in it."""
    (network,) = task.networks.values()
    before = weights_of(task)
    ((_, losses),) = private.losses(task)
    torch.optim.SGD(network.parameters(), lr=1.0).step()
    return weights_of(task) - before, losses


def weights_of(task) -> torch.Tensor:
    (network,) = task.networks.values()
    return nn.utils.parameters_to_vector(network.parameters()).detach().clone()


def test_epsilon_agrees_with_another_library(recipe, patients):
    _, private = private_of(recipe(privacy={"delta": 1e-5}), patients)
    private.accountant.history = [(1.5, 0.04, 2250)]
    event = dp_accounting.PoissonSampledDpEvent(0.04, dp_accounting.GaussianDpEvent(1.5))
    other = RdpAccountant().compose(event, 2250).get_epsilon(1e-5)
    assert private.epsilon() == pytest.approx(7.329, abs=5e-4)
    assert private.epsilon() == pytest.approx(other, rel=1e-3)


@pytest.mark.parametrize("accountant", ["rdp", "prv"])
def test_the_noise_keeps_the_promised_epsilon(recipe, patients, accountant):
    _, private = private_of(recipe(privacy={"accountant": accountant}), patients)
    history = (private.noise_multiplier, private.sample_rate, private.planned_steps)
    private.accountant.history = [history]
    assert 0.97 * PRIVACY["epsilon"] < private.epsilon() <= PRIVACY["epsilon"]


def test_a_smaller_epsilon_needs_more_noise(recipe, patients):
    much, little = (
        private_of(recipe(privacy={"epsilon": e}), patients)[1].noise_multiplier for e in (20, 2)
    )
    assert little > 2 * much


def test_each_patient_moves_the_weights_by_the_clip_at_most(recipe, patients):
    for secret in OTHERS:  # until somebody takes part alone
        moved, losses = step(*private_of(recipe(), patients, secret=secret, noise=0.0))
        taking_part = len(losses) // 2
        moved = moved.norm() * 2  # two patients are expected
        assert moved <= taking_part * PRIVACY["max_grad_norm"] * (1 + 1e-5)
        if taking_part == 1:
            assert moved.item() == pytest.approx(PRIVACY["max_grad_norm"], rel=1e-4)
            return
    pytest.fail("nobody was ever alone")


def test_the_gradient_is_that_of_all_pictures_of_a_patient_together(recipe, patients):
    asked = recipe(privacy={"max_grad_norm": 1e6})
    task, private = private_of(asked, patients, noise=0.0)
    drawn, of = [], private.batches.of

    def noted(chosen, draws, chances):
        drawn.append((chosen, of(chosen, draws, chances)))
        return drawn[-1][1]

    private.batches.of = noted
    moved, _ = step(task, private)

    assert drawn
    other = make_task(asked)
    (network,) = other.networks.values()
    _, again = private_of(asked, patients)
    for chosen, _ in drawn:  # two slices of one patient
        assert len(set(chosen)) == 2 and len({i // 2 for i in chosen}) == 1
        person = ("drawn", f"p{chosen[0] // 2}")
        ((_, loss),) = other.losses(again._batch(again.patients[person], (0, *person)))
        loss.mean().backward()
    gradients = [torch.zeros_like(w) if w.grad is None else w.grad for w in network.parameters()]
    expected = nn.utils.parameters_to_vector(gradients) / 2  # two patients are expected
    torch.testing.assert_close(-moved, expected, rtol=1e-3, atol=1e-6)


def test_clipping_agrees_with_another_library(recipe, patients):
    weights = [nn.Parameter(torch.zeros(3, 4)), nn.Parameter(torch.zeros(5))]
    draw = torch.Generator().manual_seed(0)
    scales = torch.tensor([0.01, 1.0, 30.0])  # below the clip, about it, and far above
    for weight in weights:
        shape = (3, *weight.shape)
        own = torch.randn(shape, generator=draw) * scales.view(3, *[1] * weight.dim())
        weight.grad_sample = own
    ours = [clipped([w.grad_sample[k] for w in weights], 2.0) for k in range(3)]
    optimizer = DPOptimizer(
        torch.optim.SGD(weights, lr=1.0),
        noise_multiplier=0.0,
        max_grad_norm=2.0,
        expected_batch_size=1,
    )
    optimizer.clip_and_accumulate()
    for weight, *own in zip(weights, *ours, strict=True):
        torch.testing.assert_close(weight.summed_grad, sum(own).float())


def test_the_noise_has_the_size_that_is_accounted_for(recipe, patients):
    task, private = private_of(recipe(privacy={"max_grad_norm": 1e-4}), patients)
    moved, _ = step(task, private)
    # the clipped gradients themselves are far smaller than that, spread over all weights
    wanted = private.noise_multiplier * 1e-4 / 2
    assert moved.std().item() == pytest.approx(wanted, rel=0.05)


def test_everybody_takes_part_with_the_sample_rate(recipe, patients):
    task, private = private_of(recipe(), patients)
    weights = list(task.networks["flow"].parameters())
    task.losses = lambda batch: iter([("flow", weights[0].sum() + torch.zeros(2))])
    batch = private.batches.batch(0, 2)
    private.batches.of = lambda chosen, draws, chances: batch
    taken = []
    for _ in range(120):
        taken.append([found.person for found in private.contributions(task, "cpu")])
        private.accountant.step(noise_multiplier=1.0, sample_rate=private.sample_rate)
    counts = [len(own) for own in taken]
    assert private.sample_rate == pytest.approx(1 / 3)
    assert np.mean(counts) == pytest.approx(2, abs=0.45)  # 3.7 standard errors
    assert min(counts) == 0 and len(set(counts)) > 3  # not a fixed number
    for number in range(6):
        share = np.mean([("drawn", f"p{number}") in own for own in taken])
        assert share == pytest.approx(1 / 3, abs=0.15)  # 3.5 standard errors


def test_neither_patients_nor_noise_follow_from_the_seed(recipe, patients):
    first, second = (step(*private_of(recipe(), patients, secret=None))[0] for _ in range(2))
    assert not torch.equal(first, second)


def test_a_step_without_patients_is_noise_and_is_counted(recipe, patients):
    task, private = private_of(recipe(), patients)
    private.sample_rate = 0.0
    moved, losses = step(task, private)
    assert len(losses) == 1 and private.steps == 1
    assert (moved != 0).float().mean() > 0.99


class ByRunningNumber(Secret):
    """The wrong way: what is drawn hangs on how much was drawn before."""

    def draw(self, *name):
        object.__setattr__(self, "drawn", getattr(self, "drawn", 0) + 1)
        return super().draw(name[0], self.drawn)


TINY_SPADE = {
    "channels": [8, 8, 8, 8], "full_channels": 4, "blocks": 1, "hidden": 4, "look": 6, "layout": 2,
    "encoder": [8, 8, 8, 8], "groups": 4, "vendors": ["siemens", "ge"],
}  # fmt: skip
FAMILIES = {
    "flow": {},
    "diffusion": {},
    "cvae": {"model": TINY_SPADE, "loss": {"fit_prior": False}},
}


def with_and_without(recipe, patients, secret, make, *, steps=4):
    """Contributions of each step with everybody and without one patient, and which patient.

    Both sides start every step from the same weights; those with everybody are taken on.
    """
    first = ("drawn", "p0")  # before all others, whom it would shift
    rows = tuple(
        replace(row, split="left out" if row.patient == first[1] else row.split)
        for row in patients.rows
    )
    task, private = private_of(recipe, patients, secret=secret(KNOWN.key), make=make)
    rest = replace(patients, rows=rows)
    other, fewer = private_of(recipe, rest, secret=secret(KNOWN.key), make=make)
    assert len(private.patients) == len(fewer.patients) + 1
    for _ in range(steps):
        (weights,), (copied,) = task.networks.values(), other.networks.values()
        copied.load_state_dict(weights.state_dict())
        yield (
            first,
            *(
                {found.person: found.gradients for found in one.contributions(its, "cpu")}
                for its, one in ((task, private), (other, fewer))
            ),
        )
        step(task, private)
        step(other, fewer)


def apart(recipe, patients, secret=Secret, make=make_task):
    """Steps the first patient was in, how far it moved each sum, and whether others stayed."""
    there, moved, same = 0, [], True
    for first, everybody, fewer in with_and_without(recipe, patients, secret, make):
        own = everybody.pop(first, None)
        there += own is not None
        same &= everybody.keys() == fewer.keys() and all(
            torch.equal(a, b)
            for person in everybody.keys() & fewer.keys()
            for a, b in zip(everybody[person], fewer[person], strict=True)
        )
        sums = [
            sum(nn.utils.parameters_to_vector(gradients) for gradients in of)
            for of in ([*everybody.values(), *([own] if own else [])], fewer.values())
        ]
        moved.append(float(torch.as_tensor(sums[0] - sums[1]).norm()))
    return there, moved, same


@pytest.mark.parametrize("family", FAMILIES)
def test_one_patient_changes_nothing_of_all_others(recipe, patients, family):
    """And so moves the sum of gradients by the clip at most, and by all of it where it is seen."""
    asked = recipe(family=family, **FAMILIES[family])
    there, moved, same = apart(asked, patients)
    assert same and 0 < there < 4
    assert max(moved) == pytest.approx(PRIVACY["max_grad_norm"], rel=1e-4)
    assert max(moved) <= PRIVACY["max_grad_norm"] * (1 + 1e-9)
    assert sum(move > 1e-9 for move in moved) == there


@pytest.mark.parametrize("family", FAMILIES)
def test_draws_by_a_running_number_are_found_out(recipe, patients, family):
    asked = recipe(family=family, **FAMILIES[family])
    _, moved, same = apart(asked, patients, ByRunningNumber)
    assert not same and max(moved) > 1.2 * PRIVACY["max_grad_norm"]


def test_noise_and_divisor_do_not_hang_on_who_is_there(recipe, patients):
    """So that one patient moves the noisy gradient by the clip over the expected number."""
    rows = tuple(
        replace(row, split="left out" if row.patient == "p5" else row.split)
        for row in patients.rows
    )
    both = (patients, replace(patients, rows=rows))
    _, everybody, _, fewer = (part for own in both for part in private_of(recipe(), own))
    for fact in ("sample_rate", "expected", "noise_multiplier"):
        assert getattr(everybody, fact) == getattr(fewer, fact)
    for secret in OTHERS:
        moved = []
        for own in both:
            moved.append(step(*private_of(recipe(), own, secret=secret))[0])
        difference = (moved[0] - moved[1]).norm().item()
        if difference:
            assert difference == pytest.approx(PRIVACY["max_grad_norm"] / 2, rel=1e-3)
            return
    pytest.fail("the patient never took part")


def test_dropout_of_one_patient_does_not_shift_that_of_others(recipe, patients):
    def with_dropout(asked):
        task = make_task(asked)
        task.networks["flow"].register_forward_pre_hook(
            lambda module, given: (functional.dropout(given[0], 0.5), *given[1:])
        )
        return task

    there, _, same = apart(recipe(), patients, make=with_dropout)
    assert same and there


def test_a_patient_whose_gradient_is_no_number_adds_none(recipe, patients):
    task, private = private_of(recipe(), patients, noise=0.0)
    losses = task.losses
    task.losses = lambda batch: ((name, loss * torch.inf) for name, loss in losses(batch))
    private.sample_rate = 1.0
    moved, shown = step(task, private)
    assert not moved.any() and len(shown) == 12 and torch.isfinite(shown).all()


def test_statistics_kept_beside_the_weights_are_refused(recipe, patients):
    """Such as those of an instance norm: they would be saved as they are, without noise."""
    task, private = private_of(recipe(), patients)
    seen, (network,) = torch.zeros(1), task.networks.values()
    network.register_buffer("brightness", seen)
    losses = task.losses
    task.losses = lambda batch: seen.add_(batch.images.mean()) and losses(batch)
    private.sample_rate = 1.0
    with pytest.raises(InputError, match="'brightness' of the network follows the patients"):
        step(task, private)


def test_ruined_weights_end_the_training(recipe, patients, tmp_path):
    asked = recipe()
    task = make_task(asked)
    with torch.no_grad():
        next(iter(task.networks["flow"].parameters())).fill_(torch.nan)
    with pytest.raises(InputError, match="a learning rate lower than"):
        list(train(task, asked, patients, tmp_path))


def test_a_budget_of_time_is_refused(recipe, patients, tmp_path):
    with pytest.raises(InputError, match="the length of a private training is its images alone"):
        list(train(make_task(recipe()), recipe(), patients, tmp_path, minutes=1.0))


def test_patients_known_to_be_one_person_are_one(recipe, patients):
    names = {"p0": "patient074", "p1": "patient076"}
    rows = tuple(
        replace(row, cohort="acdc", patient=names.get(row.patient, row.patient))
        for row in patients.rows
    )
    _, private = private_of(recipe(), replace(patients, rows=rows))
    assert [len(own) for own in private.patients.values()] == [4, 2, 2, 2, 2]


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
    _, private = private_of(asked, patients)
    private.restore(state)
    assert private.epsilon() < 0.7 * PRIVACY["epsilon"]


def test_a_resumed_training_equals_an_uninterrupted_one(recipe, patients, tmp_path, monkeypatch):
    asked = recipe(images=20)
    # the last is that of the process that resumes, which takes the checkpoint's instead
    keys = iter([KNOWN.key, KNOWN.key, OTHERS[0].key])
    monkeypatch.setattr("secrets.token_bytes", lambda count: next(keys))
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    list(train(make_task(asked), asked, patients, whole))
    stops = iter([False, False, True])
    with pytest.raises(Stopped):
        list(train(make_task(asked), asked, patients, parts, asked=lambda: next(stops)))
    list(train(make_task(asked), asked, patients, parts, resume=True))
    one, two = (load_weights(folder / "weights-fp16.safetensors") for folder in (whole, parts))
    assert all(torch.equal(value, two[key]) for key, value in one.items())
    facts = json.loads((parts / "config.json").read_text())["privacy"]
    assert facts["steps"] == 5 and facts["epsilon"] <= 20


def test_the_secret_is_in_the_checkpoint_until_the_end_and_nowhere_else(
    recipe, patients, tmp_path, monkeypatch
):
    monkeypatch.setattr("secrets.token_bytes", lambda count: KNOWN.key)
    asked = recipe()
    forms = (KNOWN.key, KNOWN.key.hex().encode())

    def holding():
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        return [path for path in files if any(form in path.read_bytes() for form in forms)]

    stops = iter([False, True])
    with pytest.raises(Stopped):
        list(train(make_task(asked), asked, patients, tmp_path, asked=lambda: next(stops)))
    (path,) = holding()
    assert path == tmp_path / "checkpoint" / "state.json"
    if os.name == "posix":
        assert path.stat().st_mode & 0o077 == 0  # its owner alone
    list(train(make_task(asked), asked, patients, tmp_path, resume=True))
    assert not holding()
    list(train(make_task(asked), asked, patients, tmp_path, resume=True))  # nothing is left to do
    longer = recipe(images=16)
    with pytest.raises(InputError, match="set for another number of images"):
        list(train(make_task(longer), longer, patients, tmp_path, resume=True))


def test_resuming_what_cannot_be_added_up_is_refused(recipe, patients, tmp_path):
    asked = recipe()
    _, private = private_of(asked, patients)
    state = {**private.state(), "history": [[private.noise_multiplier, private.sample_rate, 1]]}
    private.restore(state)
    for other, message in (
        (None, "trained without privacy"),
        ({**state, "history": [[1.0]]}, "account is damaged"),
        ({**state, "patients": "0"}, "trained on other patients"),
        ({**state, "secret": OTHERS[0].key.hex()}, "trained on other patients"),
        ({**state, "secret": "ab"}, "account is damaged .a secret has 32 bytes"),
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
        ({"batch_size": 12}, "12 would take 2 images of 6 patients in a step, and it states 6"),
        ({"privacy": {"epsilon": 0.01, "delta": 1e-6}}, "no noise keeps epsilon at 0.01"),
        ({"augmentation": {"looks": 0.2}}, "one patient has a part in several gradients"),
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
