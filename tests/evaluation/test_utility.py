"""The utility experiment's parts: training sets, unknown labels, comparisons by patient."""

import json

import numpy as np
import pytest

from cmr_synth.anatomy.labels import LV, RV, UNLABELLED
from cmr_synth.cohorts.slices import SliceSet
from cmr_synth.errors import InputError
from cmr_synth.evaluation.adherence.patients import PatientScore, patient_scores
from cmr_synth.evaluation.utility.arms import Arm, training_set, vendor_of_copy
from cmr_synth.evaluation.utility.results import compare_arms

from .conftest import drawn_sample

VENDORS = ("siemens", "philips", "ge")


@pytest.fixture
def slices():
    sample = drawn_sample(4, 3, size=160)
    images = (sample.pixels * 255).astype(np.uint8)
    covered = np.ones_like(sample.labels)
    return SliceSet(images, sample.labels, covered, sample.rows, {"spacing_mm": 1.5})


def test_arms_have_names_and_copies():
    assert Arm(True, 0).name == "real" and list(Arm(True, 0).chosen) == []
    assert Arm(False, 1).name == "synthetic" and list(Arm(False, 1).chosen) == [0]
    assert Arm(True, 2).name == "real + 2 x synthetic" and list(Arm(True, 2).chosen) == [1, 2]
    with pytest.raises(ValueError, match="needs real slices"):
        Arm(False, 0)


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
    index = np.arange(len(slices))
    copies = [np.full((len(slices), 128, 128), k, np.uint8) for k in range(3)]
    real = training_set(Arm(True, 0), slices, index, copies)
    made = training_set(Arm(False, 1), slices, index, copies)
    both = training_set(Arm(True, 2), slices, index, copies)
    assert (real.labels == made.labels).all() and (made.images == 0).all()
    assert len(both) == 3 * len(real) and (both.images[: len(real)] == real.images).all()
    assert set(np.unique(both.images[len(real) :])) == {1, 2}
    assert all(row.split == "train" for row in both.rows)
    with pytest.raises(InputError, match="1 copies were made"):
        training_set(Arm(True, 2), slices, index, copies[:1])


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


def test_gains_are_paired_by_patient():
    found = compare_arms({"real": [scores(0)], "synthetic": [scores(-0.02)]})
    (one,) = [
        r
        for r in found
        if (r.arm, r.score, r.stratum.by, r.stratum.structure)
        == ("synthetic", "dice", "cohort", "mean")
    ]
    # patients differ by far more than the arms, which pairing takes out
    assert one.difference == pytest.approx(-0.02) and one.difference_low == pytest.approx(-0.02)
    assert one.p < 0.001 and one.patients == 12 and one.high - one.low > 0.01
    assert {r.stratum.by for r in found} == {"cohort", "vendor", "pathology", "level"}
    assert json.dumps([r.as_dict() for r in found], allow_nan=False)


def test_seeds_are_averaged_before_patients_are_compared():
    arms = {"real": [scores(0), scores(0)], "synthetic": [scores(0.03), scores(-0.03)]}
    (one,) = [
        r
        for r in compare_arms(arms)
        if (r.arm, r.score, r.stratum.by, r.stratum.structure)
        == ("synthetic", "dice", "cohort", "LV")
    ]
    assert one.difference == pytest.approx(0, abs=1e-12) and one.patients == 12
    assert one.seed_spread == pytest.approx(0.06 / np.sqrt(2))


def test_few_patients_have_no_test():
    found = compare_arms({"real": [scores(0, 4)], "synthetic": [scores(0.01, 4)]})
    assert all(r.p is None for r in found)
