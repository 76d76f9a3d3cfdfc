"""Attacks: chance on null data, success on a model that memorised, patients as units."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cmr_synth.cohorts.slices import SliceSet
from cmr_synth.errors import InputError
from cmr_synth.evaluation.resampling import corrected
from cmr_synth.evaluation.sample import Sample
from cmr_synth.generators import zoo
from cmr_synth.generators.interface import Condition, Images, Progress
from cmr_synth.generators.probing import Drawing
from cmr_synth.privacy.membership.attack import BY_MODEL, CALIBRATED, attack, spread_over
from cmr_synth.privacy.membership.errors import band_pass, errors
from cmr_synth.privacy.membership.figures import figures
from cmr_synth.privacy.membership.images_alone import images_alone
from cmr_synth.privacy.membership.probes import LEVELS, probe_of
from cmr_synth.privacy.membership.references import References, halves, train_references
from cmr_synth.privacy.membership.units import NEEDED, strata_of, units_of
from cmr_synth.reports.membership import membership_content


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
    assert found.auc[0] == found.auc[2] == 1 and 0.7 < found.auc[1] < 1 and found.told_apart
    assert found.p == pytest.approx(1 / 301)
    assert found.rates[0.1][0] == 1
    # one false positive among 20 others is 5 %
    assert found.rates[0.01] is None and found.rates[0.001] is None


def test_persons_of_another_stratum_are_not_compared():
    member, persons, strata = groups(40, 1)
    kind = np.where(np.arange(40) < 20, "a", "b")
    # between strata all that is asked is which pathology is easier
    scores = np.where(kind == "a", 10.0, 0.0) + (~member) * 1.0
    assert figures(scores, member, persons, kind, draws=50).auc[0] == 0
    assert figures(scores, member, persons, strata, draws=50).auc[0] > 0.2


def test_p_values_of_several_attacks_are_corrected():
    assert corrected({"a": 0.04, "b": 0.01, "c": 0.3}) == pytest.approx(
        {"a": 0.08, "b": 0.03, "c": 0.3}
    )
    assert corrected({"a": 0.9, "b": 0.8}) == {"a": 1.0, "b": 1.0}


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
    assert often.p == once.p


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_refused(value):
    member, patients, cohorts = groups(4, 1)
    with pytest.raises(ValueError, match="NaN or infinite"):
        figures(np.array([1, 2, 3, value]), member, patients, cohorts)


def test_one_sided_cohorts_are_refused():
    member, patients, _ = groups(4, 1)
    with pytest.raises(ValueError, match="no stratum has both"):
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


NOISE = np.random.default_rng(0).random((8, 128, 128), np.float32)


def test_a_parrot_is_caught_and_one_that_never_saw_them_is_not(real, others):
    second = Parrot(np.random.default_rng(1).random((8, 128, 128), np.float32))
    *_, caught = attack(Parrot(real.pixels), real, others, name="parrot", reference=second)
    assert caught.declared == BY_MODEL and caught.first.auc[0] > 0.95
    assert caught.found and "are told from others" in caught.verdict
    *_, free = attack(Parrot(NOISE), real, others, name="noise", reference=second)
    assert free.verdict.startswith("not shown") and not free.found
    assert all(p > 0.05 for p in free.corrected.values())


def test_without_calibration_no_memory_is_claimed(real, others):
    *_, caught = attack(Parrot(real.pixels), real, others, name="parrot")
    assert caught.first.auc[0] == 1 and caught.first.p < 0.01
    assert caught.verdict.startswith("memory cannot be told") and not caught.found
    (section,) = membership_content([caught]).sections
    assert any("Difficulty is not calibrated" in words for words in section.words)
    assert caught.as_dict()["memory_shown"] is False


def test_the_verdict_is_by_the_declared_attack_whatever_others_find(real, others):
    seen = Parrot(real.pixels)
    *_, found = attack(seen, real, others, name="parrot", reference=seen)
    # the reference finds the same slices as easy, so that nothing is left; the plain loss sees all
    assert found.attacks["loss"].auc[0] == 1 and found.corrected["loss"] < 0.05
    assert found.first.p > 0.05 and not found.found


def test_groups_that_differ_by_themselves_are_reported(real, others):
    darker = Sample("darker", others.pixels * 0.6, others.labels, others.rows, 1.5)
    for side, apart in ((others, False), (darker, True)):
        both, units = units_of(real, side)
        found = images_alone(both.pixels, units, seed=0, splits=59)
        assert found.differs == apart
        assert found.null[0] < 0.5 < found.null[1]
        assert 0 <= found.percentile <= 100 and found.splits == 59


def test_somebody_examined_twice_is_one_person(real, others):
    rows = tuple(
        replace(row, cohort="chla", patient={"real0": "Sbj57", "real1": "Sbj34"}.get(row.patient))
        if row.patient in ("real0", "real1")
        else replace(row, cohort="chla")
        for row in real.rows
    )
    twice = Sample("twice", real.pixels, real.labels, rows, 1.5)
    assert len(np.unique(twice.patients)) == 24 and len(np.unique(twice.persons)) == 23
    assert len(spread_over(twice, 2)) == 2 * 23
    other_rows = tuple(replace(row, cohort="chla") for row in others.rows)
    side = Sample("others", others.pixels, others.labels, other_rows, 1.5)
    _, units = units_of(twice, side)
    assert units.counts() == {"chla rest": (23, 24)} or units.counts() == {"chla": (23, 24)}
    split = Sample("split", side.pixels[:3], side.labels[:3], rows[:3], 1.5)
    with pytest.raises(InputError, match="both in twice and in split: chla Sbj34"):
        units_of(twice.take(np.flatnonzero(twice.patients == "chla Sbj34")), split)


def test_strata_are_pathologies_where_both_sides_have_enough():
    kinds = ["a"] * 5 + ["b"] * 4 + ["c"] * 3 + ["d"] * 2
    outside = {3, 4, 7, 8, 11, 13}  # two of a, two of b, one of c, one of d
    persons = np.array([f"p{i}" for i in range(14)])
    member = np.array([i not in outside for i in range(14)])
    cohorts = np.full(14, "drawn")
    found = strata_of(persons, member, cohorts, np.array(kinds))
    assert found.tolist() == ["drawn a"] * 5 + ["drawn b"] * 4 + ["drawn rest"] * 5
    member[11] = True  # nobody of c is left to compare: one stratum
    assert set(strata_of(persons, member, cohorts, np.array(kinds))) == {"drawn"}


def test_too_few_persons_are_told_how_many_are_needed(real, others):
    few = others.take(np.isin(others.patients, np.unique(others.patients)[: NEEDED - 1]))
    with pytest.raises(InputError, match="24 persons trained on and 9 others .* needs 10 of each"):
        list(attack(Parrot(NOISE), real, few, name="parrot"))


def test_patients_on_both_sides_are_refused(real):
    with pytest.raises(InputError, match="drawn real0"):
        list(attack(Parrot(NOISE), real, real.take(np.arange(3)), name="parrot"))


def test_slices_are_spread_over_the_heart(real):
    few = spread_over(real, 2)
    assert len(few) == 2 * 24
    assert [row.slice for row in few.rows[:2]] == [0, 2]


def test_halves_have_as_many_of_every_group():
    persons = np.array([f"p{i}" for i in range(30)]).repeat(2)
    kinds = np.array(["a", "b", "c"]).repeat(10).repeat(2)
    half = halves(persons, kinds, seed=1)
    for kind in "abc":
        dealt = [half[p] for p in np.unique(persons[kinds == kind])]
        assert sum(dealt) == 5
    assert half != halves(persons, kinds, seed=2)


@pytest.fixture(scope="module")
def slice_set(real, others):
    """Both sides as a slice set, of which references are trained."""
    rows = [*real.rows, *(replace(row, split="test") for row in others.rows)]
    pixels = np.concatenate([real.pixels, others.pixels])
    labels = np.concatenate([real.labels, others.labels])
    images = np.pad((pixels * 255).astype(np.uint8), ((0, 0), (16, 16), (16, 16)), mode="edge")
    masks = np.pad(labels, ((0, 0), (16, 16), (16, 16)))
    about = {"format": 1, "spacing_mm": 1.5, "cohorts": {}}
    return SliceSet(images, masks, np.ones_like(images), tuple(rows), about)


def test_references_never_see_the_persons_whose_difficulty_they_tell(
    slice_set, real, others, tmp_path
):
    *_, pair = train_references(slice_set, tmp_path, others=["test"], images=16)
    assert isinstance(pair, References) and pair.hashes[0] != pair.hashes[1]
    counts = [sum(half == k for half in pair.half.values()) for k in (0, 1)]
    assert counts == [24, 24]
    real, others = spread_over(real, 1), spread_over(others, 1)
    *_, found = attack(Parrot(real.pixels), real, others, name="parrot", references=pair)
    assert found.declared == CALIBRATED and found.found and found.is_calibrated
    # what was trained, and what was asked, is not done again
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    *_, same = train_references(slice_set, tmp_path, others=["test"], images=16)
    events = list(same.difficulty(units_of(real, others)[0], seed=2026))
    assert len(events) == 1 and same.hashes == pair.hashes
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    (known,) = events
    both = units_of(real, others)[0]
    for number in (0, 1):
        mine = known.half == number
        path = next(tmp_path.rglob(f"errors-{same._key(1 - number, both, 1, 2026)}.npz"))
        other = np.load(path)["loss"]
        assert np.array_equal(known.unseen.by_kind["loss"][:, mine], other[:, mine])
    # other settings are other references
    *_, longer = train_references(slice_set, tmp_path, others=["test"], images=24)
    assert longer.folder != pair.folder
    with pytest.raises(InputError, match="persons in neither half, drawn stranger the first"):
        row = replace(real.rows[0], patient="stranger")
        list(pair.difficulty(Sample("x", real.pixels[:1], real.labels[:1], (row,), 1.5), seed=0))


def test_a_training_of_references_goes_on_where_it_was_stopped(slice_set, tmp_path):
    *_, whole = train_references(slice_set, tmp_path / "whole", others=["test"], images=24)
    stopped = train_references(slice_set, tmp_path / "parts", others=["test"], images=24)
    next(stopped)
    stopped.close()
    events = list(train_references(slice_set, tmp_path / "parts", others=["test"], images=24))
    assert events[-1].hashes == whole.hashes
    assert len(events) - 1 == 5  # of six steps of both, one had been taken
