"""Odd layers before every panel: one clear line or a greyed button, never a fault, nothing changed.

Each panel of the manifest is opened, and every button of it is pressed, with layers that it is not
made for. Work that would start is noted and not done: what it does with odd voxels is tested with
the engine.
"""

from __future__ import annotations

import logging

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QAbstractButton, QApplication, QCheckBox, QFileDialog, QMessageBox

from napari_cmr_synth import _jobs
from napari_cmr_synth._manifest import PLUGIN, panels

SPACING = (8.0, 1.5, 1.5)


def nothing(viewer, stack):
    return []


def scan_alone(viewer, stack):
    return [viewer.add_image(stack.astype(np.float32), name="scan", scale=SPACING)]


def scan_with_nan(viewer, stack):
    pixels = stack.astype(np.float32)
    pixels[1, :, :40] = np.nan
    return [
        viewer.add_image(pixels, name="scan", scale=SPACING, contrast_limits=(0, 3)),
        viewer.add_labels(stack.copy(), name="heart", scale=SPACING),
    ]


def points_selected(viewer, stack):
    mask = viewer.add_labels(stack.copy(), name="heart", scale=SPACING)
    return [mask, viewer.add_points(np.zeros((2, 3)), name="landmarks")]


def empty_mask(viewer, stack):
    return [viewer.add_labels(np.zeros_like(stack), name="heart", scale=SPACING)]


def mask_in_dask(viewer, stack):
    import dask.array as da

    return [viewer.add_labels(da.from_array(stack), name="lazy", scale=SPACING)]


def scan_in_dask(viewer, stack):
    import dask.array as da

    return [viewer.add_image(da.from_array(stack.astype(np.float32)), name="lazy", scale=SPACING)]


def multiscale(viewer, stack):
    levels = [stack, stack[:, ::2, ::2]]
    return [
        viewer.add_image([np.float32(level) for level in levels], multiscale=True, name="levels"),
        viewer.add_labels(levels, multiscale=True, name="levels of labels"),
    ]


def colour(viewer, stack):
    return [viewer.add_image(np.zeros((40, 40, 3), np.uint8), rgb=True, name="photo")]


def too_many_axes(viewer, stack):
    return [viewer.add_labels(np.zeros((2, 2, 2, 8, 8), int), name="five axes")]


def mask_in_3d(viewer, stack):
    return [viewer.add_labels(stack.copy(), name="heart", scale=SPACING)]


SITUATIONS = (
    nothing,
    scan_alone,
    scan_with_nan,
    points_selected,
    empty_mask,
    mask_in_dask,
    scan_in_dask,
    multiscale,
    colour,
    too_many_axes,
    mask_in_3d,
)


@pytest.fixture
def no_work(monkeypatch, tmp_path):
    """Files are not asked for, and jobs are noted and not begun."""
    started = []
    monkeypatch.setattr(_jobs.Job, "start", lambda job: started.append(job._title))
    for ask in ("getOpenFileName", "getOpenFileNames", "getSaveFileName"):
        monkeypatch.setattr(QFileDialog, ask, lambda *a, **k: ("", ""))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *a, **k: "")
    monkeypatch.setattr(QMessageBox, "exec", lambda box: QMessageBox.StandardButton.Cancel)
    return started


def buttons(panel):
    """What can be pressed in a panel, dialogs of its own left out."""
    return [
        each
        for each in panel.findChildren(QAbstractButton)
        if each.isEnabled() and each.isVisible() and not each.text().endswith("...")
    ]


def close_dialogs(window):
    for other in QApplication.topLevelWidgets():
        if other is not window and other.isVisible() and other.inherits("QDialog"):
            other.close()


@pytest.mark.parametrize("title", panels())
def test_odd_layers_are_no_fault(viewer, title, stack, no_work, told, caplog):
    window = viewer.window._qt_window
    _, panel = viewer.window.add_plugin_dock_widget(PLUGIN, title)
    for situation in SITUATIONS:
        viewer.layers.clear()
        viewer.dims.ndisplay = 2
        layers = situation(viewer, stack)
        if layers:
            viewer.layers.selection.active = layers[-1]
        viewer.dims.ndisplay = 3 if situation is mask_in_3d else 2
        before = [np.array(la.data) for la in layers if isinstance(la.data, np.ndarray)]
        for button in buttons(panel):
            told.clear()
            was = isinstance(button, QCheckBox) and button.isChecked()
            QTest.mouseClick(button, Qt.MouseButton.LeftButton)
            where = f"{title}, {situation.__name__}: {button.text()!r} said {told}"
            assert len(told) <= 1, where
            assert not any("unexpected" in line or "\n" in line for line in told), where
            if isinstance(button, QCheckBox):
                button.setChecked(was)
            close_dialogs(window)
        faults = [r for r in caplog.records if r.levelno >= logging.ERROR]
        assert not faults, f"{title}, {situation.__name__}: {faults[0].exc_info}"
        if title not in EDITORS:
            after = [np.array(la.data) for la in layers if isinstance(la.data, np.ndarray)]
            same = [
                np.array_equal(a, b, equal_nan=True) for a, b in zip(before, after, strict=True)
            ]
            assert all(same), situation.__name__


EDITORS = ("Heart mask", "Dials")
"""Panels that are there to change a mask."""
