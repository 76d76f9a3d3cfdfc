"""Attacks: chance on null data, success on a model that memorised, patients as units."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.errors import InputError
from cmr_synth.generators import zoo
from cmr_synth.generators.interface import Condition, Images, Progress
from cmr_synth.generators.probing import Drawing
from cmr_synth.privacy.membership.attack import REFERENCE, attack, images_alone, spread_over
from cmr_synth.privacy.membership.errors import band_pass, errors
from cmr_synth.privacy.membership.figures import figures
from cmr_synth.privacy.membership.probes import LEVELS, probe_of


def groups(patients: int, each: int):
    count = patients * each
    return (
        np.repeat(np.arange(patients) % 2 == 0, each),
        np.repeat([f"p{i}" for i in range(patients)], each),
        np.full(count, "acdc"),
    )


def test_on_null_data_the_interval_holds_one_half():
    inside, p_values = 0, []
    for seed in range(20):
        member, patients, cohorts = groups(40, 4)
        rng = np.random.default_rng(seed)
        # slices of a patient are alike, as real ones are
        scores = np.repeat(rng.normal(size=40), 4) + 0.3 * rng.normal(size=160)
        found = figures(scores, member, patients, cohorts, draws=300)
        inside += found.auc[1] <= 0.5 <= found.auc[2]
        p_values.append(found.p)
    assert inside >= 16
    assert 0.25 < np.mean(p_values) < 0.75


def test_members_that_stand_out_are_found():
    member, patients, cohorts = groups(40, 4)
    found = figures(member + 0.0, member, patients, cohorts, draws=300)
    assert found.auc == (1, 1, 1) and found.slice_auc == 1 and found.told_apart
    assert found.p == pytest.approx(1 / 301)
    assert found.rates[0.001][0] == 1


def test_a_cohort_that_is_easier_is_no_leak():
    member, patients, cohorts = groups(60, 2)
    cohorts = np.where(np.arange(120) < 60, "acdc", "chla")
    member = np.where(cohorts == "acdc", patients != "p0", patients == "p31")
    easier = (cohorts == "acdc") * 10.0
    found = figures(
        easier + np.random.default_rng(0).normal(size=120), member, patients, cohorts, draws=200
    )
    assert 0.1 < found.auc[0] < 0.9


def test_duplicated_slices_change_nothing():
    member, patients, cohorts = groups(20, 3)
    scores = np.random.default_rng(0).normal(size=60)
    many = np.concatenate([np.arange(60), *[np.arange(3)] * 10])
    once = figures(scores, member, patients, cohorts, draws=50)
    often = figures(scores[many], member[many], patients[many], cohorts[many], draws=50)
    assert often.auc == pytest.approx(once.auc)
    assert often.slice_auc == pytest.approx(once.slice_auc)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_refused(value):
    member, patients, cohorts = groups(4, 1)
    with pytest.raises(ValueError, match="NaN or infinite"):
        figures(np.array([1, 2, 3, value]), member, patients, cohorts)


def test_one_sided_cohorts_are_refused():
    member, patients, _ = groups(4, 1)
    with pytest.raises(ValueError, match="no cohort has both"):
        figures(np.zeros(4), member, patients, np.where(member, "acdc", "chla"))


def test_the_band_keeps_its_ring_and_nothing_else():
    y, x = np.mgrid[:128, :128]
    inside = np.cos(2 * np.pi * 20 * x / 128)  # a radius of 20 / 64
    below, above = np.cos(2 * np.pi * 4 * y / 128), np.cos(2 * np.pi * 60 * x / 128)
    kept = band_pass(np.stack([inside, below + 3, above]))
    assert np.allclose(kept[0], inside, atol=1e-5)
    assert np.abs(kept[1:]).max() < 1e-5


def test_errors_are_zero_for_the_slice_itself(real):
    for value in errors(real.pixels[:2], real.pixels[:2]).values():
        assert value == pytest.approx([0, 0], abs=1e-4)


FAMILIES = ("flow", "flow-fast", "ddpm", "latent-flow", "spade-gan", "cvae")


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_probed(name, real):
    model = zoo.load(name)
    probe = probe_of(model.generator)
    asked = [Condition(mask=labels, z=0.5) for labels in real.labels[:2]]
    level = min(probe.levels)
    made, loss = probe(real.pixels[:2], asked, [0, 1], level=level, seed=0)
    assert made.shape == (2, 128, 128) and 0 <= made.min() and made.max() <= 1
    assert loss.shape == (2,) and np.isfinite(loss).all() and (loss > 0).all()
    # a slice's noise is its own: what else is in the batch does not matter
    alone, one = probe(real.pixels[1:2], asked[1:], [1], level=level, seed=0)
    assert np.allclose(alone[0], made[1], atol=1e-3)
    assert one[0] == pytest.approx(loss[1], rel=1e-3)


def test_a_family_that_shows_nothing_but_its_pictures_is_probed_by_them(real):
    seen = np.random.default_rng(5).random((8, 128, 128), np.float32)
    probe = probe_of(Parrot(np.concatenate([seen, real.pixels[:1]])))
    made, loss = probe(real.pixels[:2], [Condition()] * 2, [0, 1], level=0.0, seed=0)
    assert "GAN-Leaks" in probe.words and probe.levels == (0.0,)
    assert np.array_equal(made[0], real.pixels[0]) and loss[0] == 0 < loss[1]


def test_a_family_that_says_nothing_of_a_probe_is_not_guessed():
    silent = Parrot(np.zeros((1, 128, 128), np.float32))
    silent.probe = None
    with pytest.raises(TypeError, match="no probe of cmr_synth.generators.probing"):
        probe_of(silent)


def test_less_noise_is_a_nearer_reconstruction(real):
    probe = probe_of(zoo.load("flow").generator)
    asked = [Condition(mask=labels, z=0.5) for labels in real.labels[:4]]
    apart = [
        errors(real.pixels[:4], probe(real.pixels[:4], asked, range(4), level=level, seed=0)[0])
        for level in LEVELS
    ]
    assert apart[0]["L2"].mean() < apart[-1]["L2"].mean()


class Parrot:
    """A generator that returns slices it has seen, or noise."""

    shape = (128, 128)
    takes: frozenset[str] = frozenset()
    probe = Drawing()

    def __init__(self, pictures: np.ndarray):
        self.pictures = pictures

    def sample(self, conditions, *, seed, indices=None, steps=None, guidance=None, sampler=None):
        if any(condition.mask is not None for condition in conditions):
            raise InputError("no masks")
        indices = range(len(conditions)) if indices is None else indices
        yield Progress(1, 1)
        yield Images(np.stack([self.pictures[i % len(self.pictures)] for i in indices]))


def test_a_parrot_is_caught_and_one_that_never_saw_them_is_not(real, others):
    *_, caught = attack(Parrot(real.pixels), real, others, name="parrot")
    assert caught.attacks["loss"].auc[0] == 1 and "are told from others" in caught.verdict
    *_, free = attack(
        Parrot(np.random.default_rng(0).random((8, 128, 128), np.float32)),
        real,
        others,
        name="noise",
    )
    assert all(one.p > 0.05 for one in free.attacks.values())
    assert free.verdict.startswith("not shown")


def test_the_reference_attack_forgives_what_is_easy(real, others):
    half = real.take(np.isin(real.patients, np.unique(real.patients)[:12]))
    *_, found = attack(
        Parrot(half.pixels),
        half,
        others,
        name="parrot",
        reference=Parrot(np.random.default_rng(0).random((8, 128, 128), np.float32)),
    )
    assert found.attacks[REFERENCE].auc[0] > 0.95


def test_groups_that_differ_by_themselves_are_reported(real, others):
    from cmr_synth.evaluation.sample import Sample, joined

    darker = Sample("darker", others.pixels * 0.6, others.labels, others.rows, 1.5)
    member = np.arange(len(real) + len(others)) < len(real)
    for side, apart in ((others, False), (darker, True)):
        both = joined([real, side], name="both")
        cohorts = np.full(len(both), "drawn")
        scores = images_alone(both, member, cohorts, 0)
        found = figures(scores, member, both.patients, cohorts, draws=200)
        assert (found.auc[1] > 0.5) == apart


def test_groups_that_do_not_differ_are_at_chance_on_average(real, others):
    """Not below it, as scores of different folds would be if they were compared as they are."""
    from cmr_synth.evaluation.sample import joined

    both = joined([real, others], name="both")
    cohorts = np.full(len(both), "drawn")
    names = np.unique(both.patients)
    found = []
    for seed in range(12):
        outside = np.random.default_rng(seed).permutation(names)[: len(names) // 3]
        member = ~np.isin(both.patients, outside)
        scores = images_alone(both, member, cohorts, seed)
        found.append(figures(scores, member, both.patients, cohorts, draws=2).auc[0])
    assert abs(np.mean(found) - 0.5) < 0.06


def test_patients_on_both_sides_are_refused(real):
    with pytest.raises(InputError, match="drawn real0"):
        list(attack(Parrot(real.pixels), real, real.take(np.arange(3)), name="parrot"))


def test_slices_are_spread_over_the_heart(real):
    few = spread_over(real, 2)
    assert len(few) == 2 * 24
    assert [row.slice for row in few.rows[:2]] == [0, 2]
