"""Building an archive from the app: the real work on drawn patients, and what it says before."""

from __future__ import annotations

import time

import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from cmr_synth.evaluation.events import Event
from napari_cmr_synth import _build_archive
from napari_cmr_synth._build_archive import BuildArchive


@pytest.fixture
def built():
    return []


@pytest.fixture
def window(viewer, built):
    window = BuildArchive(built.append, viewer.window._qt_window)
    window.show()
    yield window
    window.close()


def click(button):
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def test_what_is_missing_or_wrong_is_told(window, told, tmp_path, qtbot, built):
    click(window.work.start_button)
    assert any("no folder of real patients is chosen" in line for line in told)
    window.patients.folder.setText(str(tmp_path / "none"))
    window.out.setText(str(tmp_path / "archive"))
    click(window.work.start_button)
    qtbot.waitUntil(lambda: "no such folder" in window.work.words.text(), timeout=60_000)
    qtbot.waitUntil(lambda: not window.work.running, timeout=60_000)
    assert not built
    assert list(tmp_path.iterdir()) == [], "nothing half-made"


def test_cancelling_keeps_nothing(window, tmp_path, qtbot, built, monkeypatch):
    def slow(patients, out, pixels):
        while True:
            time.sleep(0.01)  # as long as a slice takes at least
            yield Event("build", 0.5, "1 of 2 slices")

    monkeypatch.setattr(_build_archive, "_work", slow)
    window.patients.folder.setText(str(tmp_path))
    window.out.setText(str(tmp_path / "archive"))
    click(window.work.start_button)
    qtbot.waitUntil(lambda: "1 of 2 slices" in window.work.words.text(), timeout=20_000)
    click(window.work.cancel_button)
    qtbot.waitUntil(lambda: not window.work.running, timeout=20_000)
    assert window.work.words.text() == "Cancelled." and not built
