"""Figures in worlds where the answer is known, and the page that tells of them."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from .registry import WORLDS

TOOL = Path(__file__).parents[2] / "tools" / "try_worlds.py"
CASES = [
    # strict: a figure that is mended is taken off the list of defects
    pytest.param(name, marks=[pytest.mark.xfail(reason=one.defect, strict=True)])
    if one.defect
    else name
    for name, one in WORLDS.items()
]


@pytest.mark.parametrize("name", CASES)
def test_a_figure_says_what_is_true(name):
    tried = WORLDS[name].tried()
    assert tried.holds, f"{tried.figure}: expected {tried.expected}, found {tried.found}"


def test_the_page_tells_of_every_world_and_of_no_other():
    tool = runpy.run_path(str(TOOL))
    page = tool["PAGE"].read_text(encoding="utf-8")
    assert tool["told"](page) == [(one.figure, one.world) for one in WORLDS.values()], (
        "run `make trust`"
    )
    for one in WORLDS.values():
        assert one.defect in page, "run `make trust`"
