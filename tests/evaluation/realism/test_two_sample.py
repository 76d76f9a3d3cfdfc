"""The two-sample test: chance on equal kinds, certainty on kinds that a pixel tells apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from cmr_synth.errors import InputError
from cmr_synth.evaluation.realism.two_sample import (
    Settings,
    TwoSample,
    area_under_curve,
    two_sample,
)
from tests.evaluation.conftest import drawn_sample

QUICK = Settings(epochs=16, batch_size=8, channels=(8, 16))


def result(real, synthetic, settings=QUICK) -> TwoSample:
    *progress, found = two_sample(real, synthetic, settings)
    assert [p.step for p in progress] == list(range(1, settings.folds * settings.epochs + 1))
    return found


def test_the_area_counts_pairs():
    negative, positive = np.array([0.1, 0.4, 0.35]), np.array([0.8, 0.35])
    pairs = [(p > n) + 0.5 * (p == n) for p in positive for n in negative]
    assert area_under_curve(negative, positive) == pytest.approx(np.mean(pairs))


def test_fresh_draws_of_one_kind_are_not_told_apart():
    real = drawn_sample(8, 4, size=64, seed=1)
    other = drawn_sample(8, 4, size=64, seed=2)
    found = result(real, other)
    assert found.low < 0.5 < found.high


def test_blurred_copies_are_found():
    from scipy import ndimage

    real = drawn_sample(8, 4, size=64, noise=0.08)
    blurred = replace(real, pixels=ndimage.gaussian_filter(real.pixels, (0, 1, 1)))
    found = result(real, blurred)
    assert found.auc > 0.95 and found.low > 0.8 and found.accuracy > 0.8
    assert found.scores.shape == (64,) and found.saliency.shape == (64, 64, 64)
    assert np.isfinite(found.saliency).all() and found.saliency.std() > 0


def test_saliency_points_at_what_differs():
    real = drawn_sample(8, 4, size=64)
    pixels = real.pixels.copy()
    pixels[:, 8:16, 40:48] = (np.indices((8, 8)).sum(axis=0) % 2).astype(np.float32)
    found = result(real, replace(real, pixels=pixels), QUICK)
    speaks = np.abs(found.saliency[32:]).mean(axis=0)
    assert speaks[8:16, 40:48].mean() > 3 * speaks.mean()


def test_it_is_repeatable_and_leaves_the_callers_seed_alone():
    real, other = drawn_sample(4, 4, size=64), drawn_sample(4, 4, size=64, seed=5)
    torch.manual_seed(3)
    wanted = torch.rand(1)
    torch.manual_seed(3)
    first = result(real, other, replace(QUICK, epochs=1))
    assert torch.rand(1) == wanted
    again = result(real, other, replace(QUICK, epochs=1))
    np.testing.assert_array_equal(first.scores, again.scores)
    moved = result(real, other, replace(QUICK, epochs=1, seed=1))
    assert not np.array_equal(first.scores, moved.scores)


def test_no_network_sees_a_patient_that_it_is_tested_on():
    from cmr_synth.evaluation.realism.two_sample import _folds

    real, other = drawn_sample(6, 4, size=64), drawn_sample(6, 4, size=64, seed=5)
    patients = np.concatenate([real.patients, other.patients])
    folds = _folds(patients, real, other, QUICK)
    assert np.sum(folds, axis=0).tolist() == [1] * 48  # each slice is tested once
    for tested in folds:
        assert not set(patients[tested]) & set(patients[~tested])


def test_patients_of_their_own_are_dealt_out_too():
    real = drawn_sample(6, 4, size=64)
    other = drawn_sample(6, 4, size=64, seed=5, prefix="s")
    found = result(real, other, replace(QUICK, epochs=1))
    assert found.patients == 12


def test_too_few_patients_and_other_sizes_are_refused():
    real = drawn_sample(3, 4, size=64)
    with pytest.raises(InputError, match="3 patients are too few for 4 parts"):
        result(real, real)
    with pytest.raises(InputError, match="bring both to the same grid"):
        result(real, drawn_sample(3, 4, size=128))


def test_the_interval_is_that_of_patients():
    from cmr_synth.evaluation.realism.two_sample import _interval

    rng = np.random.default_rng(0)
    truth = np.repeat([0.0, 1.0], 120)
    patients = np.tile(np.arange(12).repeat(10), 2).astype(str)
    # slices of a patient get nearly the same score
    scores = np.concatenate([rng.normal(k, 1, 12).repeat(10) for k in (0, 0.7)])
    scores += rng.normal(0, 0.01, 240)
    by_patient = _interval(scores, truth, patients, 0)
    by_slice = _interval(scores, truth, np.arange(240).astype(str), 0)
    assert np.ptp(by_patient) > 2 * np.ptp(by_slice)
    assert by_patient[0] < area_under_curve(scores[:120], scores[120:]) < by_patient[1]
