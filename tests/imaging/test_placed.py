"""Slices as stored on a working grid and back: orientation and placement as one move."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.anatomy.labels import is_heart
from cmr_synth.anatomy.template import draw_stack
from cmr_synth.errors import InputError
from cmr_synth.imaging.grid import WorkingGrid, place
from cmr_synth.imaging.orientation import apply, apply_to_spacing, in_plane_orientation, undo
from cmr_synth.imaging.placed import Placed
from cmr_synth.imaging.positions import positions_in_stack

GRID = WorkingGrid()
SPACING = (8.0, 1.3, 1.7)
TURNED = np.array([[0, -1.3, 0.2, 0], [1.6, 0, 0.3, 0], [0.5, 0.1, -8.0, 0], [0, 0, 0, 1.0]])
AFFINES = {"as they are": np.diag([-1.7, -1.3, 8.0, 1.0]), "turned": TURNED}


@pytest.fixture
def labels() -> np.ndarray:
    return draw_stack(slices=3, shape=(120, 140), spacing=SPACING)


@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES)
def test_it_is_the_turn_and_then_the_grid_to_the_bit(labels, affine) -> None:
    pixels = np.random.default_rng(0).random(labels.shape, np.float32)
    placed = Placed.around(is_heart(labels), affine, SPACING, grid=GRID, name="heart")
    turn = in_plane_orientation(affine)
    upright = apply(turn, labels)
    by_hand = place(is_heart(upright), apply_to_spacing(turn, SPACING)[1:], grid=GRID)
    assert placed.placement == by_hand and placed.orientation == turn
    on_grid = by_hand.image_to_grid(apply(turn, pixels))
    drawn = by_hand.labels_to_grid(upright, fill=255)
    np.testing.assert_array_equal(placed.image_to_grid(pixels), on_grid)
    np.testing.assert_array_equal(placed.labels_to_grid(labels, fill=255), drawn)
    np.testing.assert_array_equal(
        placed.image_from_grid(on_grid), undo(turn, by_hand.image_from_grid(on_grid))
    )
    np.testing.assert_array_equal(
        placed.labels_from_grid(drawn, fill=9), undo(turn, by_hand.labels_from_grid(drawn, fill=9))
    )


@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES)
def test_a_mask_comes_back_where_it_was(labels, affine) -> None:
    placed = Placed.around(is_heart(labels), affine, SPACING, grid=GRID, name="heart")
    back = placed.labels_from_grid(placed.labels_to_grid(labels))
    assert (back == labels).mean() > 0.99
    one = placed.labels_from_grid(placed.labels_to_grid(labels[1]))
    np.testing.assert_array_equal(one, back[1])  # a plane alone as in its stack


def test_the_middle_of_turned_slices_is_their_middle() -> None:
    placed = Placed.on_the_middle((120, 140), TURNED, SPACING, grid=WorkingGrid(shape=(9, 9)))
    assert placed.orientation.transpose and placed.placement.shape == (140, 120)
    seen = placed.image_from_grid(np.ones((9, 9), np.float32)) > 0.5
    rows, columns = (np.flatnonzero(seen.any(axis=axis)) for axis in (1, 0))
    assert (rows[0] + rows[-1]) / 2 == pytest.approx(59.5)
    assert (columns[0] + columns[-1]) / 2 == pytest.approx(69.5)
    assert placed.on(GRID).placement.centre == placed.placement.centre


def test_a_heart_that_does_not_fit_is_refused_or_cut(labels) -> None:
    small = {"grid": WorkingGrid(shape=(16, 16)), "name": "heart"}
    asked = (is_heart(labels), TURNED, SPACING)
    with pytest.raises(InputError, match="^heart: .*larger than the model's field of view"):
        Placed.around(*asked, **small)
    assert Placed.around(*asked, **small, must_fit=False).placement.grid.shape == (16, 16)


def test_positions_follow_from_a_stack_and_not_from_a_slice() -> None:
    assert positions_in_stack(np.array([0, 5, 0])) is None
    np.testing.assert_allclose(positions_in_stack(np.array([2, 5, 9])), [1, 0.5, 0])
