"""The page about the command line is the one that the program would write."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def reference():
    """The script that writes the page, as a module."""
    script = DOCS / "make_cli_reference.py"
    if not script.is_file():
        pytest.skip("the documentation is not part of this source distribution")
    spec = importlib.util.spec_from_file_location("make_cli_reference", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(reference, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")  # the page must not depend on a terminal
    stored = reference.PAGE.read_text(encoding="utf-8")
    assert stored == reference.page(), "docs/reference/cli.md is stale; run: make docs-cli"


def test_every_verb_is_on_it(reference) -> None:
    from cmr_synth.cli import VERBS

    page = reference.page()
    assert all(f"\n## cmr-synth {verb}\n" in page for verb in VERBS)
    assert "\n### cmr-synth cohort prepare\n" in page
