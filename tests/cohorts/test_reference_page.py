"""The table of cohorts in the documents is that of the registry."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "docs" / "make_cohorts_reference.py"
if not SCRIPT.is_file():
    pytest.skip("documents are no part of this source distribution", allow_module_level=True)


def test_the_table_is_that_of_the_registry():
    spec = importlib.util.spec_from_file_location("make_cohorts_reference", SCRIPT)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    stored = made.PAGE.read_text(encoding="utf-8")
    assert stored == made.page(stored), "stale; run: python docs/make_cohorts_reference.py"
    assert "| `mnms2` |" in stored
