"""Populations of hearts compared: closed forms, and the patient as the unit."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.anatomy.labels import LV, MYO, RV
from cmr_synth.anatomy.measurements import SECTORS
from cmr_synth.anatomy.template import draw_slice
from cmr_synth.evaluation.distributions import (
    MEASURES,
    difference,
    hedges_g,
    patient_means,
    slice_measures,
)


def annulus(inner=12.0, outer=18.0, *, rv=True) -> np.ndarray:
    """Centred rings on a fine grid, with a crescent to the left."""
    y, x = np.mgrid[:160, :160] - 79.5
    away = np.hypot(y, x)
    labels = np.zeros((160, 160), np.uint8)
    if rv:
        labels[(np.hypot(y, x + 16) < 20) & (away >= outer)] = RV
    labels[away < outer] = MYO
    labels[away < inner] = LV
    return labels


def test_rings_have_their_areas_and_walls():
    found = slice_measures(annulus(), (0.5, 0.5))
    assert set(found) == set(MEASURES)
    assert found["lv_area"] == pytest.approx(np.pi * 6**2, rel=0.01)
    assert found["myo_area"] == pytest.approx(np.pi * (9**2 - 6**2), rel=0.02)
    assert found["lv_to_myo"] == pytest.approx(36 / 45, rel=0.03)  # outlines of pixels
    for sector in SECTORS:
        assert found[f"wall_{sector}"] == pytest.approx(3.0, abs=0.15)


def test_what_is_not_there_is_not_small():
    found = slice_measures(annulus(rv=False), (0.5, 0.5))
    assert np.isnan([found["rv_area"], found["rv_to_lv"], found["wall_anterior"]]).all()
    assert found["lv_area"] > 0
    empty = slice_measures(np.zeros((32, 32), np.uint8), (1.5, 1.5))
    assert np.isnan(list(empty.values())).all()


def test_drawn_hearts_have_every_measurement():
    assert np.isfinite(list(slice_measures(draw_slice(), (1.5, 1.5)).values())).all()


def test_slices_are_averaged_by_patient():
    values = np.array([1.0, 3.0, 10.0, np.nan, 5.0])
    np.testing.assert_allclose(patient_means(values, np.array(list("aabca"))), [3.0, 10.0])


def test_the_effect_of_two_normals_is_their_shift():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 2, 20000), rng.normal(1, 2, 20000)
    assert hedges_g(a, b) == pytest.approx(0.5, abs=0.03)
    assert hedges_g(b, a) == pytest.approx(-hedges_g(a, b))


def test_small_sets_are_corrected():
    a, b = np.array([0.0, 1, 2]), np.array([1.0, 2, 3])
    assert hedges_g(a, b) == pytest.approx(1.0 * (1 - 3 / 15))  # of equal deviations 1


def test_constant_sets():
    assert hedges_g(np.ones(4), np.ones(4)) == 0
    assert hedges_g(np.ones(4), np.zeros(4)) == -np.inf


def test_equal_populations_do_not_differ():
    values, patients = np.random.default_rng(1).normal(size=60), np.arange(60) // 3
    found = difference(values, patients, values, patients)
    assert found is not None
    assert found.effect == found.distance == 0 and found.low < 0 < found.high
    assert (found.real_patients, found.synthetic_patients) == (20, 20)


def test_a_shift_is_found_with_its_size():
    rng = np.random.default_rng(2)
    a, b = rng.normal(50, 5, 80), rng.normal(60, 5, 80)
    found = difference(a, np.arange(80), b, np.arange(80))
    assert found is not None
    assert found.effect == pytest.approx(2.0, abs=0.4) and 0 < found.low < found.effect < found.high
    assert found.distance == pytest.approx(10, abs=2)


def test_another_spread_is_seen_by_the_distance():
    rng = np.random.default_rng(3)
    a, b = rng.normal(0, 1, 400), rng.normal(0, 3, 400)
    found = difference(a, np.arange(400), b, np.arange(400))
    assert found is not None
    assert abs(found.effect) < 0.2 and found.distance == pytest.approx(
        2 * np.sqrt(2 / np.pi), rel=0.15
    )


def test_more_slices_of_a_patient_prove_nothing():
    rng = np.random.default_rng(4)
    own = rng.normal(size=12)
    once = difference(own, np.arange(12), own + 0.3, np.arange(12))
    many = difference(
        np.repeat(own, 20),
        np.repeat(np.arange(12), 20),
        np.repeat(own + 0.3, 20),
        np.repeat(np.arange(12), 20),
    )
    assert once is not None and many is not None
    assert (once.effect, once.low, once.high) == pytest.approx((many.effect, many.low, many.high))


def test_one_patient_is_no_population():
    assert difference(np.ones(5), np.zeros(5), np.arange(5.0), np.arange(5)) is None
