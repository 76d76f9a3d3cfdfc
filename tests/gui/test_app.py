"""The app: panels in place, sample data one click away, nothing heavy before it is used."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from napari_cmr_synth._manifest import panels

pytest.importorskip("napari", reason="napari is not installed; the extra [app] brings it")

OPENED = """
import sys
import threading
from qtpy.QtWidgets import QDockWidget
from qtpy.QtTest import QTest
from cmr_synth.generators.zoo import DEFAULT
from napari_cmr_synth._app import open_app
from napari_cmr_synth._idle import WhileIdle
from napari_cmr_synth._models import is_loaded
from napari_cmr_synth._panel_bar import PanelBar

viewer = open_app()
window = viewer.window._qt_window
bar = window.findChild(PanelBar)
made = len(window.findChildren(QDockWidget))
heavy = [name for name in ("torch", "diffusers", "monai") if name in sys.modules]
(idle,) = window.findChildren(WhileIdle)
while idle.active:
    QTest.qWait(20)
print("later", len(window.findChildren(QDockWidget)) > made)
print("visible", window.isVisible())
print("docks", ", ".join(dock.windowTitle() for dock in window.findChildren(QDockWidget)))
print("heavy", heavy)
(ahead,) = [one for one in threading.enumerate() if one.name == "load the default model"]
ahead.join()
print("loaded", is_loaded(DEFAULT))
viewer.close()
"""


@pytest.fixture
def app(viewer, monkeypatch):
    """The app in the window of the test."""
    import napari

    from napari_cmr_synth import _app

    monkeypatch.setattr(napari, "Viewer", lambda **options: viewer)
    return _app.open_app()


@pytest.fixture
def bar(app):
    from napari_cmr_synth._panel_bar import PanelBar

    return app.window._qt_window.findChild(PanelBar)


@pytest.fixture
def start(bar):
    return bar.open_menu


def test_the_window_opens_with_every_panel_and_without_torch() -> None:
    if sys.platform.startswith("linux") and not {"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ):
        pytest.skip("no display; run under xvfb-run")
    done = subprocess.run(
        [sys.executable, "-c", OPENED], capture_output=True, text=True, timeout=300
    )
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert said["visible"] == "True", done.stderr
    assert set(panels()) <= set(said["docks"].split(", "))
    assert said["later"] == "True", "nobody waits for panels that are not in front"
    assert said["heavy"] == "[]"
    assert said["loaded"] == "True", "nor for the default model"


def test_every_sample_is_in_the_menu(start) -> None:
    assert list(start.samples) == [
        "drawn_normal",
        "drawn_dilated",
        "drawn_hypertrophic",
        "sunnybrook",
        "synthetic_stack",
    ]


def test_a_click_opens_a_heart_in_its_middle(app, start) -> None:
    start.samples["drawn_dilated"].trigger()
    (layer,) = app.layers
    assert "dilated" in layer.name
    assert app.layers.selection.active is layer
    shown = layer.data[app.dims.current_step[0]]
    assert {1, 2, 3} <= set(shown.ravel())


def test_files_are_opened_and_what_is_no_scan_is_said(
    app, start, told, tmp_path, monkeypatch
) -> None:
    from qtpy.QtWidgets import QFileDialog

    path = tmp_path / "notes.nii.gz"
    path.write_text("no scan")
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *a, **k: ([str(path)], ""))
    start.file_action.trigger()
    assert len(app.layers) == 0
    assert any("notes.nii.gz" in message for message in told)


def test_a_panel_that_fails_leaves_the_others(viewer, monkeypatch, told, caplog) -> None:
    import napari
    from qtpy.QtWidgets import QDockWidget

    from napari_cmr_synth import _app
    from napari_cmr_synth._panel_bar import PanelBar
    from napari_cmr_synth.batch import widget as batch_widget

    def broken(self, *_, **__):
        raise RuntimeError("no such luck")

    monkeypatch.setattr(batch_widget.BatchWidget, "__init__", broken)
    monkeypatch.setattr(napari, "Viewer", lambda **options: viewer)
    app = _app.open_app()
    app.window._qt_window.findChild(PanelBar).open_all()
    titles = {dock.windowTitle() for dock in app.window._qt_window.findChildren(QDockWidget)}
    assert {"Heart mask", "Synthesize", "Record"} <= titles and "Batch" not in titles
    assert any("no such luck" in message for message in told)
    caplog.clear()  # its traceback keeps the window


class Theirs:
    """What other packages may bring: a panel, one that fails, and what is none."""

    @staticmethod
    def panel(viewer):
        """A widget."""
        from qtpy.QtWidgets import QLabel

        return QLabel(f"{len(viewer.layers)} layers")

    @staticmethod
    def faulty(viewer):
        """A widget that cannot be made."""
        raise RuntimeError("no such luck\nand more of it")

    @staticmethod
    def nothing(viewer):
        """No widget."""


@pytest.fixture
def theirs(monkeypatch):
    """Declare panels of another package: title and place of each."""
    from importlib.metadata import EntryPoint

    from cmr_synth import extensions
    from napari_cmr_synth._panels import GROUP

    def declare(**places):
        entries = [EntryPoint(title, place, GROUP) for title, place in places.items()]
        monkeypatch.setattr(
            extensions, "entry_points", lambda group: entries if group == GROUP else []
        )

    return declare


@pytest.fixture
def opened(viewer, monkeypatch):
    """Open the app and tell the titles of its tabs."""
    import napari
    from qtpy.QtWidgets import QDockWidget

    from napari_cmr_synth import _app
    from napari_cmr_synth._panel_bar import PanelBar

    monkeypatch.setattr(napari, "Viewer", lambda **options: viewer)

    def titles():
        window = _app.open_app().window._qt_window
        window.findChild(PanelBar).open_all()
        return [dock.windowTitle() for dock in window.findChildren(QDockWidget)]

    return titles


def test_a_panel_of_another_package_is_in_the_window(opened, theirs, told) -> None:
    theirs(Layers=f"{__name__}:Theirs.panel")
    assert {"Layers", "Heart mask", "Reader study"} <= set(opened())
    assert told == []


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("package_not_there.panel:Mine", "modulenotfounderror: no module named"),
        ("json:__all__", "it is no widget"),
        (f"{__name__}:Theirs.faulty", "runtimeerror: no such luck"),
        (f"{__name__}:Theirs.nothing", "it makes a nonetype, no widget"),
    ],
)
def test_a_panel_of_another_package_that_fails_is_named(
    opened, theirs, told, place, reason
) -> None:
    theirs(Mine=place)
    titles = opened()
    assert "Mine" not in titles and {"Heart mask", "Synthesize", "Reader study"} <= set(titles)
    (line,) = told
    package = place.partition(":")[0].partition(".")[0]
    assert line.startswith(f"error: panel 'mine' of the package '{package}' cannot be used")
    assert reason in line and "\n" not in line


def test_a_panel_of_the_name_of_ours_is_told(opened, theirs, told) -> None:
    theirs(Batch="elsewhere.panel:Batch")
    assert opened().count("Batch") == 1
    (line,) = told
    assert "panel 'batch' is declared twice" in line and "elsewhere.panel:batch" in line
