"""Precision, recall, density and coverage: sets of which they are known."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.evaluation.realism.coverage import coverage, standardised


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_the_same_set_is_covered_wholly(rng) -> None:
    points = rng.standard_normal((200, 4))
    found = coverage(points, points)
    assert (found.precision, found.recall, found.coverage) == (1, 1, 1)
    # every point lies within the balls of those whose k nearest it is among, and at its own centre
    assert found.density == pytest.approx(1, abs=0.25)


def test_sets_far_apart_share_nothing(rng) -> None:
    points = rng.standard_normal((100, 3))
    found = coverage(points, points + 50)
    assert (found.precision, found.recall, found.density, found.coverage) == (0, 0, 0, 0)


def test_a_collapsed_model_is_precise_and_recalls_next_to_nothing(rng) -> None:
    real = rng.standard_normal((300, 4))
    one_good_picture = real[0] + 1e-3 * rng.standard_normal((300, 4))
    found = coverage(real, one_good_picture)
    assert found.precision == 1
    assert found.recall < 0.02 and found.coverage < 0.1


def test_half_of_the_modes_are_half_of_the_coverage(rng) -> None:
    modes = np.array([[0.0, 0.0], [100.0, 0.0]])
    real = modes[np.arange(400) % 2] + rng.standard_normal((400, 2))
    found = coverage(real, modes[0] + rng.standard_normal((400, 2)))
    assert found.precision > 0.9
    assert found.recall == pytest.approx(0.5, abs=0.05)
    assert found.coverage == pytest.approx(0.5, abs=0.08)


def test_fresh_draws_are_alike_both_ways(rng) -> None:
    found = coverage(rng.standard_normal((500, 3)), rng.standard_normal((500, 3)))
    assert found.precision == pytest.approx(found.recall, abs=0.1)
    assert found.coverage > 0.9


def test_the_order_changes_nothing(rng) -> None:
    real, made = rng.standard_normal((2, 80, 3))
    assert coverage(real, made) == coverage(real[::-1], rng.permutation(made))


def test_more_neighbours_are_larger_neighbourhoods(rng) -> None:
    real, made = rng.standard_normal((80, 3)), 1.5 * rng.standard_normal((80, 3))
    few, many = (coverage(real, made, neighbours=k) for k in (1, 10))
    assert few.precision < many.precision and few.recall < many.recall


def test_standardised_dimensions_count_the_same(rng) -> None:
    points = rng.standard_normal((50, 3)) * [1, 1000, 0]
    found = standardised(points, points)
    np.testing.assert_allclose(found.std(axis=0), [1, 1, 0])


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda a: a[:-1], "equal size"),
        (lambda a: a * np.nan, "NaN"),
    ],
)
def test_bad_sets_are_refused(rng, change, said) -> None:
    points = rng.standard_normal((20, 3))
    with pytest.raises(ValueError, match=said):
        coverage(points, change(points))
    with pytest.raises(ValueError, match="4 points have no 5 neighbours"):
        coverage(points[:4], points[:4])
