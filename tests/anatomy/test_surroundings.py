"""The map of tissues around the heart: by grey level, by distance, and open in the heart."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.anatomy.labels import LV, MYO, RV, UNLABELLED, is_heart
from cmr_synth.anatomy.surroundings import CENTRES, OPEN, TISSUES, tissues_around
from cmr_synth.anatomy.template import draw_slice

SPACING = 1.5


@pytest.mark.parametrize(
    ("grey", "near", "far"),
    [(0.03, "lung", "air"), (0.24, "by the heart", "organs"), (0.45, "blood", "blood")],
)
def test_grey_and_distance_tell_the_tissue(grey: float, near: str, far: str) -> None:
    labels = draw_slice()
    found = tissues_around(np.full(labels.shape, grey), labels, spacing=SPACING)
    heart = np.argwhere(is_heart(labels))
    beside = tuple(heart[heart[:, 1].argmin()] - (0, 10))  # 15 mm to the left of it
    assert TISSUES[found[beside] - 1] == near
    assert TISSUES[found[0, -1] - 1] == far
    assert (found[is_heart(labels)] == OPEN).all()


def test_blood_of_the_heart_does_not_shine_into_the_lung_beside_it() -> None:
    labels = draw_slice()
    pixels = np.where(is_heart(labels), 1.0, 0.02)
    found = tissues_around(pixels, labels, spacing=SPACING)
    assert set(np.unique(found[~is_heart(labels)])) == {1, 2}


def test_what_nobody_drew_is_open_and_a_slice_without_a_heart_is_far() -> None:
    nobody = np.full((64, 64), UNLABELLED, np.uint8)
    assert (tissues_around(np.full((64, 64), 0.7), nobody, spacing=SPACING) == OPEN).all()
    empty = np.zeros((64, 64), np.uint8)
    found = tissues_around(np.full((64, 64), 0.05), empty, spacing=SPACING)
    assert (found == 1 + TISSUES.index("air")).all()


def test_there_is_a_centre_for_each_tissue_darkest_first() -> None:
    assert len(CENTRES) == len(TISSUES)
    assert list(CENTRES) == sorted(CENTRES)


def test_an_rv_that_is_not_told_apart_is_blood_beside_the_wall() -> None:
    labels = draw_slice()
    pixels = np.array([0.02, 0.6, 0.2, 0.5])[labels]
    whole = tissues_around(pixels, labels, spacing=SPACING)
    nobody_drew = np.where(labels == RV, UNLABELLED, labels).astype(np.uint8)
    for given in (labels, nobody_drew):
        found = tissues_around(pixels, given, spacing=SPACING, structures=("LV", "MYO"))
        assert (found[np.isin(labels, (LV, MYO))] == OPEN).all()
        assert (found[labels == RV] == 1 + TISSUES.index("blood")).mean() > 0.6
        assert (whole[labels == RV] == OPEN).all()
