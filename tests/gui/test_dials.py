"""The Dials panel in a real window: sliders move the mask, undo takes them back, and misuse."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QStyle, QStyleOptionSlider

from cmr_synth.anatomy.dials import Dials, preset, scaled, turn
from cmr_synth.anatomy.labels import MYO, RV, revert
from cmr_synth.anatomy.template import draw_stack

SPACING = (8.0, 1.5, 1.5)
LONG_MS = 20_000


@pytest.fixture(scope="module")
def heart():
    return draw_stack(slices=4, shape=(96, 112), spacing=SPACING, seed=3)


@pytest.fixture
def panel(viewer, qtbot):
    from napari_cmr_synth.dials.widget import DialsPanel

    panel = DialsPanel(viewer)
    viewer.window.add_dock_widget(panel, area="right", name="Dials")
    yield panel
    panel.turner.stop()


@pytest.fixture
def mask(viewer, add_mask, heart, panel):
    layer = add_mask(heart)
    viewer.dims.set_point(0, 2 * layer.scale[0])
    return layer


def test_the_mask_is_looked_at_before_a_dial_is_turned(viewer, panel, mask, qtbot, monkeypatch):
    from cmr_synth.synthesis.dialled import Upright

    turner = panel.turner
    qtbot.waitUntil(lambda: 0 in turner._begun, timeout=LONG_MS)
    with monkeypatch.context() as context:
        context.setattr(Upright, "of", None)  # in the window's own thread it would hold the hand
        set_to(qtbot, panel, "dilation", 20)
    turned = mask.data.copy()
    panel.reset()
    settle(qtbot, panel)
    mask.data_setitem((np.array([2]), np.array([3]), np.array([3])), 1)  # another mask now
    qtbot.waitUntil(lambda: not turner._begun, timeout=LONG_MS)
    turner.look_ahead()
    qtbot.waitUntil(lambda: 0 in turner._begun, timeout=LONG_MS)
    np.testing.assert_array_equal(turner.beginning(), mask.data)
    assert not np.array_equal(turned, mask.data)


def settle(qtbot, panel):
    qtbot.waitUntil(lambda: not panel.turner.busy, timeout=LONG_MS)


def set_to(qtbot, panel, name, percent):
    """As keys do: the value jumps, and is settled a moment later."""
    with qtbot.waitSignal(panel.turner.turned, timeout=LONG_MS):
        panel.form.sliders[name].setValue(percent)


def handle(slider):
    option = QStyleOptionSlider()
    slider.initStyleOption(option)
    return (
        slider.style()
        .subControlRect(
            QStyle.ComplexControl.CC_Slider, option, QStyle.SubControl.SC_SliderHandle, slider
        )
        .center()
    )


def test_a_dragged_slider_moves_the_slice_and_one_undo_takes_it_back(
    qtbot, viewer, panel, mask, heart
):
    slider = panel.form.sliders["dilation"]
    qtbot.waitExposed(slider)
    start = handle(slider)
    qtbot.mousePress(slider, Qt.MouseButton.LeftButton, pos=start)
    for step in (2, 6, 12):
        qtbot.mouseMove(slider, start + QPoint(step, 0))
    assert slider.value() > 0
    shown = np.array(mask.data)
    assert not np.array_equal(shown[2], heart[2])  # the slice in view follows the hand
    assert np.array_equal(np.delete(shown, 2, 0), np.delete(heart, 2, 0))
    with qtbot.waitSignal(panel.turner.turned, timeout=LONG_MS):
        qtbot.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=handle(slider))
    amount = slider.value() / 100
    assert np.array_equal(mask.data, turn(heart, SPACING, Dials(dilation=amount)).labels)
    mask.undo()
    assert np.array_equal(mask.data, heart)
    qtbot.waitUntil(lambda: slider.value() == 0)  # the slider follows
    mask.redo()
    qtbot.waitUntil(lambda: slider.value() == round(100 * amount))


def test_dials_begin_at_the_mask_as_it_was_so_that_nothing_wears_off(qtbot, panel, mask, heart):
    for percent in (20, 30, 10):
        set_to(qtbot, panel, "rv_dilation", percent)
    assert np.array_equal(mask.data, turn(heart, SPACING, Dials(rv_dilation=0.1)).labels)
    with qtbot.waitSignal(panel.turner.turned, timeout=LONG_MS):
        panel.reset_button.click()
    assert np.array_equal(mask.data, heart)


def test_a_disease_and_its_severity(qtbot, panel, mask, heart):
    form = panel.form
    form.disease.setCurrentIndex(form.disease.findData("hcm-septal"))
    with qtbot.waitSignal(panel.turner.turned, timeout=LONG_MS):
        form.disease.activated.emit(form.disease.currentIndex())
    set_to(qtbot, panel, "severity", 50)
    expected = turn(heart, SPACING, scaled(preset("hcm-septal"), 0.5))
    assert np.array_equal(mask.data, expected.labels)
    names = [panel.table.item(row, 0).text() for row in range(panel.table.rowCount())]
    assert names[0] == "LV volume (mL)" and "wall thickness septal (mm)" in names
    (thick,) = [e for e in expected.effects if e.name == "wall thickness septal"]
    row = names.index("wall thickness septal (mm)")
    assert panel.table.item(row, 3).text() == f"{thick.measured:.3g}"


def test_numbers_of_other_programs_stay_theirs(qtbot, viewer, add_mask, panel, heart):
    from cmr_synth.anatomy.labels import guess_convention
    from cmr_synth.imaging.scan import Scan
    from napari_cmr_synth._layers import labels_layer

    numbers = revert(heart, "acdc")
    scan = Scan(array=numbers, spacing=SPACING, affine=np.diag([-1.5, -1.5, 8, 1]), name="acdc")
    data, attributes, _ = labels_layer(scan, guess=guess_convention(numbers))
    layer = viewer.add_labels(data, **attributes)
    panel.picker.choose(layer)
    set_to(qtbot, panel, "dilation", 30)
    assert np.array_equal(
        layer.data, revert(turn(heart, SPACING, Dials(dilation=0.3)).labels, "acdc")
    )


def test_painting_in_between_is_kept(qtbot, panel, mask):
    set_to(qtbot, panel, "dilation", 30)
    mask.data_setitem((np.array([1]), np.array([5]), np.array([5])), RV)
    qtbot.waitUntil(lambda: panel.form.sliders["dilation"].value() == 0)
    painted = np.array(mask.data)
    set_to(qtbot, panel, "septal_flattening", 40)
    with qtbot.waitSignal(panel.turner.turned, timeout=LONG_MS):
        panel.reset()
    assert np.array_equal(mask.data, painted)


def test_both_phases_of_a_heart_are_turned_alike(qtbot, viewer, add_mask, panel, mask, heart):
    systole = draw_stack(slices=4, shape=(96, 112), spacing=SPACING, seed=3, phase="ES")
    other = add_mask(systole)
    panel.picker.choose(mask)
    panel.other.setCurrentIndex(panel.other.findData(other))
    panel.other.activated.emit(panel.other.currentIndex())
    set_to(qtbot, panel, "dilation", 40)
    assert np.array_equal(other.data, turn(systole, SPACING, Dials(dilation=0.4)).labels)
    assert "ejection fraction" in panel.status.text()


def test_what_cannot_be_turned_is_said_and_nothing_changes(qtbot, panel, mask, heart, told):
    without = np.where(heart == MYO, 0, heart)
    mask.data = without
    panel.picker.layer_changed.emit()
    with qtbot.waitSignal(panel.turner.refused, timeout=LONG_MS):
        panel.form.sliders["hypertrophy"].setValue(50)
    assert "has no myocardium" in panel.status.text()
    assert np.array_equal(mask.data, without)
    assert not told  # the panel in view has said it


def test_without_a_mask_there_is_nothing_to_turn(panel):
    assert not panel.form.isEnabled()


def test_two_diseases_side_by_side_from_one_seed(qtbot, viewer, panel, mask):
    before = list(viewer.layers)
    panel.form.disease.setCurrentIndex(panel.form.disease.findData("dcm"))
    panel.compare_with.setCurrentIndex(panel.compare_with.findData("hcm-septal"))
    panel.compare_button.click()
    qtbot.waitUntil(lambda: not panel.beside.running, timeout=400_000)
    pictures = [layer for layer in viewer.layers if layer not in before]
    records = [layer.metadata["cmr_record"] for layer in pictures]
    assert {record["seed"] for record in records} == {0}
    assert sorted("dilation" in r["dials"] for r in records) == [True, True]
    assert not np.array_equal(pictures[0].data[2], pictures[1].data[2])
    panel.back_button.click()
    assert list(viewer.layers) == before


def test_a_mask_is_made_to_beat_and_played(qtbot, viewer, panel, mask, monkeypatch):
    from napari_cmr_synth.dials import cine

    monkeypatch.setattr(cine, "FRAMES", 4)
    panel.ef.setValue(50)
    panel.beat_button.click()
    qtbot.waitUntil(lambda: not panel.cine.running, timeout=60_000)
    beating = viewer.layers[-1]
    assert beating.data.shape == (4, *mask.data.shape)
    lv = (beating.data == 1).sum(axis=(1, 2, 3))
    assert 1 - lv.min() / lv[0] == pytest.approx(0.5, abs=0.02)
    panel.play_button.click()
    qtbot.waitUntil(lambda: viewer.dims.point[0] > 0, timeout=LONG_MS)
    qtbot.waitUntil(lambda: panel.play_button.text() == "Stop", timeout=LONG_MS)
    panel.play_button.click()
    assert not panel.cine.playing
