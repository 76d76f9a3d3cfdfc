"""*Find the heart* in a real window: undo, slices, phases, cancel, refusals, and real slices once.

Most tests look at drawn hearts with a network that tells structures by their grey value, which
leaves the window to be tested and takes no time; one takes the bundled network.
"""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from cmr_synth.anatomy.labels import LV
from cmr_synth.anatomy.template import draw_stack
from cmr_synth.imaging.scan import Scan
from napari_cmr_synth._layers import image_layer
from napari_cmr_synth.heart_mask import finding
from napari_cmr_synth.heart_mask.finding import CONFIDENCE, SLICE

LONG_MS = 240_000  # on a busy machine torch is imported and the weights are read in minutes
SPACING = (8.0, 1.5, 1.5)
GREY = np.array([0.0, 1.0, 1 / 3, 2 / 3])


class GreyNetwork:
    """Tells structures by their grey value."""

    hash = "grey"

    def shares(self, images):
        near = np.exp(-20 * np.abs(images[:, None] - GREY[:, None, None]))
        return (near / near.sum(axis=1, keepdims=True)).astype(np.float32)

    def segment(self, images):
        return self.shares(images).argmax(axis=1).astype(np.uint8)


@pytest.fixture
def by_grey(monkeypatch):
    monkeypatch.setattr(finding, "segmenter", GreyNetwork)


@pytest.fixture(scope="module")
def heart():
    """A drawn heart in three slices at ED and ES, (2, 3, 96, 96) engine labels."""
    return np.stack(
        [draw_stack(slices=3, shape=(96, 96), spacing=SPACING, phase=p) for p in ("ED", "ES")]
    )


@pytest.fixture
def widget(viewer):
    from napari_cmr_synth.heart_mask.widget import HeartMaskWidget

    widget = HeartMaskWidget(viewer)
    viewer.window.add_dock_widget(widget, area="right", name="Heart mask")
    return widget


def open_scan(viewer, pixels, name="scan", spacing=SPACING):
    affine = np.diag([-spacing[2], -spacing[1], spacing[0], 1])
    scan = Scan(array=np.float32(pixels), spacing=spacing, affine=affine, name=name)
    data, attributes, _ = image_layer(scan)
    return viewer.add_image(data, **attributes)


def click(button):
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def look(widget, qtbot):
    with qtbot.waitSignal(widget.finding.found, timeout=LONG_MS) as found:
        click(widget.finding.start)
    qtbot.waitUntil(lambda: not widget.finding.running, timeout=LONG_MS)
    return found.args[0]


def dice(found, wanted):
    return 2 * (found & wanted).sum() / (found.sum() + wanted.sum())


def test_one_click_draws_a_stack_that_undo_takes_back(widget, viewer, qtbot, heart, by_grey):
    image = open_scan(viewer, GREY[heart[0]])
    mask = look(widget, qtbot)
    assert mask in viewer.layers and widget.picker.layer is mask
    assert mask.data.shape == image.data.shape and mask.name == "heart of scan"
    assert dice(mask.data == LV, heart[0] == LV) > 0.9
    assert "not found" not in widget.finding.sure.text() and widget.finding.sure.isVisible()
    widget.undo()
    assert not mask.data.any(), "one step of the history"
    widget.redo()
    assert mask.data.any()


def test_the_slice_shown_goes_into_the_mask_that_is_there(widget, viewer, qtbot, heart, by_grey):
    open_scan(viewer, GREY[heart[0]])
    mask = look(widget, qtbot)
    assert widget.finding.into.currentData() is mask
    mask.data[:] = 3  # painted over
    mask.refresh()
    widget.finding.scope.setCurrentIndex(widget.finding.scope.findData(SLICE))
    viewer.dims.set_point(0, 8.0)
    before = len(viewer.layers)
    assert look(widget, qtbot) is mask and len(viewer.layers) == before
    assert dice(mask.data[1] == LV, heart[0, 1] == LV) > 0.9
    assert (mask.data[[0, 2]] == 3).all(), "other slices stay"
    widget.undo()
    assert (mask.data == 3).all()


def test_ed_and_es_of_a_cine_are_offered(widget, viewer, qtbot, heart, by_grey):
    ed, es = heart
    open_scan(viewer, GREY[np.stack([es, ed, es, es])], "cine")
    look(widget, qtbot)
    panel = widget.finding
    assert panel.ed.isVisible() and panel.ed.text() == "Go to ED (frame 1)"
    click(panel.es)
    assert viewer.dims.current_step[0] in (0, 2, 3)
    click(panel.ed)
    assert viewer.dims.current_step[0] == 1
    click(panel.least)
    frame, index, structure = widget.picker.layer.metadata[CONFIDENCE].least_sure()
    assert viewer.dims.current_step[:2] == (frame, index) and structure in panel.least.text()


def test_cancelling_changes_nothing(widget, viewer, qtbot, heart, by_grey):
    open_scan(viewer, np.repeat(GREY[heart[:1]], 30, axis=0))
    before = list(viewer.layers)
    click(widget.finding.start)
    assert widget.finding.cancel.isVisible()
    click(widget.finding.cancel)
    qtbot.waitUntil(lambda: not widget.finding.running, timeout=LONG_MS)
    assert list(viewer.layers) == before and widget.finding.start.isVisible()


def test_what_cannot_be_searched_is_told_in_a_line(widget, viewer, qtbot, told, heart, by_grey):
    assert not widget.finding.start.isEnabled(), "no scan is open"
    open_scan(viewer, np.zeros((2, 64, 64)), "black")
    before = list(viewer.layers)
    click(widget.finding.start)
    qtbot.waitUntil(lambda: not widget.finding.running, timeout=LONG_MS)
    assert list(viewer.layers) == before
    assert any("black: no heart was found" in line for line in told)
    image = open_scan(viewer, GREY[heart[0]], "gone")
    click(widget.finding.start)
    viewer.layers.remove(image)
    qtbot.waitUntil(lambda: not widget.finding.running, timeout=LONG_MS)
    assert any("gone: was removed meanwhile" in line for line in told)


def test_real_slices_with_the_bundled_network(widget, viewer, qtbot):
    """Sunnybrook, CC0: two slices of a patient; the segmenter never saw that scanner."""
    from importlib.resources import files

    with np.load(files("cmr_synth") / "data" / "sunnybrook_sample.npz") as sample:
        pixels, lv = sample["image"][:2], sample["lv"][:2].astype(bool)
    open_scan(viewer, pixels, spacing=(8.0, 1.37, 1.37))
    mask = look(widget, qtbot)
    assert dice(mask.data == LV, lv) > 0.8
    sure = mask.metadata[CONFIDENCE].probability
    assert (sure[np.isfinite(sure)] > 0.25).all() and np.isfinite(sure[..., 0]).all()


def test_measured_dice_by_vendor_is_beside_the_button(widget):
    from cmr_synth.judges.known_dice import KnownDice

    text = widget.finding.dice.text()
    for vendor, one in KnownDice.load().vendors.items():
        assert {"siemens": "Siemens", "philips": "Philips", "ge": "GE"}[vendor] in text
        assert f"{one.dice['LV'][0]:.2f}" in text
