"""Distances between outlines: shapes of which they are known."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.anatomy.labels import UNLABELLED
from cmr_synth.anatomy.template import draw_slice
from cmr_synth.evaluation.adherence.surfaces import distances_by_slice, surface_distances

SPACING = (1.5, 1.5)


def disc(radius_mm: float, *, spacing=SPACING, centre=(0.0, 0.0), size=96) -> np.ndarray:
    y, x = (
        (np.arange(size) - size / 2)[:, None] * spacing[0],
        (np.arange(size) - size / 2)[None] * spacing[1],
    )
    return np.hypot(y - centre[0], x - centre[1]) <= radius_mm


def test_the_same_shape_is_at_no_distance() -> None:
    shape = disc(20)
    found = surface_distances(shape, shape, SPACING)
    assert (found.hd, found.hd95, found.asd, found.surface_dice) == (0, 0, 0, 1)
    assert not found.missed


def test_circles_around_one_centre_are_apart_by_the_difference_of_their_radii() -> None:
    fine = (0.25, 0.25)
    found = surface_distances(
        disc(30, spacing=fine, size=320), disc(24, spacing=fine, size=320), fine
    )
    for value in (found.hd, found.hd95, found.asd):
        assert value == pytest.approx(6, abs=0.36)  # a pixel's diagonal
    assert found.surface_dice == 0


def test_a_shift_is_the_largest_distance() -> None:
    found = surface_distances(disc(20), disc(20, centre=(0, 6)), SPACING)
    assert found.hd == pytest.approx(6, abs=1e-9)
    assert found.asd < found.hd95 <= found.hd95_directed <= found.hd


@pytest.mark.parametrize("spacing", [(1.0, 2.0), (2.0, 1.0)])
def test_distances_are_in_millimetres_along_each_axis(spacing) -> None:
    one, other = np.zeros((2, 20, 20), dtype=bool)
    one[5, 5], other[5, 9] = True, True
    assert surface_distances(one, other, spacing).hd == pytest.approx(4 * spacing[1])


def test_what_only_one_mask_shows_is_missed() -> None:
    nothing = np.zeros((96, 96), dtype=bool)
    for pair in ((disc(9), nothing), (nothing, disc(9))):
        found = surface_distances(*pair, SPACING)
        assert found.missed and found.surface_dice == 0 and np.isnan(found.hd95)
    neither = surface_distances(nothing, nothing, SPACING)
    assert not neither.missed and np.isnan(neither.surface_dice)


def test_the_tolerance_decides_the_surface_dice() -> None:
    pair = disc(20), disc(20, centre=(0, 6))
    shares = [
        surface_distances(*pair, SPACING, tolerance_mm=t).surface_dice for t in (0.5, 2.0, 4.0, 6.0)
    ]
    assert shares == sorted(shares)
    assert shares[0] < 0.5 and shares[-1] == 1


def test_unlabelled_pixels_are_left_out() -> None:
    truth = draw_slice(seed=0)
    found = np.roll(truth, 4, axis=1)
    everything = distances_by_slice(found[None], truth[None], SPACING)
    truth[:, 64:] = UNLABELLED
    half = distances_by_slice(found[None], truth[None], SPACING)
    assert half["LV"][0] != everything["LV"][0]


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="two masks of"):
        surface_distances(disc(9), disc(9)[:50], SPACING)
    with pytest.raises(ValueError, match="spacing must be two positive numbers"):
        surface_distances(disc(9), disc(9), (1.5, 0.0))
