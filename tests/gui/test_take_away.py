"""Measurements to take away, in a real window: normal ranges, plots, and a table on disk."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog

from cmr_synth.anatomy.template import draw_stack

SPACING = (12.0, 2.0, 2.0)


@pytest.fixture
def panel(viewer):
    from napari_cmr_synth.heart_mask.widget import HeartMaskWidget

    widget = HeartMaskWidget(viewer)
    viewer.window.add_dock_widget(widget, area="right", name="Heart mask")
    return widget.measurements


def test_a_cine_gives_curve_bulls_eyes_and_a_table(panel, add_mask, qtbot, tmp_path, monkeypatch):
    ed, es = (draw_stack(slices=5, shape=(80, 80), spacing=SPACING, phase=p) for p in ("ED", "ES"))
    with qtbot.waitSignal(panel.measured, timeout=20_000):
        add_mask(np.stack([ed, es, ed]), spacing=SPACING)
    text = panel.function.text()
    assert "LV EF" in text and "51 to 70" in text and "LV mass" in text
    QTest.mouseClick(panel.report, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: getattr(panel, "taken", None) is not None, timeout=20_000)
    window = panel.taken
    assert window.isVisible() and len(window.frame.plots) == 4  # curve, ED, ES, thickening
    qtbot.waitUntil(lambda: window.frame.plots[0].up_to_date, timeout=20_000)
    path = tmp_path / "heart.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    QTest.mouseClick(window.csv_button, Qt.MouseButton.LeftButton)
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert sum(row["measure"] == "wall_thickness" for row in rows) == 32
    window.close()


def test_without_a_mask_it_says_so(panel, told):
    QTest.mouseClick(panel.report, Qt.MouseButton.LeftButton)
    assert any("no mask to measure" in line for line in told)
