"""Kernel distance: closed forms, unbiased at small sizes, intervals by patient."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.evaluation.realism.kernel import kernel_distance


def naive(a, b, patients_a, patients_b) -> float:
    """The definition, pair by pair."""
    d = a.shape[1]

    def k(x, y):
        return (x @ y / d + 1) ** 3

    def mean(x, of_x, y, of_y):
        pairs = zip(x, of_x, strict=True)
        return np.mean([k(s, t) for s, p in pairs for t, q in zip(y, of_y, strict=True) if p != q])

    return (
        mean(a, patients_a, a, patients_a)
        + mean(b, patients_b, b, patients_b)
        - 2 * mean(a, patients_a, b, patients_b)
    )


def test_it_is_the_definition():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(11, 5)), rng.normal(0.5, 1.2, (8, 5))
    patients_a, patients_b = np.arange(11) // 3, 2 + np.arange(8) // 2  # two are on both sides
    found = kernel_distance(a, b, patients_a, patients_b)
    assert found.value == pytest.approx(naive(a, b, patients_a, patients_b), rel=1e-10)


def test_slices_of_one_patient_are_no_pair():
    """Patients of one slice, and the same slices twice: nothing is known that was not before."""
    rng = np.random.default_rng(7)
    a, b, patients = rng.normal(size=(12, 4)), rng.normal(size=(12, 4)), np.arange(12)
    once = kernel_distance(a, b, patients, 20 + patients)
    twice = kernel_distance(
        *(x.repeat(2, axis=0) for x in (a, b)), *(x.repeat(2) for x in (patients, 20 + patients))
    )
    assert twice.value == pytest.approx(once.value, rel=1e-10)
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high), rel=1e-10)


def test_shifted_normals_have_their_closed_form():
    # E k(x, y) for independent x ~ N(0, I), y ~ N(m, I): with z = x.y / d + 1, E z^3
    d, n, shift = 8, 3000, 0.7
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(n, d)), rng.normal(shift, 1, (n, d))

    def third_moment(m1, m2):
        """E (x.y/d + 1)^3 for x ~ N(m1, I), y ~ N(m2, I), all entries of the means equal."""
        mean = m1 * m2  # E x.y / d
        square = ((1 + m1**2) * (1 + m2**2) + (d - 1) * mean**2) / d  # E (x.y)^2 / d^2
        p2, p3 = (1 + m1**2) * (1 + m2**2), (3 * m1 + m1**3) * (3 * m2 + m2**3)
        cube = (d * p3 + 3 * d * (d - 1) * p2 * mean + d * (d - 1) * (d - 2) * mean**3) / d**3
        return cube + 3 * square + 3 * mean + 1

    wanted = third_moment(0, 0) + third_moment(shift, shift) - 2 * third_moment(0, shift)
    found = kernel_distance(a, b, np.arange(n), np.arange(n, 2 * n), draws=0)
    assert found.value == pytest.approx(wanted, rel=0.1)


def test_it_is_unbiased_at_small_sizes():
    rng = np.random.default_rng(2)
    values = [
        kernel_distance(
            rng.normal(size=(6, 4)),
            rng.normal(size=(6, 4)),
            np.arange(6),
            6 + np.arange(6),
            draws=0,
        ).value
        for _ in range(400)
    ]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values))
    assert np.min(values) < 0


def test_equal_sets_are_no_further_apart_than_chance():
    a = np.random.default_rng(3).normal(size=(40, 6))
    found = kernel_distance(a, a, np.arange(40) // 4, np.arange(40) // 4)
    assert (found.value, found.low, found.high) == pytest.approx((0, 0, 0), abs=1e-9)


def test_the_interval_is_that_of_patients():
    rng = np.random.default_rng(4)

    def slices_of(patients, each, mean):
        """Slices of a patient are nearly the same."""
        own = rng.normal(mean, 1, (patients, 5))
        return np.repeat(own, each, axis=0) + rng.normal(0, 0.01, (patients * each, 5))

    a, b = slices_of(12, 10, 0.0), slices_of(12, 10, 0.4)
    patients = np.repeat(np.arange(12), 10)
    by_patient = kernel_distance(a, b, patients, 100 + patients)
    by_slice = kernel_distance(a, b, np.arange(120), 200 + np.arange(120))
    assert by_patient.high - by_patient.low > 2 * (by_slice.high - by_slice.low)
    assert by_patient.low < by_patient.value < by_patient.high


def test_the_order_of_patients_changes_nothing():
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(20, 3)), rng.normal(size=(20, 3))
    patients = np.arange(20) // 4
    order = rng.permutation(20)
    first = kernel_distance(a, b, patients, patients)
    other = kernel_distance(a[order], b[order], patients[order], patients[order])
    assert (first.value, first.low, first.high) == pytest.approx(
        (other.value, other.low, other.high)
    )


def test_one_patient_is_refused():
    a = np.random.default_rng(6).normal(size=(5, 3))
    with pytest.raises(ValueError, match="two patients in each set"):
        kernel_distance(a, a + 1, np.zeros(5), np.arange(5))


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.ones((1, 3)), np.ones((4, 3)), "two sets of"),
        (np.ones((4, 2)), np.ones((4, 3)), "two sets of"),
        (np.full((4, 3), np.nan), np.ones((4, 3)), "NaN or infinite"),
    ],
)
def test_what_is_no_set_of_features_is_refused(a, b, message):
    with pytest.raises(ValueError, match=message):
        kernel_distance(a, b, np.arange(len(a)), np.arange(len(b)))
