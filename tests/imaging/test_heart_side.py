"""Hearts that an affine puts on the wrong side come back to the right one, or are asked about."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.anatomy.labels import LV, MYO, RV
from cmr_synth.anatomy.template import draw_stack
from cmr_synth.errors import InputError
from cmr_synth.imaging.heart_side import MIRRORS, orientation_of_heart
from cmr_synth.imaging.orientation import apply

SPACING = (8.0, 1.4, 1.2)


@pytest.fixture(scope="module")
def heart():
    """A stack from base to apex, in radiological display."""
    return draw_stack(slices=9)


def shown(stack, affine, **options):
    """The stack as it is displayed, and why so."""
    orientation = orientation_of_heart(stack, affine, SPACING, name="mask", **options)
    return apply(orientation, stack), orientation.reason


def reversed_axes(stack, affine, axes):
    """The affine of somebody who wrote these axes (x, y, z) the wrong way round."""
    size = stack.shape[::-1]
    wrong = affine.copy()
    for axis in axes:
        wrong[:3, 3] += (size[axis] - 1) * wrong[:3, axis]
        wrong[:3, axis] *= -1
    return wrong


def rv_is_left(stack):
    return np.argwhere(stack == RV)[:, 2].mean() < np.argwhere(stack == LV)[:, 2].mean()


def test_a_heart_where_it_belongs_is_left_alone(heart, oblique):
    stack, reason = shown(heart, oblique)
    np.testing.assert_array_equal(stack, heart)
    assert reason.startswith("From the affine")


def test_stored_in_any_of_the_ways_that_the_affine_tells_of(heart, oblique):
    for axes in ((0, 1), (0,), (1,), (2,), (0, 2)):
        stored = np.flip(heart, [2 - axis for axis in axes])
        stack, reason = shown(stored, reversed_axes(heart, oblique, axes))
        expected = np.flip(heart, 0) if 2 in axes else heart
        np.testing.assert_array_equal(stack, expected)
        assert reason.startswith("From the affine")


def test_two_in_plane_axes_reversed(heart, oblique):
    wrong = reversed_axes(heart, oblique, (0, 1))
    believed, _ = shown(heart, wrong, mirror="no")
    assert not rv_is_left(believed)
    stack, reason = shown(heart, wrong)
    np.testing.assert_array_equal(stack, heart)
    assert "both in-plane axes are reversed" in reason and "turned by 180 degrees" in reason


def test_the_slice_axis_and_the_columns_reversed(heart, oblique):
    stack, reason = shown(heart, reversed_axes(heart, oblique, (0, 2)))
    np.testing.assert_array_equal(stack, heart)
    assert "base and apex are exchanged" in reason and "mirrored left to right" in reason


def test_a_transposed_stack_with_reversed_axes(heart, oblique):
    stored = heart.swapaxes(1, 2)
    wrong = reversed_axes(stored, oblique[:, [1, 0, 2, 3]], (0, 1))
    np.testing.assert_array_equal(shown(stored, wrong)[0], heart)


def test_what_cannot_be_told_is_asked_once(heart, oblique):
    wrong = reversed_axes(heart[4:5], oblique, (0, 1))
    with pytest.raises(InputError, match="mask: the heart lies on the wrong side.*--mirror"):
        shown(heart[4:5], wrong)
    stack, _ = shown(heart[4:5], wrong, ask=False)
    assert not rv_is_left(stack)
    stack, reason = shown(heart[4:5], wrong, mirror="half-turn")
    np.testing.assert_array_equal(stack, heart[4:5])
    assert reason.startswith("Slices are turned by 180 degrees, as told. From the affine")


def test_every_word_does_what_it_says(heart, oblique):
    moves = {"no": (), "left-right": (2,), "top-bottom": (1,), "half-turn": (1, 2), "auto": ()}
    assert set(moves) == set(MIRRORS)
    for word, axes in moves.items():
        np.testing.assert_array_equal(shown(heart, oblique, mirror=word)[0], np.flip(heart, axes))
    with pytest.raises(InputError, match="mirror 'sideways' is unknown; choose among auto, no"):
        shown(heart, oblique, mirror="sideways")


def test_an_affine_without_direction_is_not_contradicted(heart):
    mirrored = heart[..., ::-1]
    stack, reason = shown(mirrored, np.diag([1.4, 1.4, 8.0, 1.0]))
    np.testing.assert_array_equal(stack, mirrored)
    assert "check that the right ventricle lies on the left" in reason


def test_without_a_right_ventricle_the_affine_counts(heart, oblique):
    left = np.where(np.isin(heart, (LV, MYO)), heart, 0)
    _, reason = shown(left, reversed_axes(heart, oblique, (0, 1)))
    assert reason.startswith("From the affine")
