"""Lower bounds of epsilon: never above the truth, near it where they can be."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cmr_synth.privacy.canaries import Bound, ceiling, lower_bound


@pytest.mark.parametrize("canaries", [20, 100, 1000])
def test_the_ceiling_is_that_of_all_guesses_right(canaries):
    """q^m = 5 %, q = e^eps / (1 + e^eps)."""
    share = 0.05 ** (1 / canaries)
    assert ceiling(canaries) == pytest.approx(math.log(share / (1 - share)), rel=1e-6)
    assert ceiling(canaries, delta=1e-5) < ceiling(canaries)


def test_more_right_guesses_show_more():
    shown = [lower_bound(200, 100, right, delta=1e-5) for right in range(40, 101, 10)]
    assert shown == sorted(shown) and shown[0] == 0 < shown[-1]


def test_chance_shows_nothing():
    assert lower_bound(1000, 1000, 500) == 0
    assert lower_bound(1000, 1000, 0) == 0


@pytest.mark.parametrize("epsilon", [0.5, 1.0, 3.0])
def test_the_bound_stays_below_a_known_epsilon(epsilon):
    """Randomised response tells each coin rightly with e^eps / (1 + e^eps): the worst there is."""
    rng = np.random.default_rng(0)
    share = 1 / (1 + math.exp(-epsilon))
    bounds = [lower_bound(400, 400, int(rng.binomial(400, share))) for _ in range(300)]
    assert np.mean(np.array(bounds) > epsilon) <= 0.08  # 5 %, and what 300 draws allow
    assert np.median(bounds) > 0.6 * epsilon


def test_delta_counts_for_every_canary():
    """A delta lets so many canaries be given away: 2 m delta at the worst."""
    without, small, large = (lower_bound(100, 100, 95, delta=delta) for delta in (0.0, 1e-5, 1e-2))
    assert without > small > large


def test_numbers_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="guesses"):
        lower_bound(10, 20, 5)
    with pytest.raises(ValueError, match="shares"):
        lower_bound(10, 5, 5, delta=2)


def test_verdicts_name_the_ceiling_and_contradictions():
    def bound(found, top, stated):
        return Bound(100, 50, 40, found, top, 1e-5, 0.95, {"epsilon": stated}).verdict

    assert "no more than 3.00 could have been shown" in bound(0.5, 3.0, 10.0)
    assert "one of them is wrong" in bound(2.0, 3.0, 1.0)
    assert bound(0.5, 3.0, 2.0) == "epsilon lies between 0.50 and the account's 2"
    assert "without an account" in Bound(100, 50, 40, 0.5, 3, 0, 0.95).verdict
