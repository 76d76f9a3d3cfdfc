"""Patients dealt into halves, and Frechet distances across them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cmr_synth.evaluation.realism.crossed import crossed
from cmr_synth.evaluation.realism.frechet import frechet_distance
from cmr_synth.evaluation.realism.halves import LEAST_DRAWN, Listed, Patients, listed

from ..conftest import drawn_sample


def of(prefix: str, patients: int, each: int, cells=("all",), strata=("all",)) -> Listed:
    """Slices of patients, cells and strata in turn."""
    patient = np.repeat([f"{prefix}{k:02d}" for k in range(patients)], each)
    return Listed(
        patient,
        np.resize(np.array(cells), len(patient)),
        np.resize(np.array(strata), patients).repeat(each),
        np.array([f"{name} {k:03d}" for k, name in enumerate(patient)]),
    )


def who(one: Listed, rows: np.ndarray) -> set:
    return set(one.patients[rows])


def test_no_patient_is_in_both_halves_and_counterparts_are_of_the_same_slices():
    slices = of("p", 9, 4)
    patients, rng = Patients(slices, slices), np.random.default_rng(0)
    for _ in range(20):
        weights = patients.drawn(rng)
        for halves in (patients.dealt(rng), patients.dealt(rng, weights)):
            first, second = halves.real
            assert not who(slices, first) & who(slices, second)
            assert len(first) == len(second) == halves.size
            assert np.array_equal(halves.made[0], first) and np.array_equal(halves.made[1], second)


def test_counterparts_in_another_order_are_found():
    slices = of("p", 8, 4)
    order = np.random.default_rng(1).permutation(32)
    shuffled = Listed(*(getattr(slices, k)[order] for k in ("patients", "cells", "strata", "keys")))
    halves = Patients(shuffled, slices).dealt(np.random.default_rng(0))
    for made, real in zip(halves.made, halves.real, strict=True):
        assert np.array_equal(shuffled.keys[made], slices.keys[real])


def test_a_patient_that_is_drawn_twice_stands_twice_in_its_half():
    slices = of("p", 8, 3)
    patients = Patients(slices, slices)
    weights = np.array([2, 2, 1, 1, 1, 1, 0, 0])
    halves = patients.dealt(np.random.default_rng(0), weights)
    counts = np.bincount(np.concatenate(halves.real) // 3, minlength=8)
    assert counts.tolist() == [6, 6, 3, 3, 3, 3, 0, 0] and halves.size == 12


def test_halves_have_as_many_slices_of_each_kind_and_patients_of_each_stratum():
    slices = of("p", 12, 5, cells=("basal", "mid", "apical", "mid"), strata=("dcm", "hcm"))
    patients, rng = Patients(slices, slices), np.random.default_rng(0)
    for _ in range(10):
        first, second = patients.dealt(rng).real
        assert sorted(slices.cells[first]) == sorted(slices.cells[second])
        strata = {name: slices.strata[slices.patients == name][0] for name in slices.patients}
        for half in (first, second):
            found = [strata[name] for name in who(slices, half)]
            assert found.count("dcm") == found.count("hcm") == 3


def test_synthetic_patients_of_their_own_are_dealt_apart_and_are_as_many():
    made, real = of("s", 10, 7), of("p", 8, 4)
    halves = Patients(made, real).dealt(np.random.default_rng(0))
    sizes = {len(rows) for rows in (*halves.made, *halves.real)}
    assert sizes == {16}
    assert not who(made, halves.made[0]) & who(made, halves.made[1])


def test_every_draw_leaves_two_patients_for_each_half():
    made, real = of("s", 6, 2), of("p", 6, 2)
    patients, rng = Patients(made, real), np.random.default_rng(0)
    for _ in range(50):
        weights = patients.drawn(rng)
        assert weights[:6].sum() == weights[6:].sum() == 6  # each kind among its own
        assert min(np.count_nonzero(weights[:6]), np.count_nonzero(weights[6:])) >= LEAST_DRAWN


def test_too_few_patients_are_refused():
    with pytest.raises(ValueError, match="5 patients are too few for halves; 6 are needed"):
        Patients(of("p", 8, 4), of("p", 5, 4))


def test_a_sample_tells_level_phase_vendor_and_pathology():
    found = listed(drawn_sample(2, 3, size=32))
    assert found.cells[:3].tolist() == ["basal ED siemens", "mid ES siemens", "apical ED siemens"]
    assert set(found.strata) == {"siemens normal", "ge dcm"}
    assert len(set(found.keys)) == 6


def features(patients: int, each: int, seed: int, *, alike: float = 0.6) -> np.ndarray:
    rng = np.random.default_rng(seed)
    own = rng.normal(0, np.sqrt(alike), (patients, 4)).repeat(each, axis=0)
    return own + rng.normal(0, np.sqrt(1 - alike), own.shape)


def test_the_distances_are_those_of_the_halves():
    slices = of("p", 8, 6)
    patients, real = Patients(slices, slices), features(8, 6, 0)
    made = features(8, 6, 1) + 0.5
    found = crossed(made, real, patients, splits=1, draws=2)
    halves = patients.dealt(np.random.default_rng(0))
    (p, q), (mp, mq) = halves.real, halves.made
    across = np.mean([frechet_distance(made[mp], real[q]), frechet_distance(made[mq], real[p])])
    floor = frechet_distance(real[p], real[q])
    assert (found.made[0], found.real[0]) == pytest.approx((across, floor), rel=1e-9)
    assert found.ratio[0] == pytest.approx(across / floor, rel=1e-9)


def test_real_slices_themselves_are_at_one_whatever_is_drawn():
    slices, real = of("p", 8, 6), features(8, 6, 0)
    found = crossed(real, real, Patients(slices, slices), splits=5, draws=20)
    assert found.ratio == pytest.approx((1, 1, 1)) and found.made == pytest.approx(found.real)


def test_the_interval_is_that_of_patients_and_of_both_sides():
    """Slices of a patient all but alike; as patients of their own they would say more."""
    slices = of("p", 16, 6)
    each = replace(slices, patients=slices.keys)
    real, made = features(16, 6, 0, alike=0.95), features(16, 6, 1, alike=0.95)
    wide, narrow = (
        crossed(made, real, Patients(one, one), splits=10, draws=60) for one in (slices, each)
    )
    for part in ("made", "real"):
        (value, low, high), (_, least, most) = getattr(wide, part), getattr(narrow, part)
        assert low < value < high and high - low > 1.3 * (most - least)
    assert wide.ratio[1] < wide.ratio[0] < wide.ratio[2]
