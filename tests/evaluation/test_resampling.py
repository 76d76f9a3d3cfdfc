"""Patients drawn anew: intervals that cover, streams that repeat, whole patients only."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.evaluation.resampling import (
    drawn_rows,
    drawn_weights,
    drawn_within,
    matched_rows,
    mean_interval,
    p_value,
    percentile_interval,
    permuted_within,
    rows_of_patients,
    shifted_interval,
    slice_mean_interval,
    some_patients,
)

PATIENTS = np.array(["b", "a", "b", "c", "a", "b"])


def test_the_interval_covers_the_true_mean() -> None:
    """Of 200 experiments at 95%, 178 or fewer would cover with a chance below 0.1%."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        low, high = mean_interval(rng.normal(0.9, 0.05, 40), draws=400)
        covered += low <= 0.9 <= high
    assert covered > 178


def test_the_interval_holds_the_mean_and_narrows_with_patients() -> None:
    rng = np.random.default_rng(1)
    widths = []
    for patients in (10, 100, 1000):
        values = rng.normal(0.8, 0.1, patients)
        low, high = mean_interval(values)
        assert low < values.mean() < high
        widths.append(high - low)
    assert widths == sorted(widths, reverse=True)


def test_a_lower_level_is_narrower() -> None:
    values = np.linspace(0, 1, 30)
    low, high = mean_interval(values, level=0.95)
    inner_low, inner_high = mean_interval(values, level=0.5)
    assert low < inner_low < inner_high < high


def test_nan_patients_do_not_count() -> None:
    values = np.linspace(0.5, 1, 20)
    with_nan = np.concatenate([values, [np.nan] * 5])
    assert mean_interval(with_nan) == mean_interval(values)


def test_equal_values_have_no_width() -> None:
    assert mean_interval(np.full(5, 0.7)) == pytest.approx((0.7, 0.7))


def test_patients_are_drawn_whole() -> None:
    rows = rows_of_patients(PATIENTS)
    assert [list(one) for one in rows] == [[1, 4], [0, 2, 5], [3]]
    rng = np.random.default_rng(0)
    for _ in range(20):
        counts = np.bincount(drawn_rows(rng, rows), minlength=6)
        for one in rows:
            assert len(set(counts[one])) == 1


def test_weights_count_the_same_draws_as_rows() -> None:
    rows = rows_of_patients(PATIENTS)
    drawn = drawn_rows(np.random.default_rng(3), rows)
    weights = drawn_weights(np.random.default_rng(3), len(rows))
    assert weights.sum() == 3
    assert np.bincount(drawn, minlength=6)[[1, 0, 3]].tolist() == weights.tolist()


def test_groups_are_drawn_among_their_own() -> None:
    groups = np.array([True, False, True, False, False])
    weight = drawn_within(np.random.default_rng(0), groups, 50)
    assert (weight[:, groups].sum(axis=1) == 2).all() and (
        weight[:, ~groups].sum(axis=1) == 3
    ).all()
    assert weight.std(axis=0).all()


def test_flags_are_shuffled_within_groups() -> None:
    groups = np.array(["x"] * 4 + ["y"] * 6)
    flags = np.arange(10) % 3 == 0
    shuffled = permuted_within(np.random.default_rng(0), flags, groups, 40)
    for group in "xy":
        assert (shuffled[:, groups == group].sum(axis=1) == flags[groups == group].sum()).all()
    assert (shuffled != flags).any()


def test_a_shifted_interval_is_about_the_figure_found() -> None:
    found = np.random.default_rng(0).normal(5, 1, 4000)
    low, high = shifted_interval(found, 3.0)
    assert (low, high) == pytest.approx((3 - 1.96, 3 + 1.96), abs=0.15)
    assert np.isnan(shifted_interval([], 3.0)).all()


def test_what_is_not_a_number_does_not_count_in_an_interval() -> None:
    found = np.linspace(0, 1, 1001)
    assert percentile_interval([*found, np.nan]) == pytest.approx((0.025, 0.975))
    assert np.isnan(percentile_interval([np.nan])).all()


def test_slices_of_one_patient_are_drawn_together() -> None:
    values = np.random.default_rng(0).normal(size=20).repeat(10)
    patients = np.arange(20).repeat(10)
    by_patient = slice_mean_interval(values, patients)
    by_slice = slice_mean_interval(values, np.arange(200))
    assert by_patient[0] < values.mean() < by_patient[1]
    assert np.ptp(by_patient) > 2 * np.ptp(by_slice)
    # with as many slices each, it is the interval of the patients' means
    assert by_patient == pytest.approx(mean_interval(values[::10]), abs=1e-9)


def test_a_p_value_counts_the_figure_found() -> None:
    assert p_value(np.zeros(99), 1.0) == pytest.approx(0.01)
    assert p_value(np.arange(99.0), 90.0) == pytest.approx(10 / 100)
    assert p_value([0.1 + 0.2], 0.3) == 1  # equal but for rounding


def test_sets_are_cut_by_whole_patients() -> None:
    rows = matched_rows(PATIENTS, 5, seed=1)
    assert len(set(rows)) == 5
    assert len(set(PATIENTS[rows])) >= 2 and np.array_equal(rows, matched_rows(PATIENTS, 5, seed=1))
    for seed in range(5):
        chosen = some_patients(np.random.default_rng(seed), PATIENTS, 2)
        assert len(set(PATIENTS[chosen])) == 2
        assert chosen.sum() == sum((PATIENTS == name).sum() for name in set(PATIENTS[chosen]))
