"""Findings of a pair of phases: each fault planted in a drawn heart."""

import numpy as np
import pytest

from cmr_synth.anatomy.labels import MYO, RV, UNLABELLED
from cmr_synth.anatomy.plausible_pairs import CODES, pair_findings
from cmr_synth.anatomy.template import draw_stack
from cmr_synth.errors import InputError

SPACING = (8.0, 1.5, 1.5)


@pytest.fixture
def pair():
    return [draw_stack(phase=phase, seed=3) for phase in ("ED", "ES")]


def codes(found):
    return {f.code for f in found} & set(CODES)


def test_a_drawn_heart_is_a_pair(pair):
    assert not [f for f in pair_findings(*pair, SPACING) if f.severity != "info"]


def test_swapped_phases(pair):
    found = [f for f in pair_findings(*pair[::-1], SPACING) if f.code == "es-larger"]
    assert [f.structure for f in found] == ["LV", "RV"]
    assert all(f.severity == "error" for f in found)


def test_a_wall_that_is_lost(pair):
    pair[1][pair[1] == MYO] = RV
    assert "wall-changes" in codes(pair_findings(*pair, SPACING))


def test_phases_that_lie_apart(pair):
    pair[1] = np.roll(pair[1], 16, axis=1)  # 24 mm
    assert codes(pair_findings(*pair, SPACING)) == {"phases-apart"}


def test_nothing_is_concluded_from_what_is_unlabelled(pair):
    pair[1][pair[1] == MYO] = UNLABELLED
    assert not codes(pair_findings(*pair, SPACING))


def test_phases_of_different_grids_are_refused(pair):
    with pytest.raises(InputError, match="heart 7: ED is .* give both on one grid"):
        pair_findings(pair[0], pair[1][1:], SPACING, name="heart 7")
