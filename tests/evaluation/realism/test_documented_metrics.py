"""The documentation's table of metrics is that of the program."""

from __future__ import annotations

import runpy
from pathlib import Path

TOOL = Path(__file__).parents[3] / "tools" / "document_metrics.py"


def test_the_page_is_what_the_tool_writes():
    tool = runpy.run_path(str(TOOL))
    page = tool["PAGE"].read_text(encoding="utf-8")
    assert page == tool["documented"](page), "run python tools/document_metrics.py"
