"""Slice positions and what a stack may hide."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.anatomy.labels import LV, MYO, RV, UNLABELLED
from cmr_synth.cohorts.examination import fully_labelled
from cmr_synth.imaging.positions import slice_position


@pytest.mark.parametrize(
    ("area", "expected"),
    [
        ([9, 8, 5, 2, 1], [0, 0.25, 0.5, 0.75, 1]),
        ([1, 2, 5, 8, 9], [1, 0.75, 0.5, 0.25, 0]),  # stored from the apex
        ([0, 9, 5, 1, 0], [0, 0, 0.5, 1, 1]),  # beyond what is drawn
        ([0, 0, 0], [0.5] * 3),
        ([0, 7, 0], [0.5] * 3),
        ([5, 0, 2], [0, 0.5, 1]),  # a slice left out
    ],
)
def test_position_runs_from_base_to_apex(area, expected):
    np.testing.assert_allclose(slice_position(np.array(area)), expected)


def test_only_slices_with_unlabelled_pixels_hide_something():
    labels = np.zeros((2, 4, 4), np.uint8)
    labels[1, 0, 0] = UNLABELLED
    hidden = fully_labelled(labels)
    assert not hidden[0].any()
    np.testing.assert_array_equal(np.flatnonzero(hidden[1]), [LV, MYO, RV])
