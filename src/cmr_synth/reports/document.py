"""A report of sections with tables, notes and figures: one page, one JSON file, figures beside."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmr_synth.files import write_file
from cmr_synth.reports.html import render

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

PAGE, FIGURES = "report.html", "report.json"


@dataclass(frozen=True)
class Table:
    """Columns with a word on each, and rows of cells.

    Parameters
    ----------
    columns : mapping of heading to explanation
        The explanation may be empty.
    rows : sequence of rows
        Of as many texts as there are columns.
    caption : str
    """

    columns: Mapping[str, str]
    rows: Sequence[Sequence[str]]
    caption: str = ""

    def text(self) -> list[str]:
        """Lines for a terminal, columns aligned."""
        lines = [list(self.columns), *[list(row) for row in self.rows]]
        widths = [max(len(line[k]) for line in lines) for k in range(len(self.columns))]
        return [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        ]

    def markdown(self) -> list[str]:
        """Lines of a Markdown table."""
        head = [list(self.columns), ["---"] * len(self.columns)]
        return ["| " + " | ".join(line) + " |" for line in [*head, *self.rows]]


@dataclass(frozen=True)
class Section:
    """One part of a report.

    Parameters
    ----------
    title : str
    words : sequence of str
        Paragraphs before the tables.
    tables : sequence of Table
    figures : mapping of alternative text to figure
        Of matplotlib or Pillow.
    notes : sequence of str
        What a reader must know, after the figures.
    """

    title: str
    words: Sequence[str] = ()
    tables: Sequence[Table] = ()
    figures: Mapping[str, Figure | Image.Image] = field(default_factory=dict)
    notes: Sequence[str] = ()


def write_document(
    out: Path, title: str, lead: str, sections: Sequence[Section], facts: Mapping[str, Any]
) -> dict[str, str]:
    """Write `report.html`, `report.json` and a PNG of every figure; returns their names.

    Parameters
    ----------
    out : Path
        An existing or new folder.
    title, lead : str
    facts : mapping
        Everything on the page as numbers; goes to the JSON file as it is.

    Raises
    ------
    InputError
        If a file cannot be written.
    """
    files = {"page": PAGE, "figures": FIGURES}
    shown = []
    for section in sections:
        pictures = []
        for words, figure in section.figures.items():
            png = _png(figure)
            name = f"{_slug(section.title)}-{_slug(words)}"[:60].strip("-") + ".png"
            with write_file(out / name) as temporary:
                temporary.write_bytes(png)
            files[name.removesuffix(".png")] = name
            pictures.append((words, base64.b64encode(png).decode("ascii")))
        shown.append((section, pictures))
    html = render("document.html", title=title, lead=lead, sections=shown)
    for name, content in ((PAGE, html), (FIGURES, json.dumps(facts, indent=2) + "\n")):
        with write_file(out / name) as temporary:
            temporary.write_text(content, encoding="utf-8")
    return files


def number(value: float | None, digits: int = 3) -> str:
    """A number for a table; a dash where there is none."""
    return "–" if value is None or value != value else f"{value:.{digits}f}"


def interval(value: float | None, low: float | None, high: float | None, digits: int = 3) -> str:
    """A number with its interval in brackets."""
    if value is None or value != value:
        return "–"
    if low is None or high is None or low != low or high != high:
        return number(value, digits)
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def png_text(figure: Figure | Image.Image) -> str:
    """A figure as the text that pages carry it in."""
    return base64.b64encode(_png(figure)).decode("ascii")


def _png(figure: Figure | Image.Image) -> bytes:
    stream = io.BytesIO()
    if hasattr(figure, "savefig"):
        figure.savefig(stream, format="png", dpi=130, metadata={"Software": None})
    else:
        figure.save(stream, format="PNG", optimize=True)
    return stream.getvalue()


def _slug(words: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")
