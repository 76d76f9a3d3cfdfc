"""The frame that results share shows what the JSON file of the same content says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cmr_synth.reports.numbers import show
from cmr_synth.reports.output import write_content
from tests.reports.test_faces import cells, everything

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
    assert frame.canvas.accessibleName() == "Two intervals."
    assert any(label.accessibleName() == "A square." for label in frame.findChildren(QLabel))
