"""One content, three faces: what one shows the others show, number by number."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest

from cmr_synth.reports.content import Content, Line, Link, Picture, Plot, Section, Table
from cmr_synth.reports.numbers import beside, interval, number, share, show, significant
from cmr_synth.reports.output import write_content, write_report
from cmr_synth.reports.plots import Span, Tile, grid, intervals, png
from cmr_synth.reports.text import lines_of, markdown

NAN = float("nan")


@pytest.fixture
def content() -> Content:
    return everything()


def everything() -> Content:
    """A report with one of each part, on its own level and below it."""
    from PIL import Image

    columns = {"Candidate": "", "Ratio": "1 is as near as real patients", "n": ""}
    spans = [Span(name="a", value=0.61, low=0.5, high=None), Span(name="b", value=1, low=0, high=2)]
    plot = intervals(spans, says="Two intervals.", label="ratio", centre=1)
    picture = Picture(says="A square.", image=Image.new("RGB", (9, 7)), name="square")
    return Content(
        title="All <parts>",
        lead="With 12 patients.",
        lines=[Line(name="Mean", value=0.8123, interval=(0.7567, 0.8678), note="of 31 slices")],
        plots=[plot],
        tables=[Table(("Slice", "Dice"), [[3, 0.98765], [4, NAN], [5, None]], "By slice")],
        remarks=["Slice 4 is empty."],
        facts=[("Seed", "2026")],
        sections=[
            Section(
                title="Realism",
                words=["In 96 dimensions."],
                plots=[picture],
                tables=[
                    Table(columns, [["flow & co", interval(1.234, 1.1, 1.4, 2), 17]]),
                    Table(("File",), [[Link("heart1.nii.gz", "images/heart1.nii.gz")]]),
                ],
                remarks=["Kernel of degree 3."],
                facts=[("Weights", "sha256 0123")],
            )
        ],
        data={"ratio": 1.234},
    )


def cells(stated: dict) -> list[str]:
    """Of every table in the JSON file, as people are shown them."""
    return [show(cell) for table in stated["tables"] for row in table["rows"] for cell in row]


def test_every_number_of_the_json_is_on_the_page_and_in_the_text(content, tmp_path: Path) -> None:
    stated = json.loads(write_content(content, tmp_path / "a.json").read_text())
    page = write_content(content, tmp_path / "a.html").read_text()
    page = html.unescape(re.sub(r"base64,[^\"]+", "", page))
    text = "\n".join(lines_of(content))
    (line,) = stated["results"]
    wanted = [*cells(stated), *stated["remarks"], *stated["facts"].values(), line["note"]]
    wanted += map(show, [line["value"], *line["interval"]])
    assert {"0.988", "1.23 [1.10, 1.40]", "17", "0.812", "–"} <= set(wanted)
    for words in wanted:
        assert words in page and words in text
    assert [row for table in stated["tables"] for row in table["rows"]][:2] == [
        [3, 0.98765],
        [4, None],
    ]


def test_a_table_is_the_same_on_the_page_as_in_json(content, tmp_path: Path) -> None:
    page = write_content(content, tmp_path / "a.html").read_text()
    stated = json.loads(write_content(content, tmp_path / "a.json").read_text())
    shown = [
        html.unescape(re.sub("<[^>]+>", "", cell))
        for body in re.findall(r"</thead>\s*<tbody>(.*?)</tbody>", page, re.S)
        for cell in re.findall(r"<td>(.*?)</td>", body)
    ]
    assert shown == cells(stated)
    assert 'href="images/heart1.nii.gz"' in page and "1 is as near as real patients" in page


def test_a_folder_holds_page_data_and_every_plot(content, tmp_path: Path) -> None:
    files = write_report(tmp_path, content, name="result")
    assert files == {
        "page": "result.html",
        "figures": "result.json",
        "all-parts-two-intervals": "all-parts-two-intervals.png",
        "square": "square.png",
    }
    assert {p.name for p in tmp_path.iterdir()} == set(files.values())
    assert json.loads((tmp_path / "result.json").read_text()) == {"ratio": 1.234}
    before = (tmp_path / "result.html").read_bytes()
    write_report(tmp_path, everything(), name="result")
    assert (tmp_path / "result.html").read_bytes() == before  # nothing in it says when


def test_a_terminal_is_told_the_brief(content) -> None:
    table = content.tables[0]
    brief = Content(title="T", brief=["first", table], remarks=["not told"])
    assert lines_of(brief) == ["first", "Slice  Dice", "3      0.988", "4      –", "5      –"]
    assert markdown(table)[:3] == ["| Slice | Dice |", "|---|---|", "| 3 | 0.988 |"]


def test_a_picture_over_a_picture_changes_it() -> None:
    import numpy as np

    grey = np.full((8, 8), 0.5)
    over = np.linspace(-1, 1, 64).reshape(8, 8)
    plain, laid = (
        png(grid([[Tile(pixels=grey, over=values)]], says="")) for values in (None, over)
    )
    assert plain != laid


def test_a_plot_of_intervals_has_a_row_for_each() -> None:
    from matplotlib.figure import Figure

    plot = everything().plots[0]
    assert isinstance(plot, Plot)
    figure = Figure()
    plot.draw(figure)
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    assert len(axes.lines) == 4  # two dots, one interval, the centre


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        (number(1.25, 1), "1.2"),
        (number(NAN), "–"),
        (number(None), "–"),
        (significant(0.012345), "0.0123"),
        (significant(float("inf")), "–"),
        (interval(0.5, 0.4, 0.6, 2), "0.50 [0.40, 0.60]"),
        (interval(0.5, None, 0.6), "0.500"),
        (interval(NAN, 0, 1), "–"),
        (interval(0.01, -0.02, 0.04, 2, sign=True), "+0.01 [-0.02, +0.04]"),
        (beside(0.9, 0.8), "0.90 (0.80)"),
        (share(0.125, 1), "12.5%"),
        (share(None), "–"),
    ],
)
def test_how_numbers_are_written(written: str, wanted: str) -> None:
    assert written == wanted
