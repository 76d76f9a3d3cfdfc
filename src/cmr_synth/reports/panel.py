"""A result as panels show it and files keep it: heading lines, facts, a plot, tables, remarks.

Whoever computes a result describes it once as a `Content`; the panel in the app, the HTML page and
the JSON file are three views of that.
"""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import cmr_synth
from cmr_synth.errors import InputError
from cmr_synth.files import write_file
from cmr_synth.reports.html import render

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Cell = str | float | int | None

PAGE_INK = "#808890"  # of plots on a page: readable on a white and on a dark one
PLOT_INCHES = (6.4, 3.0)


@dataclass(frozen=True, kw_only=True)
class Line:
    """One heading result.

    Parameters
    ----------
    name : str
    value : float or str
    interval : (low, high), optional
    note : str
        What the interval is, and what to compare with.
    """

    name: str
    value: float | str
    interval: tuple[float, float] | None = None
    note: str = ""

    @property
    def shown(self) -> str:
        """The value, and its interval in brackets."""
        if self.interval is None:
            return show(self.value)
        low, high = self.interval
        return f"{show(self.value)} ({show(low)} to {show(high)})"


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows under column headings."""

    title: str = ""
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a panel shows.

    Parameters
    ----------
    title, lead : str
        Heading, and a sentence below it.
    lines : tuple of Line
        The heading results.
    facts : tuple of (name, value)
        Where the result comes from.
    plot : callable, optional
        Draws on an empty `matplotlib.figure.Figure`; sets no colour of text or axes, because
        that depends on where it is shown.
    plot_says : str
        The plot in one sentence, for those who cannot see it.
    tables : tuple of Table
    remarks : tuple of str
        Warnings and findings, each with its consequence.
    data : mapping
        All of the result, for programs.
    """

    title: str
    lead: str = ""
    lines: tuple[Line, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    plot: Callable[[Figure], None] | None = None
    plot_says: str = ""
    tables: tuple[Table, ...] = ()
    remarks: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)


def show(value: Cell) -> str:
    """A number with three decimals, a whole number or text as it is, nothing as a dash."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def draw(content: Content, figure: Figure, *, ink: str) -> None:
    """Draw the plot of a result.

    Parameters
    ----------
    content : Content
        With a plot.
    figure : matplotlib.figure.Figure
        Cleared first; its background stays transparent.
    ink : str
        Colour of text and axes.
    """
    from matplotlib import rc_context

    assert content.plot is not None
    parts = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    look: dict[Any, Any] = {part: ink for part in parts} | {
        "axes.facecolor": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "font.size": 9,
        "legend.frameon": False,
    }
    with rc_context(look):
        figure.clear()
        figure.patch.set_alpha(0)
        content.plot(figure)


def write_content(content: Content, path: str | Path) -> Path:
    """Write a result as a page or for programs, by the ending of the name.

    Parameters
    ----------
    content : Content
    path : path
        Ends in .html or .json.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        If the name ends otherwise, or the file cannot be written.
    """
    path = Path(path)
    writers = {".html": _html, ".htm": _html, ".json": _json}
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise InputError(f"{path.name}: ends in neither .html nor .json; choose one of them.")
    text = writer(content)
    with write_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def _json(content: Content) -> str:
    stated = {
        "title": content.title,
        "written": _now(),
        "cmr_synth": cmr_synth.__version__,
        "results": [
            {
                "name": line.name,
                "value": line.value,
                "interval": line.interval,
                "note": line.note,
            }
            for line in content.lines
        ],
        "facts": dict(content.facts),
        "tables": [
            {"title": table.title, "columns": table.columns, "rows": table.rows}
            for table in content.tables
        ],
        "remarks": content.remarks,
        "data": content.data,
    }
    return json.dumps(_plain(stated), indent=2, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """What JSON can hold: NaN and infinity are none of its numbers."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _html(content: Content) -> str:
    return render(
        "panel.html",
        content=content,
        show=show,
        plot=base64.b64encode(_png(content)).decode("ascii") if content.plot else "",
        written=_now(),
        version=cmr_synth.__version__,
    )


def _png(content: Content) -> bytes:
    from matplotlib.figure import Figure

    figure = Figure(figsize=PLOT_INCHES, layout="constrained")
    draw(content, figure, ink=PAGE_INK)
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=200)
    return png.getvalue()


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
