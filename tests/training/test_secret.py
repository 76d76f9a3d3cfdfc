"""Draws from a secret: the same for a name, apart between names, and standard normal."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from cmr_synth.training.secret import SIZE, Secret

ONE = Secret(bytes(SIZE))


def test_a_name_always_draws_the_same_whatever_else_is_drawn():
    first = ONE.draw("picture", 3, "acdc", "patient001").random(4)
    ONE.draw("picture", 3, "acdc", "patient000").random(100)
    np.testing.assert_array_equal(ONE.draw("picture", 3, "acdc", "patient001").random(4), first)
    np.testing.assert_array_equal(ONE.normal(5, "noise", 3), ONE.normal(5, "noise", 3))


@pytest.mark.parametrize("other", [("a", 11), ("a1", 1), (1, "a", 1), ("a", "1", 1)])
def test_names_that_read_alike_draw_apart(other):
    assert ONE.draw("a", 1, 1).random() != ONE.draw(*other).random()
    assert ONE.normal(1, "a", 1, 1) != ONE.normal(1, *other)


def test_another_secret_draws_otherwise():
    one, two = Secret(), Secret()
    assert one.key != two.key and len(one.key) == SIZE
    assert one.draw("a").random() != two.draw("a").random()
    assert one.fingerprint("who") != two.fingerprint("who")


def test_noise_is_standard_normal():
    drawn = ONE.normal(100_001, "noise")
    assert drawn.shape == (100_001,) and drawn.dtype == np.float64
    assert stats.kstest(drawn, "norm").pvalue > 0.01
    assert stats.kurtosis(drawn) == pytest.approx(0, abs=0.05)
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 0.01
    half = len(drawn) // 2  # cosines and sines of the same pairs
    assert abs(np.corrcoef(drawn[:half], drawn[half + 1 :])[0, 1]) < 0.01


def test_a_secret_is_not_shown_and_not_short():
    assert "key" not in repr(ONE)
    with pytest.raises(ValueError, match="32 bytes, and 3 are given"):
        Secret(b"abc")
