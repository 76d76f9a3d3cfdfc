"""What is dropped on the app or opened by its bar: folders of DICOM files, and pictures."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QFileDialog

LONG_MS = 60_000


@pytest.fixture
def app(viewer, monkeypatch):
    """The app in the window of the test, with napari's settings as they are shipped."""
    import napari
    from napari.settings import get_settings

    from napari_cmr_synth import _app, _panel_bar

    settings = get_settings()
    monkeypatch.setattr(settings, "config_path", None)
    before = dict(settings.plugins.extension2reader)
    settings.plugins.extension2reader = {}
    monkeypatch.setattr(napari, "Viewer", lambda **options: viewer)
    monkeypatch.setattr(_panel_bar, "offered", lambda viewer: [])  # no panel is needed here
    yield _app.open_app()
    settings.plugins.extension2reader = before


@pytest.fixture
def series(stack, tmp_path):
    """A folder with a DICOM series of four slices."""
    from cmr_synth.imaging.dicom_out.series import write_series
    from cmr_synth.imaging.dicom_out.study import Making
    from napari_cmr_synth._layers import scan_without_place

    folder = tmp_path / "exam"
    folder.mkdir()
    making = Making(model="m", model_version="1", model_hash="0" * 64, seed=0, variant=0)
    write_series(
        scan_without_place(stack.astype(np.float32) / 3, (8.0, 1.5, 1.5), "scan"), folder, making
    )
    return folder


def drop(viewer, *paths):
    """Let files fall on the window: the event that the file manager sends.

    Qt delivers drops to where a drag went before, which a test cannot make; the window gets it.
    """
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    event = QDropEvent(
        QPointF(50, 50),
        Qt.DropAction.CopyAction,
        mime,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    viewer.window._qt_viewer.dropEvent(event)


def test_a_folder_of_dicom_files_opens_by_menu_and_by_drop(app, series, monkeypatch, told):
    from napari_cmr_synth._open_menu import OpenMenu

    menu = app.window._qt_window.findChild(OpenMenu)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *a, **k: str(series))
    menu.folder_action.trigger()
    drop(app, series)
    assert [layer.data.shape for layer in app.layers] == [(4, 96, 112)] * 2
    assert not [line for line in told if line.startswith("error")]


def test_pictures_open_as_they_are_and_say_that_they_have_no_geometry(app, tmp_path, told):
    grey = np.random.default_rng(0).integers(0, 255, (20, 30), dtype=np.uint8)
    Image.fromarray(grey).save(tmp_path / "photo.png")
    Image.fromarray(np.stack([grey] * 3, -1)).save(tmp_path / "screen.jpg")
    marked = PngInfo()
    marked.add_text("Synthetic", "YES")
    Image.fromarray(grey).save(tmp_path / "made.png", pnginfo=marked)
    for name in ("photo.png", "screen.jpg", "made.png"):
        drop(app, tmp_path / name)
    assert [layer.name for layer in app.layers] == ["photo", "screen", "synthetic made"]
    np.testing.assert_array_equal(app.layers[0].data, grey)
    notes = [line for line in told if "without geometry" in line]
    assert [line.split(":")[1].strip() for line in notes] == ["photo.png", "screen.jpg", "made.png"]
    assert "says that it is synthetic" in notes[2] and "says that" not in notes[0]


def test_libraries_and_window_are_spared_once_there_is_no_layer(viewer, monkeypatch, qtbot):
    import gc

    from napari_cmr_synth._long_lived import spare_long_lived

    spared: list[int] = []
    monkeypatch.setattr(gc, "freeze", lambda: spared.append(len(viewer.layers)))
    for name in ("one", "other"):
        viewer.add_image(np.zeros((8, 8)), name=name)
    spare_long_lived(viewer)
    viewer.layers.remove("one")
    qtbot.wait(50)
    assert not spared
    viewer.layers.clear()
    qtbot.waitUntil(lambda: spared == [0])
    viewer.add_image(np.zeros((8, 8)))
    viewer.layers.clear()
    qtbot.wait(50)
    assert spared == [0]
