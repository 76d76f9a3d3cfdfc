"""Samples that are measured: as many as asked for, the middle among them."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.errors import InputError
from cmr_synth.reconstruction.sampling import PATTERNS, Sampling, measured_middle


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("acceleration", [2.0, 4.0, 8.0])
def test_as_much_is_measured_as_was_asked_for(pattern, acceleration):
    mask = Sampling(pattern=pattern, acceleration=acceleration).mask((128, 120), rng())
    assert mask.shape == (128, 120)
    assert 1 / mask.mean() == pytest.approx(acceleration, rel=0.06)  # whole lines and spokes
    assert min(measured_middle(mask)) >= 6


def test_cartesian_lines_are_whole_and_denser_in_the_middle():
    masks = [Sampling().mask((128, 64), rng(k)) for k in range(20)]
    assert all((mask == mask[:, :1]).all() for mask in masks)
    share = np.mean(masks, axis=(0, 2))
    assert share[52:76].mean() > 3 * share[:24].mean() > 0
    assert any((masks[0] != other).any() for other in masks[1:])


def test_spokes_go_through_the_middle_in_all_directions():
    mask = Sampling(pattern="radial", acceleration=8).mask((128, 128), rng())
    y, x = np.mgrid[-64:64, -64:64]
    ring = np.abs(np.hypot(y, x) - 50) < 1
    angles = np.arctan2(y, x)[mask & ring]
    counts, _ = np.histogram(angles, 8, (-np.pi, np.pi))
    assert counts.min() > 0.4 * counts.max()
    # a line along x is no spoke
    assert not mask[20].all()


def test_all_is_measured_at_1():
    assert Sampling(acceleration=1).mask((8, 8), rng()).all()


def test_the_block_measured_whole():
    mask = np.zeros((64, 64), bool)
    mask[28:36] = True
    assert measured_middle(mask) == (8, 64)
    mask[30] = False
    assert measured_middle(mask) == (2, 64)
    assert measured_middle(np.zeros((8, 8), bool)) == (0, 0)


def test_what_cannot_be_sampled_is_one_line():
    with pytest.raises(InputError, match="sampling 'spiral': known are cartesian, radial"):
        Sampling(pattern="spiral")
    with pytest.raises(InputError, match="acceleration 0.5: give 1 to 20"):
        Sampling(acceleration=0.5)
    with pytest.raises(InputError, match="leaves 5 of 64 lines, and 6 of them are the middle"):
        Sampling(acceleration=12).mask((64, 64), rng())
