"""The utility experiment's parts: training sets, unknown labels, comparisons by patient."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from cmr_synth.anatomy.labels import LV, RV, UNLABELLED
from cmr_synth.cohorts.slices import SliceSet
from cmr_synth.errors import InputError
from cmr_synth.evaluation.adherence.patients import PatientScore, patient_scores
from cmr_synth.evaluation.utility.arms import Arm, vendor_of_copy
from cmr_synth.evaluation.utility.results import ELSEWHERE, Findings, compare_arms
from cmr_synth.evaluation.utility.runs import Run
from cmr_synth.evaluation.utility.sets import training_set
from cmr_synth.evaluation.utility.study import Protocol
from cmr_synth.evaluation.utility.styles import Styles, with_amplitudes_of
from cmr_synth.training.batches import Batches

from .conftest import drawn_sample

VENDORS = ("siemens", "philips", "ge")


@pytest.fixture
def slices():
    sample = drawn_sample(4, 3, size=160)
    images = (sample.pixels * 255).astype(np.uint8)
    covered = np.ones_like(sample.labels)
    return SliceSet(images, sample.labels, covered, sample.rows, {"spacing_mm": 1.5})


def test_arms_have_names_and_copies():
    assert Arm(real=True).name == "real" and list(Arm(real=True).chosen) == []
    assert Arm(copies=1).name == "synthetic" and list(Arm(copies=1).chosen) == [0]
    both = Arm(real=True, copies=2, styled=True)
    assert both.name == "real + 2 x synthetic, styled" and list(both.chosen) == [1, 2]
    assert Arm(real=True, others=True).name == "real + other vendors"
    with pytest.raises(ValueError, match="needs real slices"):
        Arm(others=True)


def test_a_study_has_rivals_unless_nobody_asks_or_there_are_no_other_cohorts():
    names = [arm.name for arm in Protocol().arms(others=True)]
    assert names == [
        "real",
        "real, styled",
        "real + other vendors",
        "synthetic",
        "real + 1 x synthetic",
        "real + 1 x synthetic, styled",
    ]
    assert "real + other vendors" not in [arm.name for arm in Protocol().arms(others=False)]
    wide = Protocol(rivals=False, new_hearts=True).arms(others=True)
    assert [arm.name for arm in wide][-2:] == ["new hearts", "real + new hearts"]
    plain = Protocol(rivals=False, ratios=(2, 1)).arms(others=True)
    assert [arm.name for arm in plain][1:] == [
        "synthetic",
        "real + 1 x synthetic",
        "real + 2 x synthetic",
    ]


def test_the_first_copy_has_the_vendor_of_the_scan_and_others_have_others(slices):
    for number, row in enumerate(slices.rows):
        given = [vendor_of_copy(row, number, copy, VENDORS, seed=0) for copy in range(4)]
        assert given[0] == row.vendor
        assert set(given[1:3]) == set(VENDORS) - {row.vendor} and given[3] == given[1]


def test_a_patients_slices_share_their_style(slices):
    styles = {}
    for number, row in enumerate(slices.rows):
        found = vendor_of_copy(row, number, 1, VENDORS, seed=0)
        styles.setdefault(row.patient, set()).add(found)
    assert all(len(found) == 1 for found in styles.values())


def test_arms_differ_in_nothing_but_pixels(slices):
    index, others = np.arange(8), np.arange(8, len(slices))
    copies = {k: np.full((len(index), 128, 128), k, np.uint8) for k in range(3)}
    real, (first,) = training_set(Arm(real=True), slices, index, others, copies)
    made, _ = training_set(Arm(copies=1), slices, index, others, copies)
    both, streams = training_set(Arm(real=True, copies=2), slices, index, others, copies)
    assert (first == np.arange(8)).all()
    assert (real.labels == made.labels).all() and (made.images == 0).all()
    assert len(both) == 3 * len(real) and (both.images[: len(real)] == real.images).all()
    assert [set(np.unique(both.images[own])) for own in streams[1:]] == [{1}, {2}]
    assert all(row.split == "train" for row in both.rows)
    wide, (_, rest) = training_set(Arm(real=True, others=True), slices, index, others, copies)
    assert [wide.rows[i].patient for i in rest] == [slices.rows[i].patient for i in others]
    with pytest.raises(InputError, match="copy 2 was not made"):
        training_set(Arm(real=True, copies=2), slices, index, others, {1: copies[1]})


def test_arms_of_one_seed_see_the_same_real_slices_augmented_alike(slices):
    index = np.arange(len(slices))
    copies = {1: np.full((len(index), 128, 128), 0, np.uint8)}
    protocol = Protocol(images=32)
    found = []
    for arm in (Arm(real=True), Arm(real=True, copies=1)):
        recipe = protocol.recipe(arm, 3)
        training, streams = training_set(arm, slices, index, index, copies)
        batches = Batches(
            training, augmentation=recipe.augmentation, seed=recipe.seed, streams=streams
        )
        images = [
            batches.batch(seen, recipe.batch_size).images[:: arm.streams]
            for seen in range(0, recipe.images, recipe.batch_size)
        ]
        found.append(torch.cat(images))
    assert len(found[0]) == 32 and torch.equal(*found)


def test_a_style_hangs_on_the_draw_alone_and_leaves_shapes_where_they_are(sample):
    pictures = (sample.pixels * 255).astype(np.uint8)
    put_on = Styles(pictures)
    picture = torch.from_numpy(sample.pixels[:1])
    styled = [put_on(picture, np.random.default_rng(k)) for k in range(20)]
    again = [put_on(picture, np.random.default_rng(k)) for k in reversed(range(20))]
    for one, other in zip(styled, reversed(again), strict=True):
        assert torch.equal(one, other)
        assert one.shape == picture.shape and 0 <= one.min() and one.max() <= 1
    apart = torch.stack(styled).std(dim=0).mean()
    assert apart > 0.05  # strong: far above the noise of a scan
    edges = (picture[0].diff(dim=0).abs() > 0.3).float()
    where = [np.corrcoef(edges.ravel(), one[0].diff(dim=0).abs().ravel())[0, 1] for one in styled]
    assert np.median(where) > 0.5


def test_amplitudes_are_borrowed_and_phases_kept(sample):
    one, other = torch.from_numpy(sample.pixels[0]), torch.from_numpy(sample.pixels[7])
    assert torch.allclose(with_amplitudes_of(one[None], other, 0.0)[0], one, atol=1e-5)
    mixed = with_amplitudes_of(one[None], other, 1.0)[0]
    assert float(mixed.mean()) == pytest.approx(float(other.mean()), abs=1e-4)
    own, changed = torch.fft.fft2(one), torch.fft.fft2(mixed)
    assert torch.allclose(own[40, 40], changed[40, 40], atol=1e-2)  # beyond the low frequencies
    assert torch.allclose(own[1, 2].angle(), changed[1, 2].angle(), atol=1e-3)


def test_what_nobody_drew_is_unknown_and_not_counted():
    sample = drawn_sample(2, 3)
    labels = np.where(sample.labels == RV, UNLABELLED, sample.labels).astype(np.uint8)
    partly = type(sample)(sample.name, sample.pixels, labels, sample.rows, sample.spacing)
    found = np.where(sample.labels == RV, 0, sample.labels).astype(np.uint8)  # RV missed wholly
    scores = patient_scores(found, partly)
    assert {one.structure for one in scores} == {"LV", "MYO"}
    assert all(one.dice == 1 for one in scores)


def test_a_structure_found_where_none_is_counts_against_it():
    sample = drawn_sample(1, 1)
    without = np.where(sample.labels == LV, 0, sample.labels).astype(np.uint8)
    empty = type(sample)(sample.name, sample.pixels, without, sample.rows, sample.spacing)
    (lv,) = [
        one
        for one in patient_scores(sample.labels, empty)
        if one.structure == "LV" and one.level == "all"
    ]
    assert lv.dice == 0 and lv.missed == 1


def scores(offset, patients=12, seed=0):
    rng = np.random.default_rng(seed)
    base = 0.8 + 0.1 * rng.random(patients)
    return [
        PatientScore(
            patient=f"acdc p{k}",
            cohort="acdc",
            vendor="siemens",
            pathology=("dcm", "hcm")[k % 2],
            structure=structure,
            level=level,
            dice=float(base[k] + offset),
            hd95=3.0,
            missed=0,
            slices=4,
        )
        for k in range(patients)
        for structure in ("LV", "MYO")
        for level in ("all", "mid")
    ]


def runs(*offsets, patients=12):
    return [
        Run("an arm", seed, 100, 100, ((75, 0.7), (100, 0.71)), scores(offset, patients))
        for seed, offset in enumerate(offsets)
    ]


def of(found, arm, structure="mean"):
    (one,) = [
        r
        for r in found.results
        if (r.arm, r.score, r.stratum.by, r.stratum.structure) == (arm, "dice", "cohort", structure)
    ]
    return one


def test_new_hearts_are_compared_with_as_many_pictures_of_training_masks():
    arms = ("real", "synthetic", "real + 1 x synthetic", "new hearts", "real + new hearts")
    found = Findings.of({arm: runs(*[0.01 * k] * 5) for k, arm in enumerate(arms)}, ())
    assert set(found.against_rivals) == {"synthetic", "real + 1 x synthetic"}
    one = of(found.against_rivals["real + 1 x synthetic"], "real + new hearts")
    assert one.difference == pytest.approx(0.02)
    assert {r.arm for r in found.against_rivals["synthetic"].results} == {"synthetic", "new hearts"}


def test_gains_are_paired_by_patient():
    found = compare_arms({"real": runs(*[0] * 5), "synthetic": runs(*[-0.02] * 5)})
    one = of(found, "synthetic")
    # patients differ by far more than the arms, which pairing takes out
    assert one.difference == pytest.approx(-0.02) and one.difference_low == pytest.approx(-0.02)
    assert one.p < 0.001 and one.patients == 12 and one.seeds == 5 and one.high - one.low > 0.01
    assert {r.stratum.by for r in found.results} == {"cohort", "vendor", "pathology", "level"}
    assert json.dumps([r.as_dict() for r in found.results], allow_nan=False)


def test_gains_are_paired_by_seed_and_seeds_are_drawn_anew():
    luck = [0.03, -0.03, 0.01, -0.01, 0.0]
    arms = {"real": runs(*luck), "same": runs(*luck), "other": runs(*luck[::-1])}
    found = compare_arms(arms)
    same, other = of(found, "same", "LV"), of(found, "other", "LV")
    assert same.difference_low == pytest.approx(0) and same.difference_high == pytest.approx(0)
    assert other.difference == pytest.approx(0, abs=1e-12)
    # patients agree wholly on the difference: all of the interval is the seeds'
    assert other.difference_high > 0.02 and other.difference_low < -0.02
    assert other.seed_spread == pytest.approx(np.std(luck, ddof=1))


def test_few_seeds_or_patients_have_no_figures_and_are_named():
    found = compare_arms({"real": runs(0, 0, 0, 0), "synthetic": runs(0, 0, 0, 0)})
    assert found.results == []
    assert found.left_out == ["all arms: 4 seeds; at least 5 are needed"]
    found = compare_arms({"real": runs(*[0] * 5, patients=5)})
    assert all(one.p is None for one in found.results)
    assert {one.stratum.by for one in found.results} == {"cohort", "vendor", "level"}
    assert found.left_out == [
        "pathology dcm: 3 patients; at least 5 are needed",
        "pathology hcm: 2 patients; at least 5 are needed",
    ]


def test_patients_of_all_other_cohorts_are_a_stratum():
    far = [replace(one, cohort="chla", patient=f"chla {one.patient}") for one in scores(0.1)]
    both = [replace(run, scores=run.scores + far) for run in runs(*[0] * 5)]
    found = compare_arms({"real": both}, trained_on=("acdc",))
    (one,) = [
        r
        for r in found.results
        if (r.stratum.value, r.stratum.structure, r.score) == (ELSEWHERE, "mean", "dice")
    ]
    assert one.patients == 12 and one.mean == pytest.approx(np.mean([s.dice for s in far]))


def test_a_run_is_read_as_it_was_written(tmp_path):
    (run,) = runs(0)
    run = replace(run, scores=[replace(run.scores[0], hd95=float("nan")), *run.scores[1:]])
    run.write(tmp_path / "scores.json")
    again = Run.read(tmp_path / "scores.json")
    assert [str(one) for one in again.scores] == [str(one) for one in run.scores]  # NaN is NaN
    assert again.curve == run.curve and again.late_gain == pytest.approx(0.01)
