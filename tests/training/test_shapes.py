"""Bent hearts: the wall gets the thickness that was asked for, and nothing else moves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from cmr_synth.anatomy.labels import LV, MYO, RV
from cmr_synth.anatomy.template import draw_slice
from cmr_synth.training.batches import warp
from cmr_synth.training.shapes import KINDS, MOST, bent, drawn_factors, ring_of

SIZE = (160, 160)
CENTRE, INNER, OUTER = (80.0, 70.0), 20.0, 28.0


def circles() -> np.ndarray:
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    apart = np.hypot(y - CENTRE[0], x - CENTRE[1])
    return np.where(apart <= INNER, LV, np.where(apart <= OUTER, MYO, 0)).astype(np.uint8)


def bend(labels: np.ndarray, cavity: float, wall: float) -> np.ndarray:
    straight = torch.tensor([[[1.0, 0, 0], [0, 1, 0]]])
    grid = functional.affine_grid(straight, [1, 1, *SIZE], align_corners=False)
    ring = ring_of(labels)
    assert ring is not None
    grid[0] = bent(grid[0], ring, cavity, wall, SIZE)
    tensor = torch.from_numpy(labels)[None]
    return warp(tensor[:, None].float(), tensor, torch.ones(1, 1, *SIZE), grid)[1][0].numpy()


def radius(area: np.ndarray) -> float:
    return float(np.sqrt(area.sum() / np.pi))


def test_the_ring_of_circles_is_found():
    ring = ring_of(circles())
    assert ring is not None
    np.testing.assert_allclose(ring.centre, CENTRE, atol=0.1)
    np.testing.assert_allclose(ring.inner, INNER, atol=0.8)
    np.testing.assert_allclose(ring.outer, OUTER, atol=0.8)


@pytest.mark.parametrize(("cavity", "wall"), [(0.6, 1.5), (1.3, 0.8), (1.1, 0.6), (1.0, 1.0)])
def test_cavity_and_wall_get_the_size_asked_for(cavity, wall):
    found = bend(circles(), cavity, wall)
    inner = radius(found == LV)
    outer = radius((found == LV) | (found == MYO))
    expected = min(cavity * INNER + wall * (OUTER - INNER), MOST * OUTER)
    assert inner == pytest.approx(cavity * INNER, abs=0.7)
    assert outer == pytest.approx(expected, abs=0.7)


def test_far_from_the_wall_nothing_moves():
    labels = circles()
    labels[:20, :30] = RV
    assert (bend(labels, 0.6, 1.8)[:20, :30] == RV).all()


def test_a_drawn_heart_keeps_its_right_ventricle_beside_the_wall():
    labels = draw_slice(shape=SIZE, level="mid", seed=3)
    found = bend(labels, 0.6, 1.6)
    before, after = (np.count_nonzero(one == RV) for one in (labels, found))
    assert 0.6 * before < after < 1.4 * before
    assert np.count_nonzero(found == LV) < 0.5 * np.count_nonzero(labels == LV)


def test_an_open_ring_and_a_tiny_cavity_are_left():
    labels = circles()
    labels[:, 76:][labels[:, 76:] == MYO] = 0
    assert ring_of(labels) is None
    small = np.zeros(SIZE, np.uint8)
    small[78:83, 68:73], small[80, 70] = MYO, LV
    assert ring_of(small) is None
    assert ring_of(np.zeros(SIZE, np.uint8)) is None


def test_factors_lie_in_the_ranges_of_one_kind():
    rng = np.random.default_rng(0)
    for _ in range(100):
        cavity, wall = drawn_factors(rng)
        assert any(a[0] <= cavity <= a[1] and b[0] <= wall <= b[1] for a, b in KINDS.values())
