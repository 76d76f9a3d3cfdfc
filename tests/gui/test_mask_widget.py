"""The heart mask widget in a real window: make, paint, contour, undo, measure, and misuse."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from cmr_synth.anatomy.editing import fill_between, ring, smooth
from cmr_synth.anatomy.labels import INFARCT, LV, RV, revert
from cmr_synth.anatomy.measurements import areas_mm2, volumes_ml
from cmr_synth.anatomy.template import draw_stack
from cmr_synth.errors import InputError
from cmr_synth.imaging.orientation import apply, in_plane_orientation
from napari_cmr_synth._layers import COLOURS, image_layer
from napari_cmr_synth._mask_layer import to_engine
from napari_cmr_synth._masks import WITH_SCAR, add_scar, convention_of, mask_scan, structure_numbers
from napari_cmr_synth.heart_mask.contours import contour_layer
from napari_cmr_synth.heart_mask.edits import name_structures
from napari_cmr_synth.heart_mask.keys import PRESET
from napari_cmr_synth.heart_mask.measurements import DASH, question_of
from napari_cmr_synth.heart_mask.new_mask import BOTH
from napari_cmr_synth.writing.nifti import write_labels

SPACING = (8.0, 1.5, 1.5)


@pytest.fixture
def widget(viewer):
    """The widget in its dock, as wide as a dock may be."""
    from napari_cmr_synth.heart_mask.widget import HeartMaskWidget

    widget = HeartMaskWidget(viewer)
    viewer.window.add_dock_widget(widget, area="right", name="Heart mask")
    return widget


@pytest.fixture
def image(viewer, oblique_affine):
    """A grey stack that lies obliquely and mirrored in the patient, (5, 96, 112)."""
    from cmr_synth.imaging.scan import Scan

    pixels = np.random.default_rng(0).normal(300, 80, (5, 96, 112)).astype(np.float32)
    scan = Scan(array=pixels, spacing=SPACING, affine=oblique_affine, name="scan.nii.gz")
    data, attributes, _ = image_layer(scan)
    return viewer.add_image(data, **attributes)


def set_form(widget, *, content=None, part="stack", phase="ED"):
    form = widget.new
    for combo, value in ((form.anatomy, content), (form.part, part), (form.phase, phase)):
        combo.setCurrentIndex(combo.findData(value))


def press(button):
    assert button.isEnabled()
    button.click()  # also where the form is folded up or scrolled away


@pytest.fixture
def stroke(viewer, qtbot):
    """Drag the mouse through a layer's (y, x) pixels as slowly as napari looks at it.

    Moves that follow the last one by less than 10 ms are dropped by vispy, and what is left goes
    through a timer of napari's.
    """
    from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
    from qtpy.QtGui import QMouseEvent
    from qtpy.QtTest import QTest
    from qtpy.QtWidgets import QApplication

    left = Qt.MouseButton.LeftButton

    def drag(layer, points):
        canvas = viewer.window._qt_viewer.canvas
        height, width = canvas.size
        centre = np.asarray(viewer.camera.center)[-2:]
        z = layer.world_to_data(viewer.dims.point)[:-2]
        places = []
        for point in points:
            y, x = np.asarray(layer.data_to_world((*z, *point))[-2:]) - centre
            zoom = viewer.camera.zoom
            places.append(QPoint(round(x * zoom + width / 2), round(y * zoom + height / 2)))
        QTest.mousePress(canvas.native, left, pos=places[0])
        for place in places[1:]:
            event = QMouseEvent(
                QEvent.Type.MouseMove,
                QPointF(place),
                QPointF(canvas.native.mapToGlobal(place)),
                Qt.MouseButton.NoButton,
                left,
                Qt.KeyboardModifier.NoModifier,
            )
            QApplication.sendEvent(canvas.native, event)
            qtbot.wait(12)
        QTest.mouseRelease(canvas.native, left, pos=places[-1])
        qtbot.wait(1)

    return drag


def in_mm(layer, world_z):
    return layer.data_to_world((world_z, 0, 0))[0]


# New masks


def test_a_heart_on_the_grid_of_an_image_is_saved_in_its_place(
    widget, viewer, image, tmp_path, oblique_affine
):
    set_form(widget, content="normal")
    press(widget.new.create)
    mask = viewer.layers[-1]
    assert viewer.layers.selection.active is mask and widget.picker.layer is mask
    assert mask.data.shape == image.data.shape
    np.testing.assert_allclose(mask.scale, image.scale)
    (path,) = write_labels(str(tmp_path / "heart.nii.gz"), *_data(mask))
    np.testing.assert_allclose(nib.load(path).affine, oblique_affine, atol=1e-3)
    upright = apply(in_plane_orientation(oblique_affine), mask.data)
    lv, rv = (np.argwhere(upright[2] == label).mean(axis=0) for label in (LV, RV))
    assert rv[1] < lv[1]  # the RV on the left of the picture, though the scan is stored mirrored


def _data(layer):
    data, attributes, _ = layer.as_layer_data_tuple()
    return data, attributes


def test_a_single_level_goes_into_the_slice_shown(widget, viewer, image):
    viewer.dims.set_point(0, in_mm(image, 3))
    set_form(widget, content="hypertrophic", part="apical")
    press(widget.new.create)
    drawn = viewer.layers[-1].data.any(axis=(1, 2))
    assert drawn.tolist() == [False, False, False, True, False]


def test_an_empty_mask_is_painted_with_named_structures(widget, viewer, image, stroke, qtbot):
    set_form(widget, content=None)
    press(widget.new.create)
    mask = viewer.layers[-1]
    assert mask.mode == "paint" and not mask.data.any()
    qtbot.wait(100)  # until the docks have their places
    viewer.reset_view()
    mask.brush_size = 6
    z = mask.world_to_data(viewer.dims.point)[0].round().astype(int)
    for structure, row in (("LV", 30), ("MYO", 45), ("RV", 60)):
        press(widget.legend.buttons[structure])
        stroke(mask, [(row, 30), (row, 60)])
        assert mask.data[z, row, 45] == structure_numbers(mask)[structure]
    press(widget.legend.buttons[""])
    stroke(mask, [(30, 30), (30, 60)])
    assert mask.data[z, 30, 45] == 0
    assert "RV" in str(mask.get_status(mask.data_to_world((z, 60, 45)), world=True))


def test_both_phases_become_two_frames_or_two_masks(widget, viewer, image):
    set_form(widget, content="normal", phase=BOTH)
    press(widget.new.create)
    assert [layer.name for layer in viewer.layers[-2:]] == [
        "normal heart ED, drawn",
        "normal heart ES, drawn",
    ]
    widget.new.grid.setCurrentIndex(widget.new.grid.count() - 1)
    press(widget.new.create)
    cine = viewer.layers[-1]
    assert cine.data.shape == (2, 8, 128, 128)
    ed, es = ((frame == LV).sum() for frame in cine.data)
    assert es < 0.7 * ed


# Tools and undo


@pytest.fixture
def acdc_mask(viewer, stack):
    """A stack with the numbers of ACDC (3 is the LV), its second slice left out."""
    from cmr_synth.anatomy.labels import guess_convention
    from napari_cmr_synth._layers import labels_layer, scan_without_place

    gappy = stack.copy()
    gappy[1] = 0
    theirs = revert(gappy, "acdc")
    scan = scan_without_place(theirs, SPACING, "patient_gt")
    data, attributes, _ = labels_layer(scan, guess=guess_convention(theirs))
    layer = viewer.add_labels(data.copy(), **attributes)
    viewer.dims.set_point(0, in_mm(layer, 2))
    return layer


def engine(layer):
    from napari_cmr_synth._mask_layer import to_engine

    return to_engine(layer.data, structure_numbers(layer))


EXPECTED = {
    "ring": lambda stack: ring(stack[2], SPACING, 8.0),
    "smooth": lambda stack: smooth(stack[2], SPACING),
    "copy_above": None,
    "copy_below": None,
    "expand": None,
    "contract": None,
    "fill_between": None,
}


@pytest.mark.parametrize("tool", EXPECTED)
def test_a_tool_is_one_step_that_undo_takes_back(widget, viewer, acdc_mask, tool):
    if tool == "smooth":
        row, column = np.argwhere(engine(acdc_mask)[2] == LV).max(axis=0)
        acdc_mask.data[2, row - 8 : row - 6, column : column + 9] = 0  # a notch in the wall
    if tool == "copy_above":
        viewer.dims.set_point(0, in_mm(acdc_mask, 1))
    before, labels = acdc_mask.data.copy(), engine(acdc_mask)
    press(widget.tools.buttons[tool])
    after = acdc_mask.data.copy()
    assert (after != before).any()
    assert set(np.unique(after)) <= {0, 1, 2, 3}
    if EXPECTED[tool] is not None:
        np.testing.assert_array_equal(engine(acdc_mask)[2], EXPECTED[tool](labels))
    if tool == "fill_between":
        np.testing.assert_array_equal(engine(acdc_mask), fill_between(labels, SPACING))
        assert (after[[0, 2, 3]] == before[[0, 2, 3]]).all()
    elif tool == "copy_above":
        np.testing.assert_array_equal(after[1], before[0])
    elif tool == "copy_below":
        np.testing.assert_array_equal(after[2], before[3])
    else:
        assert (after[[0, 1, 3]] == before[[0, 1, 3]]).all()
    press(widget.tools.buttons["undo"])
    np.testing.assert_array_equal(acdc_mask.data, before)
    press(widget.tools.buttons["redo"])
    np.testing.assert_array_equal(acdc_mask.data, after)


def test_all_slices_and_strays(widget, viewer, acdc_mask):
    acdc_mask.data[0, 2:4, 2:4] = acdc_mask.data[3, 2:4, 2:4] = 3
    widget.tools.scope.setCurrentIndex(1)
    press(widget.tools.buttons["remove_strays"])
    assert not acdc_mask.data[:, 2:4, 2:4].any()
    acdc_mask.undo()
    assert acdc_mask.data[0, 2, 2] == acdc_mask.data[3, 2, 2] == 3


def test_expand_moves_the_structure_that_is_selected(widget, viewer, acdc_mask):
    press(widget.legend.buttons["RV"])
    assert widget.tools.buttons["expand"].text().startswith("RV")
    before = engine(acdc_mask)
    press(widget.tools.buttons["expand"])
    after = engine(acdc_mask)
    assert (after == RV).sum() > (before == RV).sum()
    np.testing.assert_array_equal(after == LV, before == LV)


def test_a_frame_of_a_cine_is_edited_and_no_other(widget, viewer, stack, add_mask):
    cine = add_mask(np.stack([stack, stack, stack]))
    viewer.dims.set_point(0, 1)
    viewer.dims.set_point(1, in_mm_4d(cine, 2))
    widget.tools.scope.setCurrentIndex(1)
    before = cine.data.copy()
    press(widget.tools.buttons["ring"])
    changed = (cine.data != before).any(axis=(2, 3))
    assert changed[1].all() and not changed[[0, 2]].any()
    cine.undo()
    np.testing.assert_array_equal(cine.data, before)


def in_mm_4d(layer, z):
    return layer.data_to_world((0, z, 0, 0))[1]


def test_a_single_slice_can_be_edited_but_not_copied(widget, viewer, slice_mask, add_mask, told):
    layer = add_mask(slice_mask)
    press(widget.tools.buttons["ring"])
    assert (layer.data != slice_mask).any()
    press(widget.tools.buttons["copy_above"])
    press(widget.tools.buttons["fill_between"])
    assert len([text for text in told if "is a single slice" in text]) == 2


def circle(radius, centre, points=40):
    angle = np.linspace(0, 2 * np.pi, points)
    return [
        (centre[0] + radius * np.sin(a), centre[1] + radius * np.cos(a)) for a in angle.tolist()
    ]


def test_contours_drawn_with_the_mouse_become_the_mask(widget, viewer, image, stroke, qtbot):
    set_form(widget, content=None)
    press(widget.new.create)
    mask = viewer.layers[-1]
    qtbot.wait(100)  # until the docks have their places
    viewer.reset_view()
    z = mask.world_to_data(viewer.dims.point)[0].round().astype(int)
    for kind, radius in (("endo", 14), ("epi", 21)):
        press(widget.contours.buttons[kind])
        shapes = contour_layer(viewer, mask)
        assert viewer.layers.selection.active is shapes
        stroke(shapes, circle(radius, (48, 60)))
    assert list(shapes.features["contour"]) == ["endo", "epi"]
    assert not mask.data.any()
    press(widget.contours.apply)
    areas = areas_mm2(engine(mask)[z], (1.0, 1.0))
    assert areas["LV"] == pytest.approx(np.pi * 14**2, rel=0.06)
    assert areas["MYO"] == pytest.approx(np.pi * (21**2 - 14**2), rel=0.06)
    assert mask.data.any(axis=(1, 2)).sum() == 1 and len(shapes.data) == 0
    assert viewer.layers.selection.active is mask
    mask.undo()
    assert not mask.data.any()


def test_a_bad_contour_changes_nothing_and_stays(widget, viewer, acdc_mask, told):
    before = acdc_mask.data.copy()
    widget.draw("RV")
    shapes = contour_layer(viewer, acdc_mask)
    lv = np.argwhere(engine(acdc_mask)[2] == LV).mean(axis=0)
    shapes.add_polygons([[(2, *point) for point in circle(3, lv)]])
    press(widget.contours.apply)
    np.testing.assert_array_equal(acdc_mask.data, before)
    assert len(shapes.data) == 1
    assert any("slice 2, rv: rv contour: lies within the lv" in text for text in told)


# Measurements


def settle(qtbot, widget):
    with qtbot.waitSignal(widget.measurements.measured, timeout=8000):
        widget.measurements.refresh()


def test_measurements_follow_the_mask_and_the_slice(widget, viewer, stack, add_mask, qtbot):
    layer = add_mask(stack)
    viewer.dims.set_point(0, in_mm(layer, 1))
    settle(qtbot, widget)
    table = widget.measurements.table
    assert float(table.item(0, 0).text()) == round(areas_mm2(stack[1], SPACING[1:])["LV"])
    volume = volumes_ml(stack, SPACING)["LV"]
    assert float(table.item(0, 1).text()) == pytest.approx(volume, abs=0.06)
    with qtbot.waitSignal(widget.measurements.measured, timeout=8000):
        viewer.dims.set_point(0, in_mm(layer, 3))
    assert float(table.item(0, 0).text()) == round(areas_mm2(stack[3], SPACING[1:])["LV"])
    with qtbot.waitSignal(widget.measurements.measured, timeout=8000):
        press(widget.tools.buttons["ring"])
    assert "8." in widget.measurements.wall.text() or "7." in widget.measurements.wall.text()


def test_a_finding_leads_to_its_slice(widget, viewer, stack, add_mask, qtbot):
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest

    layer = add_mask(stack)
    lv = np.argwhere(stack[3] == LV).mean(axis=0).round().astype(int)
    layer.data[3, lv[0], lv[1]] = 0
    viewer.dims.set_point(0, 0)
    settle(qtbot, widget)
    item = widget.measurements.findings.item(0)
    assert item.text().startswith("Slice 3: There is a hole")
    shown = widget.measurements.findings
    QTest.mouseClick(
        shown.viewport(), Qt.MouseButton.LeftButton, pos=shown.visualItemRect(item).center()
    )
    assert viewer.dims.point[0] == pytest.approx(in_mm(layer, 3))


def test_ejection_fraction_of_a_cine_and_of_two_masks(widget, viewer, add_mask, qtbot):
    ed, es = (draw_stack(slices=4, shape=(96, 112), phase=p, spacing=SPACING) for p in ("ED", "ES"))
    expected = 100 * (1 - (es == LV).sum() / (ed == LV).sum())
    add_mask(np.stack([es, ed]), name="cine")
    settle(qtbot, widget)
    panel = widget.measurements
    assert float(panel.table.item(0, 2).text()) == pytest.approx(expected, abs=0.51)
    assert panel.phases.text() == "ED frame 1, ES frame 0"
    widget.go_ed()
    assert viewer.dims.point[0] == 1
    viewer.layers.clear()
    add_mask(ed, name="patient_frame01_gt")
    add_mask(es, name="patient_frame12_gt")
    settle(qtbot, widget)
    assert float(panel.table.item(0, 2).text()) == pytest.approx(expected, abs=0.51)
    assert "ES patient_frame12_gt" in panel.phases.text()


def test_a_frame_that_is_half_drawn_gives_a_doubt_and_no_ejection_fraction(
    widget, viewer, add_mask, qtbot
):
    ed = draw_stack(slices=6, shape=(96, 112), spacing=SPACING)
    painted = np.zeros_like(ed)
    painted[3] = draw_stack(slices=6, shape=(96, 112), spacing=SPACING, phase="ES")[3]
    add_mask(np.stack([ed, painted]), name="cine")
    settle(qtbot, widget)
    panel = widget.measurements
    assert panel.table.item(0, 2).text() == DASH
    assert panel.findings.item(0).text().startswith("LV: drawn on 6 slices at ED and 1 at ES")


# Keys, names, misuse


def key(viewer, letter):
    viewer.window._qt_viewer._key_map_handler.press_key(letter)


def test_keys_do_what_the_help_says(widget, viewer, acdc_mask):
    assert not widget.keys.taken
    viewer.layers.selection.active = acdc_mask
    before = acdc_mask.data.copy()
    key(viewer, "Up")
    assert viewer.dims.point[0] == pytest.approx(in_mm(acdc_mask, 1))
    key(viewer, "U")
    np.testing.assert_array_equal(acdc_mask.data[1], before[0])
    key(viewer, "Ctrl-Z")
    np.testing.assert_array_equal(acdc_mask.data, before)
    key(viewer, "Down")
    key(viewer, "W")
    assert acdc_mask.selected_label == 2 and acdc_mask.mode == "paint"
    key(viewer, "Q")
    assert acdc_mask.selected_label == 3  # the LV of ACDC
    key(viewer, "H")
    assert not acdc_mask.visible
    for entry in PRESET:
        assert not entry.action or callable(getattr(widget, entry.action))


def test_a_key_of_somebody_else_is_left_alone_and_keys_are_given_back(viewer):
    from napari_cmr_synth.heart_mask.keys import help_html
    from napari_cmr_synth.heart_mask.widget import HeartMaskWidget

    pressed = []
    viewer.bind_key("G", lambda _: pressed.append("theirs"))
    widget = HeartMaskWidget(viewer)
    assert widget.keys.taken == {"G"}
    assert "key in use elsewhere" in help_html(widget.keys.taken)
    key(viewer, "G")
    assert pressed == ["theirs"]
    widget.keys.release()
    assert len(viewer.keymap) == 1


def test_the_napari_button_makes_a_named_mask_too(widget, viewer, image):
    viewer.layers.selection.active = image
    viewer._new_labels()
    mask = viewer.layers[-1]
    widget.picker.choose(mask)
    assert list(mask.features["structure"])[1:4] == ["LV", "MYO", "RV"]
    for structure, number in structure_numbers(mask).items():
        shown = (np.asarray(mask.get_color(number))[:3] * 255).round().astype(int)
        assert "#{:02x}{:02x}{:02x}".format(*shown) == COLOURS[structure]
    press(widget.new.create)  # a heart beside it: nothing is replaced
    assert mask in viewer.layers


def test_misuse_is_one_clear_line_and_loses_nothing(widget, viewer, told):
    press(widget.new.create)
    assert len(viewer.layers) == 1  # a template heart needs no image
    mask = viewer.layers[0]
    viewer.layers.clear()
    widget.undo()
    assert "there is no mask to work on" in told[-1]
    set_form(widget, content=None)
    press(widget.new.create)
    assert "an empty mask needs an image" in told[-1]
    image = viewer.add_image(np.zeros((20, 30)), name="photo")
    widget.ring()
    assert "photo: is a layer of type image, no mask" in told[-1]
    colour = viewer.add_image(np.zeros((20, 30, 3), np.uint8), rgb=True, name="rgb")
    press(widget.new.create)
    assert "rgb: is no slice, stack or cine in grey values" in told[-1]
    viewer.layers.remove(colour)
    viewer.layers.append(mask)
    assert widget.picker.layer is mask
    assert "lie on different grids" in widget.grid_note.text()
    viewer.dims.ndisplay = 3
    widget.ring()
    assert "switch to 2d" in told[-1]
    viewer.dims.ndisplay = 2
    before = mask.data.copy()
    mask.data.flags.writeable = False
    widget.ring()
    assert "cannot be changed" in told[-1]
    np.testing.assert_array_equal(mask.data, before)
    assert [layer for layer in viewer.layers] == [image, mask]
    assert all(len(text.splitlines()) == 1 and "traceback" not in text for text in told)


def test_a_mask_removed_while_it_is_measured(widget, viewer, stack, add_mask, qtbot, told):
    layer = add_mask(stack)
    widget.measurements._ask()  # under way
    viewer.layers.remove(layer)
    qtbot.wait(600)
    assert widget.measurements.findings.item(0).text() == "Choose a mask."
    assert not told


def test_the_dock_can_be_narrow_and_closed(widget, viewer, stack, add_mask, qtbot):
    from qtpy.QtWidgets import QScrollArea

    add_mask(stack)
    dock = widget.parent()
    dock.resize(350, 900)
    qtbot.wait(50)
    assert widget.width() <= 350
    assert widget.findChild(QScrollArea).widget().minimumSizeHint().width() <= 335  # and the bar
    viewer.window.remove_dock_widget(widget)
    viewer.layers[0].data_setitem((np.array([0]), np.array([0]), np.array([0])), 1)
    qtbot.wait(400)


def test_the_widget_needs_no_torch():
    import subprocess
    import sys

    code = (
        "import sys, napari_cmr_synth.heart_mask.widget;"
        "print(sorted({'torch', 'monai', 'diffusers'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[]"


def test_names_are_kept_on_masks_that_bring_their_own(viewer, acdc_mask):
    before = acdc_mask.features.copy()
    name_structures(acdc_mask)
    assert acdc_mask.features.equals(before)


# Scar


def scarred(widget, viewer):
    """A drawn stack with an infarct in a part of the wall of its slice in the middle, by number."""
    set_form(widget, content="normal")
    press(widget.new.create)
    mask = viewer.layers[-1]
    press(widget.legend.scar)
    z = len(mask.data) // 2
    wall = np.argwhere(mask.data[z] == structure_numbers(mask)["MYO"])
    scar = wall[wall[:, 0] < np.median(wall[:, 0])]
    mask.data_setitem((np.full(len(scar), z), *scar.T), mask.selected_label)
    return mask, z, scar


def test_scar_is_painted_by_a_number_of_its_own(widget, viewer):
    legend = widget.legend
    assert not legend.buttons["infarct"].isVisibleTo(legend) and legend.scar.isVisibleTo(legend)
    mask, z, scar = scarred(widget, viewer)
    assert legend.buttons["infarct"].isVisibleTo(legend) and not legend.scar.isVisibleTo(legend)
    numbers = structure_numbers(mask)
    assert (numbers["infarct"], numbers["no-reflow"]) == (4, 5)
    assert legend.buttons["infarct"].isChecked() and mask.selected_label == 4
    assert "Written as 5" in legend.buttons["no-reflow"].toolTip()
    labels = mask_scan(mask, convention_of(mask)).array
    assert (labels[z] == INFARCT).sum() == len(scar)
    assert "infarct" in list(mask.features["structure"])
    press(legend.buttons["RV"])
    assert mask.selected_label == numbers["RV"]


def test_tools_and_measurements_take_scar_for_the_wall_and_leave_it_there(widget, viewer):
    mask, z, scar = scarred(widget, viewer)
    plain = np.where(mask.data == 4, structure_numbers(mask)["MYO"], mask.data)
    viewer.dims.set_point(0, in_mm(mask, z))
    widget.tools.scope.setCurrentIndex(1)
    press(widget.tools.buttons["remove_strays"])
    assert (mask.data[z][tuple(scar.T)] == 4).all()  # a wall in two pieces would have lost one
    asked = question_of(viewer, mask)
    assert asked.numbers[0]["infarct"] == 4
    whole = to_engine(plain, structure_numbers(mask))
    np.testing.assert_array_equal(to_engine(asked.stack, asked.numbers[0]), whole)
    press(widget.tools.buttons["smooth"])
    kept = mask.data[z] == 4
    assert 0.8 * len(scar) < kept.sum() <= len(scar)
    press(widget.tools.buttons["undo"])
    assert (mask.data[z] == 4).sum() == len(scar)


def test_numbers_of_emidec_are_offered(widget, viewer, add_mask):
    labels = draw_stack(slices=2, seed=0)
    labels[labels == RV] = 0
    labels[labels == 2] = np.where(np.arange((labels == 2).sum()) % 5, 2, 3)
    mask = add_mask(labels, name="enhanced")
    widget.picker.choose(mask)
    (entry,) = WITH_SCAR
    box = widget.picker.conventions
    box.setCurrentText(entry)
    box.activated.emit(box.currentIndex())
    found = mask_scan(mask, convention_of(mask)).array
    assert set(np.unique(found)) == {0, LV, 2, INFARCT}
    numbers = structure_numbers(mask)
    assert (numbers["infarct"], numbers["no-reflow"], numbers["RV"]) == (3, 4, 5)
    assert widget.legend.buttons["infarct"].isVisibleTo(widget.legend)


def test_scar_wants_to_know_what_the_numbers_mean(widget, viewer):
    mask = viewer.add_labels(np.pad(np.full((3, 3), 77, np.int32), 4), name="who knows")
    with pytest.raises(InputError, match="who knows: what do its numbers mean"):
        add_scar(mask)
