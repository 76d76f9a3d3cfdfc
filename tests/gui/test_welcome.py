"""*Start here* over the empty canvas of a real window."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog

from napari_cmr_synth._welcome import StartHere


class Panel:
    """What the dock and the panel of patients are asked."""

    def __init__(self):
        self.opened = []

    def inner_widget(self):
        return self

    def open_folder(self, folder):
        self.opened.append(folder)


@pytest.fixture
def opened():
    return []


@pytest.fixture
def page(viewer, opened, qtbot):
    panel = Panel()

    def open_panel(title):
        opened.append(title)
        return panel

    page = StartHere(viewer, open_panel)
    page.panel = panel
    qtbot.wait(20)
    return page


def click(button):
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def test_it_covers_the_canvas_until_something_is_open(viewer, page, qtbot):
    canvas = viewer.window._qt_viewer.canvas.native
    assert page.isVisible() and page.size() == canvas.size()
    viewer.window._qt_window.resize(900, 640)
    qtbot.waitUntil(lambda: page.size() == canvas.size(), timeout=5000)
    for button in page.buttons.values():
        assert button.width() >= button.sizeHint().width(), "no word is cut"
        assert page.rect().contains(button.mapTo(page, button.rect().center()))
    layer = viewer.add_image(np.eye(8))
    assert not page.isVisible()
    viewer.layers.remove(layer)
    assert page.isVisible()
    welcome = getattr(viewer.window._qt_viewer, "_welcome_widget", None)
    assert welcome is None or not welcome.isVisible(), "napari's own"


def test_painting_begins_with_a_heart_and_the_brush(viewer, page, opened):
    click(page.buttons["paint"])
    (layer,) = viewer.layers
    assert layer.mode == "paint" and opened == ["Heart mask"]


def test_a_folder_of_patients_goes_to_the_list(page, opened, monkeypatch):
    answers = ["", "/data/patients"]
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: answers.pop(0))
    click(page.buttons["patients"])
    assert not opened, "nothing was chosen"
    click(page.buttons["patients"])
    assert opened == ["Patients"] and page.panel.opened == ["/data/patients"]


def test_examples_are_those_of_the_manifest(viewer, page):
    (action,) = [a for a in page.examples.actions() if a.text().startswith("Dilated")]
    action.trigger()
    assert "dilated" in viewer.layers[0].name


def test_files_that_are_no_scans_are_told(viewer, page, told, tmp_path, monkeypatch):
    path = tmp_path / "notes.nii.gz"
    path.write_text("no scan")
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([str(path)], ""))
    click(page.buttons["scan"])
    assert not viewer.layers and page.isVisible()
    assert any("notes.nii.gz" in line for line in told)
