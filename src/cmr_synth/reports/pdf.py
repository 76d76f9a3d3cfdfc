"""The pages of a `Content` as a PDF file: A4, drawn by matplotlib, no other program needed."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cmr_synth.files import write_file
from cmr_synth.reports.content import Content, Picture, Plot, Table
from cmr_synth.reports.plots import png

if TYPE_CHECKING:
    from matplotlib.backends.backend_pdf import PdfPages
    from matplotlib.figure import Figure

A4 = (8.27, 11.69)  # inches
_MARGIN, _FOOT = 0.75, 0.6
_INK, _DIM = "#1a1d21", "#606870"
_POINT = 1 / 72  # inch
_LEADING = 1.35
_WIDTH_OF_LETTER = 0.5  # of the size, on average, in the font that matplotlib brings


def write_pdf(
    content: Content, path: Path, *, footer: str = "", about: Mapping[str, str] | None = None
) -> None:
    """Write a report as PDF.

    Parameters
    ----------
    content : Content
    path : Path
    footer : str
        At the foot of every page, before its number.
    about : mapping, optional
        Metadata of the file, such as Keywords. The moment of writing is left out, so that equal
        reports give equal bytes.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    from matplotlib.backends.backend_pdf import PdfPages

    metadata = {"Title": content.title, "CreationDate": None, "ModDate": None, **(about or {})}
    with write_file(Path(path)) as temporary, PdfPages(temporary, metadata=metadata) as pages:
        writer = _Writer(pages, footer)
        writer.words(content.title, size=18, weight="bold", after=4)
        if content.lead:
            writer.words(content.lead, size=10, colour=_DIM, after=8)
        for number, part in enumerate(content.parts):
            if number:
                writer.words(part.title, size=13, weight="bold", before=12, after=4, keep=50)
            for words in part.words:
                writer.words(words, after=4)
            if part.lines:
                rows = [[line.name, line.shown, line.note] for line in part.lines]
                writer.table(["", "", ""], rows)
            for plot in part.plots:
                writer.plot(plot)
            for table in part.tables:
                writer.of(table)
            for remark in part.remarks:
                writer.words(f"•  {remark}", after=2)
            if part.facts:
                writer.table(["", ""], [list(fact) for fact in part.facts])
        writer.end()


class _Writer:
    """Fills page after page from the top."""

    def __init__(self, pages: PdfPages, footer: str):
        self.pages, self.footer = pages, footer
        self.number = 0
        self.figure: Figure | None = None
        self.y = 0.0

    @property
    def width(self) -> float:
        return A4[0] - 2 * _MARGIN

    def room(self, inches: float) -> None:
        """Begin a new page unless so much is left of this one."""
        if self.figure is None or self.y - inches < _MARGIN + _FOOT:
            self.end()
            from matplotlib.figure import Figure

            self.figure = Figure(figsize=A4)
            self.number += 1
            self.y = A4[1] - _MARGIN
            foot = f"{self.footer}   {self.number}".strip()
            self._text(_MARGIN, _FOOT, foot, 7.5, _DIM, "normal")

    def end(self) -> None:
        """Put the page, if there is one, into the file."""
        if self.figure is not None:
            self.pages.savefig(self.figure)
            self.figure = None

    def words(
        self,
        text: str,
        *,
        size: float = 9,
        colour: str = _INK,
        weight: str = "normal",
        before: float = 0,
        after: float = 0,
        keep: float = 0,
    ) -> None:
        """A paragraph; distances and what must fit below it in points."""
        lines = textwrap.wrap(text, _letters(self.width, size)) or [""]
        self.y -= before * _POINT
        for place, line in enumerate(lines):
            step = size * _LEADING * _POINT
            self.room(step + (keep * _POINT if place == len(lines) - 1 else 0))
            self.y -= step
            self._text(_MARGIN, self.y, line, size, colour, weight)
        self.y -= after * _POINT

    def of(self, table: Table) -> None:
        """A table of a report, with what its headings mean below it."""
        if table.title:
            self.words(table.title, weight="bold", before=4, after=2, keep=30)
        headings, *rows = table.shown
        self.table(headings, rows)
        for heading, words in table.meanings.items():
            self.words(f"{heading}: {words}.", size=7.5, colour=_DIM)

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Cells that wrap in columns as wide as they need."""
        size = 8.0
        texts = [[str(cell) for cell in row] for row in rows]
        wanted = [
            max([len(heading), *(min(len(row[k]), 60) for row in texts)]) + 2
            for k, heading in enumerate(headings)
        ]
        widths = [self.width * one / sum(wanted) for one in wanted]
        if any(headings):
            self._row(headings, widths, size, _DIM)
        for row in texts:
            self._row(row, widths, size, _INK)
        self.y -= 6 * _POINT

    def plot(self, plot: Plot | Picture) -> None:
        """A plot as wide as the page, and what it shows."""
        from matplotlib.image import imread

        pixels = imread(io.BytesIO(png(plot)), format="png")
        height = self.width * pixels.shape[0] / pixels.shape[1]
        tallest = A4[1] - 2 * _MARGIN - _FOOT - 0.5
        width = self.width * min(1.0, tallest / height)
        height = min(height, tallest)
        self.room(height + 0.3)
        assert self.figure is not None
        self.y -= height
        box = (_MARGIN / A4[0], self.y / A4[1], width / A4[0], height / A4[1])
        axes = self.figure.add_axes(box)
        axes.imshow(pixels, aspect="auto")
        axes.set_axis_off()
        self.words(plot.says, size=7.5, colour=_DIM, after=6)

    def _row(self, row: Sequence[str], widths: Sequence[float], size: float, colour: str) -> None:
        cells = [
            textwrap.wrap(text, _letters(width, size) - 1) or [""]
            for text, width in zip(row, widths, strict=True)
        ]
        step = size * _LEADING * _POINT
        height = step * max(len(cell) for cell in cells) + 2 * _POINT
        self.room(min(height, A4[1] / 2))
        x = _MARGIN
        for cell, width in zip(cells, widths, strict=True):
            for place, line in enumerate(cell):
                self._text(x, self.y - step * (place + 1), line, size, colour, "normal")
            x += width
        self.y -= height

    def _text(self, x: float, y: float, words: str, size: float, colour: str, weight: str) -> None:
        assert self.figure is not None
        # a dollar sign would begin mathematics
        self.figure.text(
            x / A4[0],
            y / A4[1],
            words,
            fontsize=size,
            color=colour,
            weight=weight,
            parse_math=False,
        )


def _letters(width: float, size: float) -> int:
    return max(8, int(width / (size * _POINT * _WIDTH_OF_LETTER)))
