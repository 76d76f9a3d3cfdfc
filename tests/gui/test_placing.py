"""Placing a template by hand: handles dragged with the mouse, every slice and frame, undo."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from cmr_synth.anatomy.labels import LV
from cmr_synth.imaging.scan import Scan
from napari_cmr_synth._layers import image_layer
from napari_cmr_synth.heart_mask.new_mask import BOTH

SPACING = (8.0, 1.5, 1.5)


@pytest.fixture
def widget(viewer):
    from napari_cmr_synth.heart_mask.widget import HeartMaskWidget

    widget = HeartMaskWidget(viewer)
    viewer.window.add_dock_widget(widget, area="right", name="Heart mask")
    return widget


def open_scan(viewer, shape, name="scan"):
    pixels = np.random.default_rng(0).normal(300, 80, shape).astype(np.float32)
    affine = np.diag([-1.5, -1.5, 8, 1])
    data, attributes, _ = image_layer(Scan(array=pixels, spacing=SPACING, affine=affine, name=name))
    return viewer.add_image(data, **attributes)


def start(widget, *, phase="ED", part="stack"):
    form = widget.new
    for combo, value in ((form.anatomy, "normal"), (form.phase, phase), (form.part, part)):
        combo.setCurrentIndex(combo.findData(value))
    click(form.place)
    return widget.placing.placing


def click(button):
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def middle(labels, label=LV):
    return np.argwhere(labels == label).mean(axis=0)[-2:]


def test_dragged_and_placed_as_one_step(widget, viewer, qtbot, stroke):
    image = open_scan(viewer, (5, 128, 128))
    placing = start(widget)
    assert placing.layer.mode == "transform" and widget.placing.isVisible()
    assert widget.picker.layer is not placing.layer, "a template is no mask"
    inside = np.array(placing.layer.data.shape[-2:]) / 2
    before = np.array(placing.layer.data_to_world((2, *inside)))
    qtbot.wait(50)
    stroke(
        placing.layer, [inside, inside + (6, 4), inside + (12, 8)]
    )  # of a stack that moves along
    after = np.array(placing.layer.data_to_world((2, *inside)))
    assert np.linalg.norm((after - before)[1:]) > 10, "mm"
    click(widget.placing.place)
    mask = widget.picker.layer
    assert placing.layer not in viewer.layers and mask.data.shape == image.data.shape
    assert all((mask.data[z] == LV).any() for z in range(1, 4)), "in every slice"
    widget.undo()
    assert not mask.data.any()
    widget.redo()
    assert mask.data.any() and not widget.placing.isVisible() and widget.new.isVisible()


def test_what_is_placed_lies_where_the_template_was_seen(widget, viewer):
    image = open_scan(viewer, (3, 128, 128))
    placing = start(widget)
    placing.change(shift=(9.0, -15.0), scale=1.2, degrees=30)
    where = np.array(placing.layer.data_to_world((1, *middle(placing.layer.data[1]))))
    area = (placing.layer.data[1] == LV).sum()
    click(widget.placing.place)
    mask = widget.picker.layer
    seen = np.array(image.data_to_world((1, *middle(mask.data[1]))))
    np.testing.assert_allclose(seen, where, atol=1.0)  # mm: less than a pixel
    assert (mask.data[1] == LV).sum() == pytest.approx(1.44 * area, rel=0.06)


def test_a_cine_gets_a_heart_that_beats_in_every_frame(widget, viewer):
    open_scan(viewer, (9, 3, 96, 96))
    start(widget, phase=BOTH)
    click(widget.placing.moves["Right"])
    click(widget.placing.place)
    areas = (widget.picker.layer.data == LV).sum(axis=(1, 2, 3))
    assert areas.argmax() == 0 and areas.argmin() == 3 and (areas > 0).all()
    assert (np.diff(areas[:4]) <= 0).all() and (np.diff(areas[3:]) >= 0).all()


def test_into_a_mask_that_is_there_only_the_slice_meant_is_replaced(widget, viewer, add_mask):
    open_scan(viewer, (3, 96, 96))
    first = start(widget)
    click(widget.placing.place)
    mask = widget.picker.layer
    before = mask.data.copy()
    viewer.dims.set_point(0, 16.0)
    start(widget, part="mid")
    assert first.layer not in viewer.layers
    widget.placing.into.setCurrentIndex(widget.placing.into.findText(mask.name))
    click(widget.placing.moves["Left"])
    click(widget.placing.place)
    assert widget.picker.layer is mask
    np.testing.assert_array_equal(mask.data[:2], before[:2])
    assert not np.array_equal(mask.data[2], before[2])


def test_cancelling_and_resetting(widget, viewer):
    open_scan(viewer, (3, 96, 96))
    placing = start(widget)
    layers = [layer for layer in viewer.layers if layer is not placing.layer]
    home = np.array(placing.layer.affine.affine_matrix)
    click(widget.placing.moves["Larger"])
    assert not np.allclose(placing.layer.affine.affine_matrix, home)
    click(widget.placing.reset)
    np.testing.assert_allclose(placing.layer.affine.affine_matrix, home)
    click(widget.placing.cancel)
    assert list(viewer.layers) == layers and widget.new.isVisible()


def test_misuse_is_told_in_a_line(widget, viewer, told):
    start(widget)
    assert any("placed on a scan" in line for line in told)
    open_scan(viewer, (3, 96, 96))
    placing = start(widget)
    placing.change(shift=(5000.0, 0.0))
    click(widget.placing.place)
    assert any("outside the picture" in line for line in told) and placing.there
    viewer.layers.remove(placing.layer)
    assert widget.placing.placing is None and not widget.placing.isVisible()
