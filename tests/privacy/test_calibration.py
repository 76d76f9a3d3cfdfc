"""P-values: right on null data, indifferent to duplicates, small for copies."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.privacy.calibration import Calibration, discoveries


def held_out(rng: np.random.Generator, patients: int = 200, each: int = 3) -> Calibration:
    count = patients * each
    return Calibration(
        rng.uniform(0.5, 1, (count, 4)).astype(np.float32),
        np.repeat([f"p{i}" for i in range(patients)], each),
        np.full(count, "siemens"),
        np.tile(["basal", "mid", "apical"], patients),
    )


def p_of(calibration: Calibration, statistics: np.ndarray) -> np.ndarray:
    count = len(statistics)
    return calibration.p_values(
        statistics, np.full(count, "siemens"), np.tile(["basal", "mid", "apical"], count)[:count]
    )[0]


def test_an_honest_generator_is_flagged_at_the_nominal_rate():
    shares = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        p = p_of(held_out(rng), rng.uniform(0.5, 1, (600, 4)).astype(np.float32))
        shares.append(float((p <= 0.05).mean()))
    assert 0.03 <= np.mean(shares) <= 0.08


def test_copies_are_discovered_among_honest_slices():
    rng = np.random.default_rng(0)
    statistics = rng.uniform(0.5, 1, (300, 4)).astype(np.float32)
    statistics[:30, 1] = 0.01
    flagged = discoveries(p_of(held_out(rng), statistics))
    assert flagged[:30].all() and flagged[30:].mean() < 0.03


def test_duplicated_slices_change_nothing():
    rng = np.random.default_rng(3)
    one = held_out(rng, patients=30)
    many = np.concatenate([np.arange(len(one)), *[np.arange(3)] * 20])  # of the first patient
    heavy = Calibration(
        one.statistics[many], one.patients[many], one.vendors[many], one.levels[many]
    )
    asked = rng.uniform(0.4, 1, (50, 4)).astype(np.float32)
    assert one.combined(asked) == pytest.approx(heavy.combined(asked))
    assert p_of(one, asked) == pytest.approx(p_of(heavy, asked))
    assert one.threshold(0.05, 1) == heavy.threshold(0.05, 1)


def test_few_patients_of_a_vendor_are_widened_and_named():
    calibration = held_out(np.random.default_rng(0), patients=30)
    calibration.vendors[: 3 * 25] = "ge"
    levels = np.array(["mid", "mid"])
    _, matched = calibration.p_values(np.ones((2, 4)), np.array(["ge", "siemens"]), levels)
    assert matched == ["ge, mid", "mid, all vendors"]


def test_without_a_discovery_nothing_is_flagged():
    assert not discoveries(np.full(100, 0.5)).any()
    assert discoveries(np.array([])).shape == (0,)
