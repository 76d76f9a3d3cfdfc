"""The tests of copying on the cases that break other tools."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cmr_synth.errors import InputError
from cmr_synth.evaluation.sample import Sample, joined
from cmr_synth.generators import zoo
from cmr_synth.privacy.overfitting.audit import (
    Overfitting,
    audit_overfitting,
    heart_covered,
    real_sets,
)
from cmr_synth.privacy.overfitting.measures import (
    Cluster,
    Estimate,
    adversarial_accuracy,
    authentic,
    cluster,
    data_copying,
    diversity,
    generalisation_gap,
    nearest,
    passing_over,
    privacy_loss,
)

PATIENTS, EACH, WIDTH = 60, 5, 6


def drawn(seed: int, patients: int = PATIENTS, each: int = EACH, spread: float = 0.3):
    """Vectors of patients: each with a place of its own, slices about it."""
    rng = np.random.default_rng(seed)
    places = rng.normal(size=(patients, WIDTH))
    vectors = np.repeat(places, each, axis=0) + spread * rng.normal(size=(patients * each, WIDTH))
    return vectors, np.repeat([f"{seed} {i}" for i in range(patients)], each)


TRAINING, TRAINED = drawn(0)
HELD_OUT, OTHERS = drawn(1)
FRESH, MASKS = drawn(2)
COPIES = TRAINING + 0.02 * np.random.default_rng(9).normal(size=TRAINING.shape)
HALF = np.where((np.arange(len(FRESH)) // EACH % 2 == 0)[:, None], COPIES, FRESH)
UNDERFIT = 3 * FRESH


def test_a_thousand_copies_of_one_record_are_not_authentic():
    copies = np.repeat(TRAINING[7:8], 1000, axis=0)
    assert authentic(copies, TRAINING).mean() == 0.000


def test_half_copied_is_half_authentic_at_most():
    assert authentic(COPIES, TRAINING).mean() < 0.02
    fresh, half = (authentic(one, TRAINING).mean() for one in (FRESH, HALF))
    assert fresh > 0.9 and half == pytest.approx(fresh / 2, abs=0.06)


def test_authenticity_by_hand():
    training = np.array([[0.0], [1.0], [5.0]])
    # the neighbours of 0, 1 and 5 among themselves lie 1, 1 and 4 away
    assert authentic(np.array([[-2.0], [0.4], [8.0], [10.0]]), training).tolist() == [
        True,
        False,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("made", "sign"),
    [(COPIES, -1), (HALF, -1), (UNDERFIT, 1)],
    ids=["copies", "half copied", "underfitted"],
)
def test_data_copying_tells_copies_from_underfitting(made, sign):
    found = data_copying(made, HELD_OUT, TRAINING, MASKS, OTHERS, TRAINED)
    outside = (found.low > 0) - (found.high < 0)
    assert outside == sign, found


def test_data_copying_is_rarely_seen_in_fresh_draws():
    outside = 0
    for seed in range(3, 27, 2):
        (made, masks), (held_out, others) = drawn(seed), drawn(seed + 1)
        found = data_copying(made, held_out, TRAINING, masks, others, TRAINED)
        outside += not found.low <= 0 <= found.high
    assert outside <= 3


def test_privacy_loss_is_for_copies_alone():
    for made, leaks in ((COPIES, True), (FRESH, False)):
        *_, loss = privacy_loss(made, TRAINING, HELD_OUT, MASKS, TRAINED, OTHERS)
        assert (loss.low > 0) == leaks, loss


def test_adversarial_accuracy_at_its_ends():
    groups = np.arange(len(FRESH)).astype(str)
    assert adversarial_accuracy(FRESH, FRESH + 100, groups, groups + "b") == 1
    assert adversarial_accuracy(FRESH, FRESH, groups, groups + "b") == 0
    assert adversarial_accuracy(FRESH, HELD_OUT, MASKS, OTHERS) == pytest.approx(0.5, abs=0.08)


def test_the_generalisation_gap_is_for_copies_alone():
    for made, leaks in ((COPIES, True), (FRESH, False)):
        gap = generalisation_gap(made, TRAINING, HELD_OUT, MASKS, TRAINED, OTHERS)
        assert (gap.low > 0) == leaks, gap


def test_an_identical_mask_is_no_copying():
    # slices made from held-out masks resemble held-out patients: these pairs are passed over
    alike = HELD_OUT + 0.01
    gap = generalisation_gap(alike, TRAINING, HELD_OUT, OTHERS, TRAINED, OTHERS)
    assert gap.low < 0.1 and gap.high > -0.3


def test_many_slices_around_one_patient_are_found():
    around = FRESH.copy()
    around[::3] = TRAINING[7] + 0.1 * np.random.default_rng(0).normal(size=around[::3].shape)
    real = TRAINED[nearest(HELD_OUT, TRAINING)[0]]
    for made, crowded in ((around, True), (FRESH, False)):
        found = cluster(TRAINED[nearest(made, TRAINING)[0]], MASKS, real, OTHERS)
        assert (found.p <= 0.05) == crowded
        assert (found.patient == TRAINED[7]) == crowded


def test_collapsed_modes_are_found():
    collapsed = FRESH[np.arange(len(FRESH)) % 3] + 0.01 * FRESH
    assert diversity(collapsed, HELD_OUT, MASKS, OTHERS).high < 0.2
    below = 0
    for seed in range(3, 27, 2):
        (made, masks), (held_out, others) = drawn(seed), drawn(seed + 1)
        below += diversity(made, held_out, masks, others).high < 1
    assert below <= 2


def test_duplicated_slices_of_a_patient_change_nothing():
    many = np.concatenate([np.arange(len(TRAINING)), *[np.arange(EACH)] * 20])
    sets = (FRESH, TRAINING, HELD_OUT, MASKS, TRAINED, OTHERS)
    heavy = (FRESH, TRAINING[many], HELD_OUT, MASKS, TRAINED[many], OTHERS)
    assert generalisation_gap(*heavy).value == pytest.approx(generalisation_gap(*sets).value)
    once = cluster(TRAINED[nearest(FRESH, TRAINING)[0]], MASKS, OTHERS, OTHERS, draws=20)
    often = cluster(
        TRAINED[many][nearest(FRESH, TRAINING[many])[0]], MASKS, OTHERS, OTHERS, draws=20
    )
    assert once == often


def test_a_style_of_few_slices_is_compared_with_as_few():
    """Of few slices of each mask the share of one patient varies more; it was called a finding."""
    small = 0
    for seed in range(3, 43, 2):
        (made, masks), (held_out, others) = drawn(seed, 16), drawn(seed + 1, 24)
        few = np.arange(len(made)) % EACH == 0
        found = TRAINED[nearest(made[few], TRAINING)[0]]
        real = TRAINED[nearest(held_out, TRAINING)[0]]
        small += cluster(found, masks[few], real, others, draws=100).p <= 0.05
    assert small <= 4


def test_near_points_are_no_copies():
    """Squared distances below a fixed size were taken for rounding, whatever the scale."""
    points = np.arange(200)[:, None] * 1e-6
    near, apart = nearest(points + 3e-7, points)
    assert near.tolist() == list(range(200)) and apart == pytest.approx(3e-7, rel=1e-3)


def test_findings_are_corrected_for_their_number():
    nothing = Estimate(0.0, -1.0, 1.0, 0.0, p=0.5)
    one = Overfitting(
        "made", None, 9, nothing, replace(nothing, p=0.008), nothing, nothing, nothing, nothing,
        Cluster(0.1, 0.1, 0.5, "p7"), nothing,
        styles={"ge": Cluster(0.5, 0.1, 0.002, "p8"), "siemens": Cluster(0.1, 0.1, 0.9, "p9")},
    )  # fmt: skip
    assert len(one.tests) == 8
    assert one.corrected["style of ge"] == pytest.approx(8 * 0.002)
    assert one.corrected["generalisation gap"] == pytest.approx(7 * 0.008)
    assert one.findings() == ["the style of ge points to one patient, p8"]
    assert one.as_dict()["tests"]["style of ge"] == {"p": 0.002, "corrected": 0.016}
    untested = replace(one, copying=Estimate(np.nan, np.nan, np.nan, 0.0))
    assert "C_T" not in untested.tests


def test_as_many_are_passed_over_of_patients_whose_mask_was_not_followed():
    groups, others = np.array(["a", "a", "x", "x", "y"]), np.array(["a", "b", "c"])
    over = passing_over(groups, others)
    assert over[:2].tolist() == ["a", "a"] and over[2] == over[3]
    assert set(over.tolist()) <= set(others.tolist())


@pytest.fixture(scope="module")
def sets(real: Sample, others: Sample, detector):
    return real_sets(real, others, detector)


def judged(sample: Sample, sets, detector, **options) -> Overfitting:
    *_, found = audit_overfitting(sample, sets, detector, **options)
    return found


def test_copied_pictures_are_found_and_strangers_are_not(sets, real, others, detector, renamed):
    copies = renamed(real, others)
    found = judged(copies, sets, detector)
    assert found.authenticity.value == 0
    assert len(found.findings()) >= 3
    halves = np.arange(len(others)) % 6 < 3
    fresh = others.take(~halves)
    honest = judged(fresh, real_sets(real, others.take(halves), detector), detector)
    assert honest.authenticity.high >= honest.authenticity.real
    assert honest.gap.low < 0 < honest.gap.high


def test_a_model_is_asked_for_texture_and_styles(sets, others, detector):
    generator = zoo.load("spade-gan").generator
    found = judged(others, sets, detector, generator=generator, per_style=12, own_masks=1)
    assert found.texture is not None and found.texture.members == 24
    assert found.texture.auc[1] <= 0.5 <= found.texture.auc[2]  # it saw none of them
    assert set(found.styles) == {"siemens"} and 0 < found.styles["siemens"].p <= 1
    assert found.as_dict()["texture"]["auc"][0] == pytest.approx(found.texture.auc[0], abs=1e-3)


def test_the_heart_is_painted_over(real):
    covered = heart_covered(real.take(np.arange(2)))
    for picture, before, labels in zip(covered, real.pixels, real.labels, strict=False):
        assert np.ptp(picture[labels > 0]) == 0
        assert (picture[0] == before[0]).all()


def test_too_few_patients_are_refused(real, others, detector, sets):
    with pytest.raises(InputError, match="1 held-out patients, and 5 are needed"):
        real_sets(real, others.take(np.arange(3)), detector)
    with pytest.raises(InputError, match="masks of 1 patients"):
        judged(others.take(np.arange(3)), sets, detector)
    with pytest.raises(InputError, match="drawn real0"):
        real_sets(real, joined([others, real.take(np.arange(3))], name="both"), detector)
