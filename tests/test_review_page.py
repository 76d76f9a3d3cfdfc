"""The page of the review's systems: what it names is there, and what was trained is on cards."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from cmr_synth.cli import VERBS
from cmr_synth.generators import zoo
from cmr_synth.training.recipe import bundled_recipes, load_recipe
from cmr_synth.training.registry import tasks

SCRIPT = Path(__file__).parents[1] / "docs" / "make_review.py"
if not SCRIPT.is_file():
    pytest.skip("documents are no part of this source distribution", allow_module_level=True)


@pytest.fixture(scope="module")
def made() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_review", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # for dataclasses
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_cards_and_rows_make(made):
    stale = "stale; run: python docs/make_review.py"
    assert made.PAGE.read_text(encoding="utf-8") == made.page(), stale


def test_every_recipe_family_verb_and_model_named_exists(made):
    rows = [*made.TABLE_III, *made.SECTION_III]
    for row in rows:
        assert not row.bundled or zoo.card_of(row.bundled).name == row.bundled
        for command in row.commands:
            verb, *words = command.split()
            assert verb in VERBS
            if verb == "train":
                assert words[0] in bundled_recipes()
                assert load_recipe(words[0]).family in tasks()
    named = {word for row in rows for word in re.findall(r"`python ([^`]*)`", row.note)}
    assert named and all((SCRIPT.parents[1] / one).is_file() for one in named)
    verbs = {word for row in rows for word in re.findall(r"`([a-z-]+) [^`]*`", row.note)}
    assert verbs - {"python"} <= set(VERBS)


def test_every_row_of_the_table_is_there(made):
    """Twelve rows, with the review's own numbers of its references."""
    named = {number for row in made.TABLE_III for number in re.findall(r"\[(\d+)\]", row.system)}
    assert len(made.TABLE_III) == 12
    assert named == set("37 8 1 9 3 20 14 13 36 40 32 16 42".split())


def test_every_family_that_trains_stands_in_a_row(made):
    """A family that makes pictures, or masks, has a system of the review that it implements."""
    rows = [*made.TABLE_III, *made.SECTION_III]
    trained = {
        load_recipe(command.split()[1]).family
        for row in rows
        for command in row.commands
        if command.startswith("train ")
    }
    helpers = {"segmenter", "encoder", "copy-detector", "flow-student"}
    assert trained >= tasks().keys() - helpers
