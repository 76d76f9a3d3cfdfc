"""What of a mask is taken to the grid of a model, and what is no heart at all."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.anatomy.template import draw_stack
from cmr_synth.errors import InputError
from cmr_synth.imaging.grid import WorkingGrid
from cmr_synth.imaging.scan import Scan
from cmr_synth.synthesis.placing import LEAST_MM2, Part, place_mask

SPACING = (8.0, 1.5, 1.5)


def scan(labels: np.ndarray) -> Scan:
    return Scan(array=labels, spacing=SPACING, affine=np.diag([-1.5, -1.5, 8, 1]), name="heart")


def place(labels: np.ndarray, *, slices: list[int] | None = None, z: float | None = None):
    mask = scan(labels)
    part = Part.of(mask, slices=slices, frames=None)
    return place_mask(mask, WorkingGrid(), part, z=z, convention=None)


def test_a_dab_of_the_brush_is_no_heart():
    labels = np.zeros((1, 96, 96), np.uint8)
    labels[0, 40:43, 40:43] = 1
    with pytest.raises(InputError, match=r"at most 9 pixels \(20 mm²\) .* draw more of it"):
        place(labels)
    side = int(np.ceil(np.sqrt(LEAST_MM2 / 2.25)))
    labels[0, 40 : 40 + side, 40 : 40 + side] = 1
    assert len(place(labels).drawn) == 1


def test_small_apical_slices_of_a_heart_are_made():
    labels = draw_stack(slices=4, shape=(96, 112), spacing=SPACING, seed=3)
    labels[3] = 0
    labels[3, 48:51, 50:53] = 1
    assert len(place(labels).drawn) == 4
    assert place(labels, slices=[3]).drawn == ((0, 3),)


def test_the_position_of_one_slice_of_a_stack_may_be_given():
    labels = draw_stack(slices=4, shape=(96, 112), spacing=SPACING, seed=3)
    known = place(labels, slices=[2]).position(2)
    assert place(labels, slices=[2], z=0.1).position(2) == pytest.approx(0.1)
    assert known != pytest.approx(0.1)
    with pytest.raises(InputError, match="or make one slice"):
        place(labels, z=0.1)
