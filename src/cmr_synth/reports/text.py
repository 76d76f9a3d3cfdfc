"""A `Content` in plain text: aligned lines for a terminal, and tables in Markdown."""

from __future__ import annotations

from cmr_synth.reports.content import Content, Section, Table


def lines_of(content: Content) -> list[str]:
    """What a terminal is told: the brief of the report, or all of it where it has none."""
    if not content.brief:
        return [content.title, content.lead, *(line for p in content.parts for line in _part(p))]
    return [
        line
        for piece in content.brief
        for line in (aligned(piece) if isinstance(piece, Table) else [piece])
    ]


def aligned(table: Table) -> list[str]:
    """Lines with columns one below the other."""
    rows = table.shown
    widths = [max(len(row[k]) for row in rows) for k in range(len(table.columns))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def markdown(table: Table) -> list[str]:
    """Lines of a Markdown table."""
    head, *rows = table.shown
    rule = "|" + "---|" * len(head)
    return [_row(head), rule, *map(_row, rows)]


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _part(part: Section) -> list[str]:
    lines = [] if isinstance(part, Content) else ["", part.title]
    lines += part.words
    lines += [f"{one.name}: {one.shown}{f' {one.note}' if one.note else ''}" for one in part.lines]
    lines += [plot.says for plot in part.plots]
    for table in part.tables:
        lines += [*([table.title] if table.title else []), *aligned(table)]
    lines += part.remarks
    return [*lines, *(f"{name}: {value}" for name, value in part.facts)]
