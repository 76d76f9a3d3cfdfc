"""Vendors side by side and variants to choose from, in a real window with the bundled weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from cmr_synth.anatomy.labels import MYO
from napari_cmr_synth._models import card
from napari_cmr_synth._results import MASK, RECORD
from napari_cmr_synth.compare.widget import CompareWidget

LONG_MS = 180_000  # for a first synthesis on a busy machine: torch is imported, weights are read
VENDORS = card("flow").conditions.vendors


@pytest.fixture
def panel(viewer: Any, add_mask: Any, stack: np.ndarray, qtbot: Any) -> CompareWidget:
    """The panel in a window with a scan and a mask over it; slice 1 in view, two steps each."""
    viewer.add_image(
        np.zeros(stack.shape, np.float32),
        name="scan",
        scale=(8.0, 1.5, 1.5),
        axis_labels=("z", "y", "x"),
        units=("mm",) * 3,
    )
    add_mask(stack)
    viewer.dims.set_point(0, 8.0)
    widget = CompareWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Vendors and variants")
    widget.form.steps.setValue(2)
    widget.with_real.setChecked(False)
    return widget


@pytest.fixture
def press(qtbot: Any, panel: CompareWidget):
    """Click a button of the panel and wait until nothing runs any more."""

    def click(button: Any) -> None:
        with qtbot.waitSignal(panel.finished, timeout=LONG_MS):
            qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    return click


def view_of(viewer: Any) -> dict[str, Any]:
    grid, camera = viewer.canvas.grid, viewer.scene.camera
    return {
        "visible": {layer.name: layer.visible for layer in viewer.layers},
        "grid": (grid.enabled, grid.stride, grid.shape, grid.spacing),
        "camera": (*np.round(camera.center, 6), round(camera.zoom, 6)),
        "slice": viewer.dims.current_step,
        "active": viewer.layers.selection.active.name,
    }


def test_vendors_stand_side_by_side_and_leave_as_they_came(viewer, panel, press, qtbot):
    viewer.layers["scan"].visible = False
    viewer.scene.camera.zoom = 2.5
    viewer.scene.camera.center = (0, 60, 70)
    before = view_of(viewer)
    press(panel.compare_button)

    pictures = panel.grid_view.layers
    assert [layer.metadata[RECORD]["vendor"] for layer in pictures] == list(VENDORS)
    assert [layer.name for layer in pictures] == [f"synthetic {vendor}" for vendor in VENDORS]
    assert all(layer.name_overlay.visible for layer in pictures), "each is labelled"
    assert {layer.metadata[RECORD]["seed"] for layer in pictures} == {0}
    assert [layer for layer in viewer.layers if layer.visible] == pictures
    grid = viewer.canvas.grid
    cells = [grid.position(viewer.layers.index(layer), viewer.layers) for layer in pictures]
    assert cells == [(0, column) for column in range(len(VENDORS))]
    made = [layer.data[1] for layer in pictures]
    assert all(np.abs(made[0] - other).max() > 0.02 for other in made[1:])
    assert not pictures[0].data[[0, 2, 3]].any(), "the slice in view"

    pictures[1].contrast_limits = (0.1, 0.6)
    assert [tuple(layer.contrast_limits) for layer in pictures] == [(0.1, 0.6)] * len(pictures)

    qtbot.mouseClick(panel.back_button, Qt.MouseButton.LeftButton)
    assert view_of(viewer) == before
    assert not panel.back_button.isEnabled()


def test_every_cell_shows_a_heart_and_one_camera_moves_them_all(viewer, panel, press, qtbot):
    press(panel.compare_button)

    def cells() -> list[np.ndarray]:
        qtbot.wait(100)
        shown = viewer.screenshot(canvas_only=True, flash=False)[..., 0].astype(float)
        width = shown.shape[1] // len(VENDORS)
        return [
            shown[:, column * width + 4 : (column + 1) * width - 4]
            for column in range(len(VENDORS))
        ]

    far = cells()
    assert all(cell.std() > 15 for cell in far)
    viewer.scene.camera.zoom *= 3
    near = cells()
    assert all(np.abs(a - b).mean() > 10 for a, b in zip(far, near, strict=True))


def test_every_cell_follows_the_slider_and_the_scan_is_one_of_them(viewer, panel, press, qtbot):
    panel.with_real.setChecked(True)
    press(panel.compare_button)
    real, *pictures = panel.grid_view.layers
    assert real.name == "real scan" and real.data is viewer.layers["scan"].data
    assert not any(picture.data[2].any() for picture in pictures)
    with qtbot.waitSignal(panel.finished, timeout=LONG_MS):
        viewer.dims.set_point(0, 16.0)
    for picture in pictures:
        vendor = picture.metadata[RECORD]["vendor"]
        assert picture.data[2].any(), vendor
        assert picture.metadata[RECORD]["only"]["slices"] == [1, 2]
        assert (0, 2) in picture.metadata["cmr_as_made"] and vendor in picture.name
    qtbot.mouseClick(panel.back_button, Qt.MouseButton.LeftButton)
    assert [layer.name for layer in viewer.layers] == ["scan", "heart"]


def test_another_picture_never_stands_under_a_vendor(viewer, panel, press, qtbot):
    press(panel.compare_button)
    viewer.add_image(np.ones((4, 96, 112), np.float32), name="another")
    qtbot.waitUntil(lambda: not panel.grid_view.active, timeout=5000)
    assert viewer.layers["another"].visible and not viewer.canvas.grid.enabled


def test_real_beside_synthetic_with_outlines_on_each(viewer, panel, press, qtbot):
    scan = viewer.layers["scan"]
    scan.data = np.random.default_rng(0).random(scan.data.shape).astype(np.float32) * 300
    press(panel.real_button)
    pictures = panel.grid_view.layers
    assert [layer.contour for layer in pictures[1::2]] == [1, 1, 1]
    real, made, difference = pictures[::2]
    assert real.data.max() <= 1 and made.data[1].any()
    inside = made.data[1] != 0
    np.testing.assert_allclose(
        difference.data[1][inside], (made.data[1] - real.data[1])[inside], atol=1e-6
    )
    assert not difference.data[1][~inside].any()
    grid = viewer.canvas.grid
    cells = [grid.position(viewer.layers.index(layer), viewer.layers) for layer in pictures]
    assert cells == [(0, 0)] * 2 + [(0, 1)] * 2 + [(0, 2)] * 2
    with qtbot.waitSignal(panel.finished, timeout=LONG_MS):
        viewer.dims.set_point(0, 16.0)
    assert made.data[2].any() and difference.data[2].any()
    panel.leave()
    (kept,) = (layer for layer in viewer.layers if RECORD in layer.metadata)
    assert kept.visible and kept.data[2].any() and len(viewer.layers) == 3


def test_without_a_scan_on_its_grid_it_is_said(viewer, panel):
    viewer.layers.remove("scan")
    panel.compare_with_real()
    assert "no real scan lies on its grid" in panel.status.text()
    assert not panel.running


def test_pictures_can_be_kept(viewer, panel, press, qtbot):
    press(panel.compare_button)
    panel.keep_vendors.setChecked(True)
    qtbot.mouseClick(panel.back_button, Qt.MouseButton.LeftButton)
    assert not viewer.canvas.grid.enabled
    kept = [layer for layer in viewer.layers if RECORD in layer.metadata]
    assert len(kept) == len(VENDORS)
    assert all(layer.metadata[MASK] == "heart" for layer in kept)
    kept[0].contrast_limits = (0.2, 0.4)
    assert tuple(kept[1].contrast_limits) == (0.0, 1.0), "no longer linked"


def test_the_button_of_napari_leaves_as_well_and_loses_nothing(viewer, panel, press):
    press(panel.compare_button)
    viewer.canvas.grid.enabled = False
    assert not panel.grid_view.active
    assert viewer.layers["heart"].visible and viewer.layers["scan"].visible
    assert sum(RECORD in layer.metadata for layer in viewer.layers) == len(VENDORS)


def test_deleting_all_pictures_at_once_leaves_as_well(viewer, panel, press, qtbot):
    """napari 0.9 crashes when it draws a grid of which nothing is visible any more."""
    viewer.layers.remove("scan")
    press(panel.compare_button)
    viewer.layers.selection = set(panel.grid_view.layers)
    viewer.layers.remove_selected()
    qtbot.waitUntil(lambda: not panel.grid_view.active, timeout=5000)
    qtbot.wait(100)
    assert not viewer.canvas.grid.enabled and viewer.layers["heart"].visible


def test_taking_the_panel_out_gives_the_view_back(viewer, panel, press):
    press(panel.compare_button)
    viewer.window.remove_dock_widget(panel)
    assert not viewer.canvas.grid.enabled and viewer.layers["heart"].visible


def test_comparing_again_replaces_the_first_pictures(viewer, panel, press):
    press(panel.compare_button)
    panel.form.seed.setText("9")
    press(panel.compare_button)
    seeds = [layer.metadata[RECORD]["seed"] for layer in viewer.layers if RECORD in layer.metadata]
    assert seeds == [9] * len(VENDORS)
    panel.leave()
    assert [layer.name for layer in viewer.layers if layer.visible] == ["scan", "heart"]


def test_cancel_ends_it_and_keeps_what_is_finished(viewer, panel, qtbot, told):
    panel.form.steps.setValue(20)
    panel.form.scope.setCurrentIndex(panel.form.scope.findData("stack"))
    with qtbot.waitSignal(panel.finished, timeout=LONG_MS):
        qtbot.mouseClick(panel.compare_button, Qt.MouseButton.LeftButton)
        assert panel.running and not panel.compare_button.isEnabled(), "no double start"
        panel.compare_vendors()
        qtbot.waitUntil(lambda: panel.progress.maximum() > 0, timeout=LONG_MS)
        step = panel.progress.value()
        qtbot.mouseClick(panel.cancel_button, Qt.MouseButton.LeftButton)
    assert panel.progress.value() <= step + 1
    assert len(panel.grid_view.layers) < len(VENDORS)
    assert panel.compare_button.isEnabled() and "Cancelled" in panel.status.text()
    assert viewer.layers["heart"].visible and told == []


def test_a_mask_deleted_while_it_runs_loses_no_picture(viewer, panel, qtbot, told):
    with qtbot.waitSignal(panel.finished, timeout=LONG_MS):
        qtbot.mouseClick(panel.compare_button, Qt.MouseButton.LeftButton)
        viewer.layers.remove("heart")
    assert len(panel.grid_view.layers) == len(VENDORS)
    panel.leave()
    assert [layer.name for layer in viewer.layers] == ["scan"]
    assert told == []


def test_closing_the_window_while_it_runs(viewer, panel, qtbot):
    panel.form.steps.setValue(20)
    qtbot.mouseClick(panel.compare_button, Qt.MouseButton.LeftButton)
    job = panel._job
    viewer.close()
    qtbot.waitUntil(lambda: not job.running, timeout=LONG_MS)


def test_variants_are_chosen_by_their_thumbnails(viewer, panel, press, qtbot):
    panel.form.variants.setValue(4)
    panel.form.seed.setText("10")
    panel.form.vendor.setCurrentIndex(panel.form.vendor.findData("philips"))
    before = list(viewer.layers)
    press(panel.make_button)
    gallery = panel.gallery
    assert [gallery.item(row).text() for row in range(4)] == [f"seed {s}" for s in range(10, 14)]
    assert list(viewer.layers) == before, "nothing becomes a layer unasked"
    assert not panel.keep_button.isEnabled()

    for row in (3, 1):
        spot = gallery.visualItemRect(gallery.item(row)).center()
        gallery.scrollToItem(gallery.item(row))
        spot = gallery.visualItemRect(gallery.item(row)).center()
        qtbot.mouseClick(gallery.viewport(), Qt.MouseButton.LeftButton, pos=spot)
    qtbot.mouseClick(panel.keep_button, Qt.MouseButton.LeftButton)
    kept = [layer for layer in viewer.layers if RECORD in layer.metadata]
    assert sorted(layer.metadata[RECORD]["seed"] for layer in kept) == [11, 13]
    assert {layer.metadata[RECORD]["vendor"] for layer in kept} == {"philips"}
    assert all(layer.data[1].any() for layer in kept)
    assert gallery.count() == 0, "the others are discarded"


def test_thumbnails_show_the_picture_and_follow_the_slider(viewer, panel, press):
    panel.form.variants.setValue(2)
    panel.form.scope.setCurrentIndex(panel.form.scope.findData("stack"))
    press(panel.make_button)
    first, second = grey_levels(panel.gallery, 0), grey_levels(panel.gallery, 1)
    assert first.std() > 20 and np.abs(first.astype(float) - second).mean() > 1
    viewer.dims.set_point(0, 16.0)
    assert np.abs(grey_levels(panel.gallery, 0).astype(float) - first).mean() > 5
    viewer.dims.set_point(0, 8.0)
    np.testing.assert_array_equal(grey_levels(panel.gallery, 0), first)


def grey_levels(gallery: Any, row: int) -> np.ndarray:
    """The pixels of a thumbnail, (y, x) uint8."""
    from qtpy.QtGui import QImage

    pixmap = gallery.item(row).icon().pixmap(gallery.iconSize())
    image = pixmap.toImage().convertToFormat(QImage.Format.Format_Grayscale8)
    bits = image.constBits()
    bits.setsize(image.sizeInBytes())
    lines = np.frombuffer(bytes(bits), np.uint8).reshape(image.height(), image.bytesPerLine())
    return lines[:, : image.width()].copy()


def test_bad_input_is_one_line_and_starts_nothing(viewer, panel, told):
    viewer.layers["heart"].data_setitem(np.nonzero(viewer.layers["heart"].data[:2] >= 0), 0)
    panel.compare_vendors()
    assert "nothing is drawn on slice 1" in panel.status.text()
    viewer.layers.remove("heart")
    assert not panel.compare_button.isEnabled()
    panel.make_variants()
    assert "there is no mask to follow" in panel.status.text()
    assert told == []  # it stands in the panel, and nowhere else
    assert not panel.running and not viewer.canvas.grid.enabled


def test_a_single_slice_can_be_compared(viewer, panel, press, slice_mask, add_mask):
    flat = add_mask(np.where(slice_mask > 0, slice_mask, 0), name="one slice")
    assert (flat.data == MYO).any()
    panel.picker.choose(flat)
    press(panel.compare_button)
    assert [layer.data.shape for layer in panel.grid_view.layers] == [slice_mask.shape] * 3


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_every_cell_shows_the_whole_picture(viewer, qtbot, count):
    from napari_cmr_synth._grid_view import GridView

    view = GridView(viewer, viewer.window._qt_window)
    for number in range(count):
        layer = viewer.add_image(np.full((3, 100, 100), float(number), np.float32))
        view.show(layer, of=count)
    qtbot.wait(100)
    rows, columns = viewer.canvas.grid.shape
    assert rows * columns >= count
    width, height = viewer.window._qt_viewer.canvas.size[::-1]
    side = 100 * viewer.scene.camera.zoom
    assert 0.5 * min(width / columns, height / rows) < side <= min(width / columns, height / rows)
    view.leave(keep=False)
