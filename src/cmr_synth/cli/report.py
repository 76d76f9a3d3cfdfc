"""The end of a verb that reports: write the folder, print the rest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmr_synth.cli.console import result

if TYPE_CHECKING:
    from cmr_synth.reports.content import Content


def report(
    content: Content,
    out: Path,
    *,
    as_json: bool,
    facts: Mapping[str, Any] | None = None,
    show_page: bool = False,
) -> None:
    """Write a report into a folder and tell what it says.

    Parameters
    ----------
    content : Content
    out : Path
    as_json : bool
        Print the facts, else the brief of the report.
    facts : mapping, optional
        To print in place of all the data, where that is long.
    show_page : bool
        End with the name of the page.
    """
    from cmr_synth.reports.output import write_report
    from cmr_synth.reports.text import lines_of

    files = write_report(out, content)
    lines = [*lines_of(content), *([str(out / files["page"])] if show_page else [])]
    told = content.data if facts is None else facts
    result({"folder": str(out), "files": files, **told}, lines, as_json=as_json)
