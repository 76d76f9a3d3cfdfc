"""A heart moved, scaled, turned, and let beat: against what geometry says."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.anatomy.editing import between_phases, contraction, moved
from cmr_synth.anatomy.labels import LV, MYO
from cmr_synth.anatomy.template import draw_stack
from cmr_synth.errors import InputError


def discs(lv: float, wall: float, at=(40.0, 40.0), size: int = 80) -> np.ndarray:
    y, x = np.indices((size, size))
    radius = np.hypot(y - at[0], x - at[1])
    return np.select([radius < lv, radius < lv + wall], [LV, MYO], 0).astype(np.uint8)[None]


def test_whole_pixels_move_without_a_change() -> None:
    heart = draw_stack(slices=3, shape=(96, 96))
    out = moved(heart, np.array([[1, 0, -3], [0, 1, 5]]), (96, 96))
    np.testing.assert_array_equal(out[:, 10:80, 10:80], heart[:, 7:77, 15:85])


def test_a_disc_grows_and_goes_where_it_is_sent() -> None:
    heart = discs(10, 6)
    # new pixel p looks at (p - (60, 50)) / 1.5 + (40, 40)
    matrix = np.array([[1 / 1.5, 0, 40 - 60 / 1.5], [0, 1 / 1.5, 40 - 50 / 1.5]])
    out = moved(heart, matrix, (120, 110))[0]
    assert (out == LV).sum() == pytest.approx(np.pi * 15**2, rel=0.03)
    assert (out > 0).sum() == pytest.approx(np.pi * 24**2, rel=0.03)
    np.testing.assert_allclose(np.argwhere(out == LV).mean(axis=0), (60, 50), atol=0.3)


def test_out_of_all_proportion_is_refused() -> None:
    with pytest.raises(InputError, match="out of all proportion"):
        moved(discs(10, 6), np.zeros((2, 3)), (10, 10))


def test_half_way_between_two_discs_is_the_disc_between() -> None:
    half = between_phases(discs(16, 6), discs(8, 10), 0.5)
    assert (half == LV).sum() == pytest.approx(np.pi * 12**2, rel=0.05)
    assert (half > 0).sum() == pytest.approx(np.pi * 20**2, rel=0.05)
    for share, phase in ((0.0, discs(16, 6)), (1.0, discs(8, 10))):
        np.testing.assert_array_equal(between_phases(discs(16, 6), discs(8, 10), share), phase)


def test_a_slice_that_the_base_leaves_is_empty_in_the_second_half() -> None:
    gone = np.zeros_like(discs(10, 6))
    assert between_phases(discs(10, 6), gone, 0.4).any()
    assert not between_phases(discs(10, 6), gone, 0.6).any()


def test_a_cycle_goes_down_and_up_again() -> None:
    beat = contraction(12, 4)
    assert beat[0] == 0 and beat[4] == 1 and beat.argmax() == 4
    assert (np.diff(beat[:5]) > 0).all() and (np.diff(beat[4:]) < 0).all() and beat[-1] > 0
