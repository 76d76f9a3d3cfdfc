"""Certainty by structure: against probabilities with a known answer."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.judges.confidence import Confidence, confidence_of


def test_probability_and_entropy_of_pixels_known() -> None:
    shares = np.zeros((1, 4, 2, 4), np.float32)
    shares[0, 0] = 1  # background, certain
    shares[0, :, 0, 0] = (0, 1, 0, 0)  # LV, certain
    shares[0, :, 0, 1] = (0, 0.5, 0.5, 0)  # LV by a hair, two alike
    shares[0, 1, 0, 1] += 1e-3
    shares[0, :, 1, 0] = (0.25, 0.25, 0.25 + 1e-4, 0.25)  # MYO, four alike
    probability, entropy = confidence_of(shares)
    assert probability[0] == pytest.approx([0.75, 0.25, np.nan], abs=2e-3, nan_ok=True)
    # of LV: half of the pixels with log 2, a half of log 4
    assert entropy[0] == pytest.approx([0.25, 1.0, np.nan], abs=2e-3, nan_ok=True)


def test_numbers_of_a_second_look_take_the_place_of_the_first_where_it_looked() -> None:
    first, second = Confidence.unknown(2, 3), Confidence.unknown(2, 3)
    first.probability[:] = 0.9
    second.probability[1, 2] = (0.5, 0.6, np.nan)
    looked_at = np.zeros((2, 3), bool)
    looked_at[1, 2] = True
    joined = first.joined(second, looked_at)
    assert joined.least_sure() == (1, 2, "LV")
    assert joined.probability[0, 0].tolist() == pytest.approx([0.9] * 3)
    assert np.isnan(joined.probability[1, 2, 2]), "an RV that is no longer found has no number"
    assert Confidence.unknown(1, 1).least_sure() is None
