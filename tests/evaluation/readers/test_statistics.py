"""Statistics of readers against closed forms and published examples."""

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from cmr_synth.evaluation.readers.statistics import (
    cohen_kappa,
    d_prime,
    fleiss_kappa,
    wilson_interval,
)


@pytest.mark.parametrize(("right", "of"), [(0, 10), (10, 10), (7, 20), (150, 300)])
def test_wilson_is_that_of_scipy(right, of):
    expected = binomtest(right, of).proportion_ci(method="wilson")
    assert wilson_interval(right, of) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_no_trial_says_nothing():
    assert wilson_interval(0, 0) == (0.0, 1.0)
    with pytest.raises(ValueError, match="no share"):
        wilson_interval(3, 2)


def test_guessing_has_no_detectability_and_perfect_readers_have_a_number():
    assert d_prime(15, 30, 15, 30) == 0
    perfect = d_prime(30, 30, 0, 30)
    assert perfect == pytest.approx(2 * norm.ppf(30.5 / 31))
    assert d_prime(0, 30, 30, 30) == pytest.approx(-perfect)
    assert np.isnan(d_prime(3, 3, 0, 0))


def test_cohen_kappa_of_a_known_table():
    # 20 both yes, 5 only first, 10 only second, 15 both no: kappa 0.4
    a = np.repeat([1, 1, 0, 0], [20, 5, 10, 15])
    b = np.repeat([1, 0, 1, 0], [20, 5, 10, 15])
    assert cohen_kappa(a, b) == pytest.approx(0.4)
    assert cohen_kappa(a, a) == 1
    assert np.isnan(cohen_kappa(np.ones(4), np.ones(4)))
    assert np.isnan(cohen_kappa(np.array([]), np.array([])))


def test_fleiss_kappa_of_the_published_example():
    # Fleiss 1971 as reprinted widely: 10 subjects, 14 raters, 5 categories, kappa 0.210
    counts = np.array(
        [
            [0, 0, 0, 0, 14],
            [0, 2, 6, 4, 2],
            [0, 0, 3, 5, 6],
            [0, 3, 9, 2, 0],
            [2, 2, 8, 1, 1],
            [7, 7, 0, 0, 0],
            [3, 2, 6, 3, 0],
            [2, 5, 3, 2, 2],
            [6, 5, 2, 1, 0],
            [0, 2, 2, 3, 7],
        ]
    )
    assert fleiss_kappa(counts) == pytest.approx(0.210, abs=5e-4)
    with pytest.raises(ValueError, match="same number"):
        fleiss_kappa(np.array([[2, 0], [1, 0]]))
