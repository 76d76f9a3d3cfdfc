"""Phenotypes of drawn hearts against numbers known by construction."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.anatomy.phenotypes import (
    MARKS,
    PHENOTYPES,
    beyond,
    marks_of,
    phenotypes_of,
    read_phenotype,
)
from cmr_synth.errors import InputError


def stack(radius: float, wall: float = 8.0, slices: int = 8) -> np.ndarray:
    """Cylinders of an LV with its wall and an RV beside it, on pixels of 1 mm."""
    y, x = np.mgrid[:96, :96] - 48
    r = np.hypot(y, x)
    plane = np.zeros((96, 96), np.uint8)
    plane[(np.abs(y) < 0.8 * radius) & (x < -radius) & (x > -radius - wall - 12)] = 3
    plane[r < radius + wall] = 2
    plane[r < radius] = 1
    return np.repeat(plane[None], slices, axis=0)


def test_cylinders_measure_what_they_are():
    found = phenotypes_of(stack(24), stack(17, 8), (10.0, 1.0, 1.0))
    assert found.keys() == PHENOTYPES.keys()
    assert found["edv"] == pytest.approx(8 * np.pi * 24**2 / 100, rel=0.02)  # mL
    assert found["ef"] == pytest.approx(100 * (1 - 17**2 / 24**2), abs=1)
    assert found["sv"] == pytest.approx(found["edv"] - found["esv"])
    assert found["mass"] == pytest.approx(1.05 * 8 * np.pi * (32**2 - 24**2) / 100, rel=0.02)
    assert found["wall"] == pytest.approx(8, abs=0.3)
    assert found["mass_edv"] == pytest.approx(found["mass"] / found["edv"])


def test_what_one_phase_cannot_tell_is_left_out():
    found = phenotypes_of(stack(24), None, (10.0, 1.0, 1.0))
    assert {"mass", "wall", "rv_lv"} <= found.keys() and not {"ef", "edv", "sv"} & found.keys()
    assert phenotypes_of(None, stack(24), (10.0, 1.0, 1.0)) == {}
    swapped = phenotypes_of(stack(17), stack(24), (10.0, 1.0, 1.0))
    assert "ef" not in swapped


def test_a_wall_that_was_drawn_apart_from_its_lv_is_none():
    apart = np.zeros((2, 96, 96), np.uint8)
    apart[:, 5:15, 5:15], apart[:, 70:90, 70:90] = 1, 2
    assert "wall" not in phenotypes_of(apart, None, (10.0, 1.0, 1.0))


def test_marks_follow_the_phenotypes_and_are_nan_where_nothing_is():
    shows = marks_of(stack(24)[0], stack(17)[0], (1.0, 1.0))
    assert shows.keys() == MARKS.keys() == {kind.mark for kind in PHENOTYPES.values()}
    assert shows["lv_emptied"] == pytest.approx(100 * (1 - 17**2 / 24**2), abs=1)
    nothing = np.zeros((96, 96), np.uint8)
    assert np.isnan(marks_of(nothing, nothing, (1.0, 1.0))["wall_ed"])


def test_what_is_beyond_the_training_is_said_and_how_far():
    ranges = {"ef": (30.0, 70.0, 10.0), "edv": (90.0, 260.0, 40.0)}
    assert beyond({"ef": 50, "edv": 260}, ranges) == []
    (low,) = beyond({"ef": 15}, ranges)
    assert "ef 15 % is 15 % (1.5 standard deviations) below all" in low and "(30 to 70)" in low
    (high,) = beyond({"edv": 300}, ranges)
    assert "40 mL (1.0 standard deviations) above" in high


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("luck=7", "^phenotype 'luck': nobody measures that here; known are ef, "),
        ("ef", "^phenotype 'ef': '' is no number; write it as ef=NUMBER, in %"),
        ("edv=big", "'big' is no number; write it as edv=NUMBER, in mL"),
    ],
)
def test_what_is_no_phenotype_is_refused_in_one_line(said, line):
    assert read_phenotype(" EF = 35%") == ("ef", 35.0)
    with pytest.raises(InputError, match=line):
        read_phenotype(said)
