"""A result described once: sections with heading lines, plots, tables, remarks and facts.

A report is one function that returns a `Content`. Its faces are made from that alone: a page by
`html`, all numbers by `json`, lines for a terminal by `text`, and the app's panels by their frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cmr_synth.reports.numbers import interval_in_words, show

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image


@dataclass(frozen=True)
class Link:
    """A cell of a table that leads to a file beside the page."""

    text: str
    to: str

    def __str__(self) -> str:
        return self.text


Cell = str | float | int | Link | None


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
        if self.interval is None or isinstance(self.value, str):
            return show(self.value)
        return interval_in_words(self.value, *self.interval)


@dataclass(frozen=True)
class Table:
    """Rows under column headings.

    Parameters
    ----------
    columns : sequence of headings, or mapping of heading to explanation
        An explanation may be empty.
    rows : sequence of rows
        Of as many cells as there are columns.
    title : str
    """

    columns: Sequence[str] | Mapping[str, str]
    rows: Sequence[Sequence[Cell]]
    title: str = ""

    @property
    def meanings(self) -> dict[str, str]:
        """What headings say, for those that need it."""
        if not isinstance(self.columns, Mapping):
            return {}
        return {heading: words for heading, words in self.columns.items() if words}

    @property
    def shown(self) -> list[list[str]]:
        """Headings, then the cells of every row, as every face shows them."""
        return [list(self.columns), *([show(cell) for cell in row] for row in self.rows)]


@dataclass(frozen=True, kw_only=True)
class Plot:
    """Something to be drawn where it is shown.

    Parameters
    ----------
    says : str
        What it shows, in one sentence: the caption, and all there is for those who cannot see it.
    draw : callable
        Draws on an empty `matplotlib.figure.Figure`; sets no colour of text or axes, because that
        depends on where it is shown.
    inches : (width, height)
        On a page.
    """

    says: str
    draw: Callable[[Figure], None]
    inches: tuple[float, float] = (6.4, 3.0)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Pixels to be shown as they are.

    Parameters
    ----------
    says : str
        As of a `Plot`.
    image : PIL.Image.Image
    name : str
        Of its file beside a report, without ending; by default made of section and caption.
    """

    says: str
    image: Image.Image
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class Section:
    """One part of a report, shown in the order of the parameters.

    Parameters
    ----------
    title : str
    words : sequence of str
        Paragraphs.
    lines : sequence of Line
        The heading results.
    plots : sequence of Plot or Picture
    tables : sequence of Table
    remarks : sequence of str
        Warnings, findings and what a reader must know, each with its consequence.
    facts : sequence of (name, value)
        Where the result comes from.
    """

    title: str
    words: Sequence[str] = ()
    lines: Sequence[Line] = ()
    plots: Sequence[Plot | Picture] = ()
    tables: Sequence[Table] = ()
    remarks: Sequence[str] = ()
    facts: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, kw_only=True)
class Content(Section):
    """A report: a section with further sections below it.

    Parameters
    ----------
    lead : str
        A sentence below the title.
    sections : sequence of Section
    data : mapping
        All of the result, for programs.
    brief : sequence of str or Table
        What a terminal is told; by default everything.
    """

    lead: str = ""
    sections: Sequence[Section] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    brief: Sequence[str | Table] = ()

    @property
    def parts(self) -> tuple[Section, ...]:
        """The report's own part, then its sections."""
        return (self, *self.sections)
