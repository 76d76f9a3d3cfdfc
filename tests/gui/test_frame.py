"""The frame that results share shows what the JSON file of the same content says."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from cmr_synth.reports.numbers import show
from cmr_synth.reports.output import write_content
from tests.reports.test_faces import cells, everything

LONG_MS = 60_000

pytest.importorskip("napari", reason="napari is not installed; the extra [app] brings it")


def test_every_number_of_the_json_is_in_the_panel(viewer, qtbot, tmp_path: Path) -> None:
    from qtpy.QtWidgets import QLabel, QTableWidget

    from napari_cmr_synth._frame import PanelFrame

    content = everything()
    frame = PanelFrame("nothing yet")
    qtbot.addWidget(frame)
    frame.content = content
    stated = json.loads(write_content(content, tmp_path / "a.json").read_text())
    tables = frame.findChildren(QTableWidget)
    shown = [
        table.item(row, column).text()
        for table in tables
        for row in range(table.rowCount())
        for column in range(table.columnCount())
    ]
    assert shown == cells(stated)
    assert tables[1].horizontalHeaderItem(1).toolTip() == "1 is as near as real patients"
    words = "\n".join(label.text() for label in frame.findChildren(QLabel))
    (line,) = stated["results"]
    wanted = [*stated["remarks"], *stated["facts"].values(), line["note"], stated["title"]]
    wanted += [*map(show, [line["value"], *line["interval"]]), "In 96 dimensions.", "Realism"]
    for text in wanted:
        assert text in words
    assert frame.plots[0].accessibleName() == "Two intervals."
    assert any(label.accessibleName() == "A square." for label in frame.findChildren(QLabel))


def test_every_text_of_a_plot_can_be_read(viewer, qtbot) -> None:
    """A plot drawn for a page, with small type and many rows."""
    from matplotlib.text import Text

    from cmr_synth.reports.content import Content, Plot
    from napari_cmr_synth._frame import PanelFrame
    from napari_cmr_synth._plot_view import ROW, SMALLEST_TYPE

    names = [f"measure {n}" for n in range(20)]

    def draw(figure) -> None:
        axes = figure.subplots()
        axes.set_yticks(range(len(names)), names, fontsize=5)
        axes.set_title("small", fontsize=6)

    frame = PanelFrame("nothing yet")
    qtbot.addWidget(frame)
    frame.content = Content(title="many", plots=(Plot(draw=draw, says="Twenty rows."),))
    frame.show()
    (view,) = frame.plots
    qtbot.waitUntil(lambda: view.up_to_date, timeout=LONG_MS)
    shown = [text for text in view.figure.findobj(Text) if text.get_text()]
    assert {"small", "measure 19"} <= {text.get_text() for text in shown}
    assert min(text.get_fontsize() for text in shown) >= SMALLEST_TYPE
    assert view.height() >= ROW * len(names)
    assert view.image.height() == view.height() * view.devicePixelRatioF()


def test_a_plot_is_drawn_again_for_another_width_and_another_theme(
    viewer, qtbot, monkeypatch
) -> None:
    from napari.settings import get_settings

    from cmr_synth.reports.content import Plot
    from napari_cmr_synth._plot_view import PlotView

    main, threads = threading.get_ident(), []

    def draw(figure) -> None:
        threads.append(threading.get_ident())
        figure.subplots().plot([0, 1])

    view = PlotView(Plot(draw=draw, says="A line."))
    viewer.window.add_dock_widget(view)
    qtbot.waitUntil(lambda: view.up_to_date, timeout=LONG_MS)
    dark = view.image
    monkeypatch.setattr(get_settings().appearance, "theme", "light")
    qtbot.waitUntil(lambda: view.up_to_date and view.image != dark, timeout=LONG_MS)
    view.setFixedWidth(view.width() + 40)
    qtbot.waitUntil(
        lambda: view.image.width() == round(view.width() * view.devicePixelRatioF()),
        timeout=LONG_MS,
    )
    assert view.image.width() > dark.width() and view.up_to_date
    assert main not in threads and len(threads) >= 3


def test_a_plot_that_cannot_be_drawn_is_said(viewer, qtbot, told) -> None:
    from cmr_synth.reports.content import Plot
    from napari_cmr_synth._plot_view import PlotView

    def draw(figure) -> None:
        raise ValueError("no numbers")

    viewer.window.add_dock_widget(PlotView(Plot(draw=draw, says="Nothing.")))
    qtbot.waitUntil(lambda: any("no numbers" in line for line in told), timeout=LONG_MS)
