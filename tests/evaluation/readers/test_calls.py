"""Intervals of reader studies on readers and images whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from cmr_synth.evaluation.readers.calls import Reading, calls_of
from cmr_synth.evaluation.readers.statistics import wilson_interval

STUDIES = 300
SKILL, DIFFICULTY, SEEN = 0.15, 0.3, 0.4
"""Deviation of readers and of images, and how well the mean reader tells them, in probits."""


def readings(rng, readers=5, images=60, bias=0.0):
    """A study: readers differ in skill, images in how hard they are for all."""
    kinds = np.resize(["real", "synthetic"], images)
    lean = np.where(kinds == "synthetic", bias, -bias)
    ease = SEEN + lean + rng.normal(0, SKILL, (readers, 1)) + rng.normal(0, DIFFICULTY, images)
    right = rng.random((readers, images)) < norm.cdf(ease)
    other = {"real": "synthetic", "synthetic": "real"}
    return [
        Reading(f"r{r}", f"p{i}", kind, kind if right[r, i] else other[kind], 3)
        for r in range(readers)
        for i, kind in enumerate(kinds.tolist())
    ]


def rate(bias=0.0):
    """Expected share of right calls, over all readers and images."""
    return norm.cdf((SEEN + bias) / np.sqrt(1 + SKILL**2 + DIFFICULTY**2))


def ends(found, name):
    prefix = "" if name == "accuracy" else f"{name}_"
    return getattr(found, f"{prefix}low"), getattr(found, f"{prefix}high")


def test_intervals_of_five_readers_hold_the_truth_where_pooled_answers_do_not():
    bias = 0.2  # the mean reader says "synthetic" a little too often
    truth = {
        "accuracy": (rate(bias) + rate(-bias)) / 2,
        "sensitivity": rate(bias),
        "specificity": rate(-bias),
        "d_prime": norm.ppf(rate(bias)) + norm.ppf(rate(-bias)),
    }
    rng = np.random.default_rng(0)
    held, pooled = dict.fromkeys(truth, 0), 0
    for _ in range(STUDIES):
        found = calls_of("all", readings(rng, bias=bias), draws=400)
        for name, value in truth.items():
            low, high = ends(found, name)
            held[name] += low <= value <= high
        low, high = wilson_interval(found.right, found.images)  # as if all were independent
        pooled += low <= truth["accuracy"] <= high
    for name, count in held.items():
        assert 0.92 <= count / STUDIES <= 0.98, (name, count / STUDIES)
    assert 0.75 <= pooled / STUDIES <= 0.87


def test_more_readers_of_equal_answers_make_no_interval_narrower():
    one = readings(np.random.default_rng(1), readers=1)
    many = [replace(reading, reader=f"r{k}") for k in range(5) for reading in one]
    alone, together = calls_of("ann", one), calls_of("all", many)
    assert (alone.readers, together.readers, alone.patients) == (1, 5, 60)
    assert together.accuracy == alone.accuracy
    for name in ("accuracy", "sensitivity", "specificity"):
        width, other = (high - low for low, high in (ends(alone, name), ends(together, name)))
        assert other == pytest.approx(width, rel=0.1)
    pooled = wilson_interval(together.right, together.images)
    assert together.high - together.low > 2 * (pooled[1] - pooled[0])


def test_slices_of_one_patient_are_drawn_together():
    apart = readings(np.random.default_rng(2), readers=1, images=12)
    alike = [one for one in apart for _ in range(10)]
    names = [replace(one, patient=f"{one.patient}-{k}") for k, one in enumerate(alike)]
    by_patient, by_slice = calls_of("ann", alike), calls_of("ann", names)
    assert by_patient.accuracy == by_slice.accuracy
    assert by_patient.high - by_patient.low > 2 * (by_slice.high - by_slice.low)


def test_where_no_draw_differs_patients_count_once():
    sure = [Reading(r, f"p{i}", k, k, 3) for r in "ab" for i, k in enumerate(["real"] * 4)]
    found = calls_of("all", sure)
    assert (found.accuracy, found.low, found.high) == (1, *wilson_interval(4, 4))
    assert np.isnan([found.sensitivity, found.d_prime, found.d_prime_low]).all()


def test_readers_may_have_seen_other_images():
    given = readings(np.random.default_rng(3))
    some = [one for k, one in enumerate(given) if k % 5]
    found = calls_of("all", some)
    assert found.images == len(some) and found.low < found.accuracy < found.high
    assert str(calls_of("all", some)) == str(found)
