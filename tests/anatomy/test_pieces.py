"""Enclosed parts are those that scipy fills."""

import numpy as np
import pytest
from scipy.ndimage import binary_fill_holes

from cmr_synth.anatomy.pieces import enclosed


@pytest.mark.parametrize("density", [0.0, 0.3, 0.5, 0.7, 1.0])
def test_enclosed_is_what_would_be_filled(density):
    wall = np.random.default_rng(int(10 * density)).random((24, 31)) < density
    assert np.array_equal(enclosed(~wall), binary_fill_holes(wall) & ~wall)


def test_a_single_hole_in_a_full_picture():
    wall = np.ones((5, 6), bool)
    wall[2, 3] = False
    assert enclosed(~wall).sum() == 1


def test_a_box_around_nothing_encloses_nothing():
    assert enclosed(np.ones((2, 0), bool)).shape == (2, 0)
