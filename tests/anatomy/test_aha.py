"""The 16 segments: on rings drawn with a known thickness in every direction."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.anatomy.aha import SEGMENTS, aha_levels, aha_thickness_mm, segment_of, wedges
from cmr_synth.anatomy.labels import LV, MYO, RV
from cmr_synth.anatomy.template import draw_stack
from cmr_synth.errors import InputError

SPACING = (8.0, 0.5, 0.5)
SIZE = 240


def ring(inner: float, wall_of: dict[str, float] | float, *, rv: bool = True) -> np.ndarray:
    """A round cavity whose wall has a thickness, in mm, by direction; the RV lies on the left.

    The RV borders on the septum from 120 to 240 degrees: its insertions are where they are in a
    bull's-eye, so directions on the screen are those of the bull's-eye.
    """
    y, x = (np.indices((SIZE, SIZE)) - SIZE / 2 + 0.5) * SPACING[1]
    radius, degrees = np.hypot(y, x), np.degrees(np.arctan2(-y, x)) % 360
    wall = np.full(radius.shape, wall_of if isinstance(wall_of, float) else 0.0)
    if isinstance(wall_of, dict):
        for (_, first, last), name in zip(wedges(), SEGMENTS, strict=True):
            if name in wall_of:
                wall[(degrees - first) % 360 < last - first] = wall_of[name]
    plane = np.zeros(radius.shape, np.uint8)
    if rv:
        plane[(np.abs(degrees - 180) <= 60) & (radius < inner + 35)] = RV
    plane[radius < inner + wall] = MYO
    plane[radius < inner] = LV
    return plane


def test_a_wall_of_even_thickness_is_even_in_every_segment() -> None:
    stack = np.stack([ring(r, 9.0) for r in (24.0, 22.0, 18.0, 14.0, 11.0, 8.0)])
    np.testing.assert_allclose(aha_thickness_mm(stack, SPACING), 9.0, atol=0.25)


@pytest.mark.parametrize("level", ["basal", "mid", "apical"])
def test_a_thick_segment_is_found_under_its_name(level: str) -> None:
    """One segment after the other is 14 mm in a wall of 8; its middle is not thinned by others."""
    names = [name for name in SEGMENTS if name.startswith(level)]
    for thick in names:
        wall = dict.fromkeys(names, 8.0) | {thick: 14.0}
        slices = {"basal": ring(24.0, 8.0), "mid": ring(18.0, 8.0), "apical": ring(13.0, 8.0)}
        slices[level] = ring({"basal": 24.0, "mid": 18.0, "apical": 13.0}[level], wall)
        found = dict(
            zip(SEGMENTS, aha_thickness_mm(np.stack([*slices.values()]), SPACING), strict=True)
        )
        assert max(found, key=lambda name: found[name]) == thick
        # the nearest point of the epicardium is less far near the step to the thin neighbours
        assert 10 < found[thick] <= 14.2
        others = [mm for name, mm in found.items() if name != thick]
        np.testing.assert_allclose(others, 8.0, atol=0.4)


def test_apex_first_stacks_and_turned_hearts_give_the_same() -> None:
    wall = dict.fromkeys(SEGMENTS, 8.0) | {"basal inferior": 12.0, "apical septal": 11.0}
    stack = np.stack([ring(r, wall) for r in (24.0, 18.0, 12.0)])
    for k, part in enumerate(("basal", "mid", "apical")):
        mine = {n: mm for n, mm in wall.items() if n.startswith(part)}
        stack[k] = ring((24.0, 18.0, 12.0)[k], mine)
    found = aha_thickness_mm(stack, SPACING)
    np.testing.assert_allclose(aha_thickness_mm(stack[::-1], SPACING), found)
    np.testing.assert_allclose(
        aha_thickness_mm(np.rot90(stack, 1, (1, 2)), SPACING), found, atol=0.2
    )


def test_slices_without_rv_take_the_insertion_of_the_next() -> None:
    stack = np.stack([ring(22.0, 8.0), ring(17.0, 8.0), ring(12.0, 8.0, rv=False)])
    assert np.isfinite(aha_thickness_mm(stack, SPACING)).all()
    with pytest.raises(InputError, match="no slice shows the RV"):
        aha_thickness_mm(stack[2:], SPACING)


def test_open_rings_and_empty_slices_belong_to_no_level() -> None:
    open_ring = ring(24.0, 8.0)
    open_ring[: SIZE // 2, SIZE // 2 :][open_ring[: SIZE // 2, SIZE // 2 :] == MYO] = 0
    stack = np.stack(
        [np.zeros_like(open_ring), open_ring, *(ring(r, 8.0) for r in (22.0, 18.0, 10.0))]
    )
    assert aha_levels(stack, SPACING).tolist() == [-1, -1, 0, 1, 2]
    assert aha_levels(np.zeros_like(stack), SPACING).tolist() == [-1] * 5


def test_segments_of_directions_are_those_of_the_picture() -> None:
    for number, (level, first, last) in enumerate(wedges()):
        travelled = np.radians((np.array([first + 1, (first + last) / 2, last - 1]) - 120) % 360)
        assert segment_of(level, travelled).tolist() == [number] * 3


def test_a_drawn_heart_has_a_wall_of_a_hearts_thickness() -> None:
    heart = draw_stack(slices=9, shape=(128, 128), spacing=(8.0, 1.5, 1.5))
    found = aha_thickness_mm(heart, (8.0, 1.5, 1.5))
    assert np.isfinite(found).all() and (4 < found).all() and (found < 13).all()
