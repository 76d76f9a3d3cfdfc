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


def test_one_copy_among_hundreds_is_discovered():
    rng = np.random.default_rng(0)
    statistics = rng.uniform(0.5, 1, (400, 4)).astype(np.float32)
    statistics[0, 1] = 0.05
    p = p_of(held_out(rng, patients=30), statistics)
    assert np.flatnonzero(discoveries(p)).tolist() == [0]
    # somewhat nearer than all is not yet a copy
    statistics[0, 1] = 0.495
    assert not discoveries(p_of(held_out(rng, patients=30), statistics)).any()


def test_the_continued_tail_errs_on_the_large_side():
    small = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        drawn = 1 + 0.1 * rng.normal(size=(120 + 400, 4)).astype(np.float32)
        calibration = held_out(rng, patients=40)
        calibration = Calibration(
            drawn[:120], calibration.patients, calibration.vendors, calibration.levels
        )
        small.append((p_of(calibration, drawn[120:]) <= 0.001).mean())
    assert np.mean(small) <= 0.002


def test_duplicated_slices_change_nothing():
    rng = np.random.default_rng(3)
    one = held_out(rng, patients=30)
    many = np.concatenate([np.arange(len(one)), *[np.arange(3)] * 20])  # of the first patient
    heavy = Calibration.of(
        one.statistics[many], one.patients[many], one.vendors[many], one.levels[many]
    )
    asked = rng.uniform(0.4, 1, (50, 4)).astype(np.float32)
    assert one.combined(asked) == pytest.approx(heavy.combined(asked))
    assert p_of(one, asked) == pytest.approx(p_of(heavy, asked))
    assert one.threshold(0.05, (1,)) == pytest.approx(heavy.threshold(0.05, (1,)))


def test_few_patients_of_a_vendor_are_widened_and_named():
    calibration = held_out(np.random.default_rng(0), patients=30)
    calibration.vendors[: 3 * 25] = "ge"
    levels = np.array(["mid", "mid"])
    _, matched = calibration.p_values(np.ones((2, 4)), np.array(["ge", "siemens"]), levels)
    assert matched == ["ge, mid", "mid, all vendors"]


def test_without_a_discovery_nothing_is_flagged():
    assert not discoveries(np.full(100, 0.5)).any()
    assert discoveries(np.array([])).shape == (0,)


def test_discoveries_are_those_of_the_paper():
    """Step by step as Benjamini and Hochberg state it, ties and steps met exactly included."""
    rng = np.random.default_rng(0)
    for n in range(1, 60):
        for rate in (0.05, 0.1):
            k = int(rng.integers(1, n + 1))
            met = np.r_[np.full(k - 1, 1e-9), rate * k / n, np.full(n - k, 0.9)]
            for p in (met, rng.random(n) ** 3, rng.integers(1, 11, n) / 100):
                rank = np.array([(p <= each).sum() for each in p])
                largest = max(p[p <= rate * rank / n * (1 + 1e-12)], default=-1.0)
                np.testing.assert_array_equal(discoveries(p, rate), p <= largest)
