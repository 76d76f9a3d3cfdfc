"""The page on the architecture names files and functions that are there, in their rooms."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ENGINE = ROOT / "src" / "cmr_synth"
PAGE = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
STEPS = re.findall(r"^\| (\d+) \| (\w+) \| `([\w/.]+)` \| `(\w+)` \|", PAGE, re.MULTILINE)


def test_the_walk_is_whole():
    assert [int(step) for step, *_ in STEPS] == list(range(1, len(STEPS) + 1)) and len(STEPS) > 10


@pytest.mark.parametrize(("step", "room", "file", "name"), STEPS)
def test_a_step_is_where_the_page_says(step: str, room: str, file: str, name: str) -> None:
    assert file.startswith(f"{room}/")
    tree = ast.parse((ENGINE / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if hasattr(node, "name")}


def test_every_file_that_is_named_is_there():
    missing = [name for name in re.findall(r"`([\w/]+\.py)`", PAGE) if not (ENGINE / name).exists()]
    assert not missing
