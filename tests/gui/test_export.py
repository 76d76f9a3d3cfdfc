"""Saving: NIfTI first in napari's own dialog, one dialog for all formats, a question at the end."""

from __future__ import annotations

import json
import threading

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QFileDialog, QMessageBox

from napari_cmr_synth._mask_picker import MaskPicker
from napari_cmr_synth._unsaved import unsaved_masks
from napari_cmr_synth.export.dialog import ExportDialog
from napari_cmr_synth.export.kinds import DATA_SET, write
from napari_cmr_synth.heart_mask.edits import write as paint

LONG_MS = 60_000


@pytest.fixture
def panel(viewer):
    """A panel in the window, as in the app."""
    viewer.window.add_dock_widget(MaskPicker(viewer))


@pytest.fixture
def saved_as(monkeypatch):
    """Answer napari's Save dialog with a path and the kind of file offered first."""
    offered: list[list[str]] = []

    def answer(path):
        def ask(*args, filter="", **kwargs):
            offered.append(filter.split(";;"))
            return str(path), offered[-1][0]

        monkeypatch.setattr(QFileDialog, "getSaveFileName", ask)
        return offered

    return answer


def press_save(viewer, qtbot):
    """Ctrl+S in the window."""
    viewer.window._qt_window.activateWindow()
    viewer.window._qt_viewer.canvas.native.setFocus()
    qtbot.wait(50)
    native = viewer.window._qt_viewer.canvas.native
    QTest.keyClick(native, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)


def test_save_offers_nifti_first_and_keeps_the_spacing(
    viewer, panel, drawn, saved_as, tmp_path, qtbot, told
):
    mask, picture = drawn()
    for layer, name in ((mask, "mask"), (picture, "picture")):
        viewer.layers.selection = {layer}
        viewer.layers.selection.active = layer
        offered = saved_as(tmp_path / name)
        press_save(viewer, qtbot)
        file = tmp_path / f"{name}.nii.gz"
        qtbot.waitUntil(file.exists, timeout=LONG_MS)
        assert offered[-1][0].startswith("CMR Synth NIfTI")
        assert any("*.tif" in kind for kind in offered[-1][1:])  # napari's own are still there
        assert nib.load(file).header.get_zooms() == (1.5, 1.5, 8.0)
    assert json.loads((tmp_path / "picture.json").read_text())["synthetic"] is True
    viewer.layers.selection = {mask}
    viewer.layers.save(str(tmp_path / "mask.tif"), selected=True)
    assert any("mask.tif: holds no spacing" in line for line in told)


def test_layers_that_are_no_scans_are_saved_as_before(viewer, panel, saved_as, tmp_path, qtbot):
    viewer.add_labels(np.ones((8, 8), int), name="cells")
    offered = saved_as(tmp_path / "cells.tif")
    press_save(viewer, qtbot)
    qtbot.waitUntil((tmp_path / "cells.tif").exists, timeout=LONG_MS)
    assert "*.tif" in offered[-1][0]


@pytest.fixture
def dialog(viewer, drawn):
    """The dialog over a mask and two pictures made of it, all ticked."""
    mask, _ = drawn(seed=1)
    drawn(mask=mask, seed=2)
    made = ExportDialog(viewer, viewer.window._qt_window, chosen=list(viewer.layers))
    made.show()
    return made


def export(dialog, qtbot, kind, folder):
    dialog.kind.setCurrentIndex(dialog.kind.findData(kind))
    dialog.folder.setText(str(folder))
    QTest.mouseClick(dialog.export_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dialog.message.text() != "Writing...", timeout=LONG_MS)
    qtbot.waitUntil(lambda: dialog.job is None or not dialog.job.running, timeout=LONG_MS)
    return dialog.message.text()


STEMS = ("synthetic_heart_seed_1", "synthetic_heart_seed_2")


def test_each_format_is_written_and_told(dialog, viewer, stack, qtbot, tmp_path):
    said = export(dialog, qtbot, "nifti", tmp_path / "a")
    assert said.startswith("Wrote 3 layers into") and "3 .nii.gz, 2 .json" in said
    names = {path.name for path in (tmp_path / "a").iterdir()}
    assert names == {"heart.nii.gz", *(f"{s}{end}" for s in STEMS for end in (".nii.gz", ".json"))}
    np.testing.assert_array_equal(nib.load(tmp_path / "a" / "heart.nii.gz").dataobj, stack.T)

    import pydicom

    assert "DICOM" in dialog.kind.itemText(1)
    assert "(10 .dcm, 2 .json)" in export(dialog, qtbot, "dicom", tmp_path / "b")
    for stem in STEMS:
        files = sorted((tmp_path / "b" / stem).iterdir())
        assert [file.name[:2] for file in files] == ["IM"] * 4 + ["SE"]
        assert {pydicom.dcmread(file).SyntheticData for file in files} == {"YES"}

    said = export(dialog, qtbot, "nnunet", tmp_path / "c")
    assert said.startswith("Wrote 3 layers")
    about = json.loads((tmp_path / "c" / DATA_SET / "dataset.json").read_text())
    assert about["numTraining"] == 2

    assert "(12 .png)" in export(dialog, qtbot, "png", tmp_path / "d")
    with Image.open(tmp_path / "d" / f"{STEMS[0]}_slice02.png") as picture:
        assert picture.text["Synthetic"] == "YES" and picture.text["Description"][:9] == "SYNTHETIC"
    assert "(2 .png)" in export(dialog, qtbot, "sheet", tmp_path / "e")
    with Image.open(tmp_path / "e" / f"{STEMS[0]}.png") as picture:
        assert json.loads(picture.text["Record"])["seed"] == 1


def test_what_cannot_be_written_is_said_and_nothing_is_left(dialog, viewer, qtbot, tmp_path):
    taken = tmp_path / "taken"
    assert export(dialog, qtbot, "nifti", taken).startswith("Wrote")
    before = {path: path.read_bytes() for path in taken.iterdir()}
    assert "are there already; choose another folder" in export(dialog, qtbot, "nifti", taken)
    assert {path: path.read_bytes() for path in taken.iterdir()} == before
    dialog.replace_box.setChecked(True)
    assert export(dialog, qtbot, "nifti", taken).startswith("Wrote")

    viewer.layers["heart"].data = np.zeros_like(viewer.layers["heart"].data)
    for kind in ("dicom", "seg", "nnunet", "png"):
        said = export(dialog, qtbot, kind, tmp_path / kind)
        assert said.startswith("heart: ") and "Wrote" not in said, kind
        assert not (tmp_path / kind).exists()
    (tmp_path / "file").write_text("")
    assert "cannot be written" in export(dialog, qtbot, "nifti", tmp_path / "file" / "x")
    for layer in list(viewer.layers):
        viewer.layers.remove(layer)
    assert export(dialog, qtbot, "nifti", tmp_path / "none") == (
        "no layer is ticked; tick those to write."
    )


@pytest.mark.parametrize("there", [False, True])
def test_a_dialog_closed_while_it_writes_goes_on_and_the_window_says_how_it_ended(
    dialog, monkeypatch, qtbot, tmp_path, told, there
):
    begun, go_on = threading.Event(), threading.Event()

    def slowly(*arguments, **options):
        begun.set()
        assert go_on.wait(LONG_MS / 1000)
        return write(*arguments, **options)

    monkeypatch.setattr("napari_cmr_synth.export.dialog.write", slowly)
    folder = tmp_path / "out"
    if there:
        folder.mkdir()
        (folder / "heart.nii.gz").write_text("of somebody else")
    dialog.folder.setText(str(folder))
    QTest.mouseClick(dialog.export_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(begun.is_set, timeout=LONG_MS)
    with qtbot.waitSignal(dialog.destroyed, timeout=LONG_MS):
        QTest.mouseClick(dialog.close_button, Qt.MouseButton.LeftButton)
        go_on.set()
    (said,) = told
    if there:
        assert said.startswith("error") and "heart.nii.gz is there already" in said
        assert (folder / "heart.nii.gz").read_text() == "of somebody else"
    else:
        assert said.startswith("info: wrote 3 layers into")
        assert len(list(folder.glob("*.nii.gz"))) == 3


def test_the_next_dialog_of_the_window_begins_with_what_was_chosen_last(
    dialog, viewer, qtbot, tmp_path
):
    assert dialog.kind.currentData() == "nifti"
    export(dialog, qtbot, "sheet", tmp_path / "out")
    with qtbot.waitSignal(dialog.destroyed, timeout=LONG_MS):  # it lets go of the layers
        QTimer.singleShot(0, dialog.close)  # Qt deletes what was closed in a loop of events only
    again = ExportDialog(viewer, viewer.window._qt_window)
    assert again.kind.currentData() == "sheet" and again.folder.text() == str(tmp_path / "out")


def test_a_mask_on_dicom_images_becomes_a_segmentation_of_them(
    viewer, drawn_dicom, slice_mask, qtbot, tmp_path
):
    import pydicom

    (image,) = viewer.open(str(drawn_dicom), plugin="napari-cmr-synth")
    viewer._new_labels()
    mask = viewer.layers[-1]
    rows, columns = image.data.shape[-2:]
    paint(mask, [((1,), slice_mask[:rows, :columns])])
    dialog = ExportDialog(viewer, chosen=[mask])
    qtbot.addWidget(dialog)
    assert export(dialog, qtbot, "seg", tmp_path / "seg").startswith("Wrote 1 layer")
    (file,) = (tmp_path / "seg").rglob("*.dcm")
    seg, source = pydicom.dcmread(file), pydicom.dcmread(next(drawn_dicom.glob("*.dcm")))
    assert seg.Modality == "SEG" and seg.StudyInstanceUID == source.StudyInstanceUID
    assert seg.PatientID == source.PatientID and "SyntheticData" not in seg
    assert [s.SegmentLabel for s in seg.SegmentSequence][0] == "LV blood pool"
    voxels = int((slice_mask[:rows, :columns] > 0).sum())
    assert int(seg.pixel_array.sum()) == voxels


@pytest.fixture
def drawn_dicom(stack, tmp_path):
    """A DICOM series of four slices, of a patient who is not marked as synthetic."""
    import pydicom

    from cmr_synth.imaging.dicom_out.series import write_series
    from cmr_synth.imaging.dicom_out.study import Making
    from napari_cmr_synth._layers import scan_without_place

    folder = tmp_path / "series"
    folder.mkdir()
    making = Making(model="m", model_version="1", model_hash="0" * 64, seed=0, variant=0)
    scan = scan_without_place(stack.astype(np.float32) / 3, (8.0, 1.5, 1.5), "scan")
    for path in write_series(scan, folder, making).files:
        image = pydicom.dcmread(path)
        del image.SyntheticData
        image.PatientID, image.PatientName = "P1", "DOE^JANE"
        image.save_as(path)
    return folder


# The question when the window is closed


def answer_with(button, asked):
    """Press a button of the question as soon as it stands there."""

    def press():
        box = QApplication.activeModalWidget()
        if isinstance(box, QMessageBox):
            asked.append(box.text())
            QTest.mouseClick(box.button(button), Qt.MouseButton.LeftButton)
        else:
            QTimer.singleShot(50, press)

    QTimer.singleShot(50, press)


def test_unsaved_work_is_what_no_file_has(viewer, panel, add_mask, stack, tmp_path):
    mask = add_mask(stack)
    assert unsaved_masks(viewer) == [mask]  # made here
    viewer.layers.selection = {mask}
    viewer.layers.save(str(tmp_path / "heart.png"), selected=True, plugin="napari-cmr-synth")
    assert unsaved_masks(viewer) == [mask]  # a picture of it cannot be read as a mask again
    viewer.layers.save(str(tmp_path / "heart.nii.gz"), selected=True)
    assert unsaved_masks(viewer) == []
    mask.data_setitem((np.array([0]), np.array([0]), np.array([0])), 3)
    assert unsaved_masks(viewer) == [mask]
    mask.undo()
    assert unsaved_masks(viewer) == []
    (opened,) = viewer.open(str(tmp_path / "heart.nii.gz"), plugin="napari-cmr-synth")
    viewer.open_sample("napari-cmr-synth", "drawn_normal")
    viewer.add_labels(np.zeros((8, 8), int), name="empty")
    assert unsaved_masks(viewer) == []
    opened.data_setitem((np.array([0]), np.array([0]), np.array([0])), 3)
    assert unsaved_masks(viewer) == [opened]


def test_closing_asks_about_unsaved_masks(viewer, panel, add_mask, stack):
    window = viewer.window._qt_window
    add_mask(stack)
    asked: list[str] = []
    answer_with(QMessageBox.StandardButton.Cancel, asked)
    assert window.close(confirm_need=True) is None and window.isVisible()
    answer_with(QMessageBox.StandardButton.Cancel, asked)
    event = type("FromTheFrame", (), {})()
    event.type, event.spontaneous, event.ignore = lambda: QEvent.Type.Close, lambda: True, int
    guard = window.close.__self__
    assert guard.eventFilter(window, event) is True
    assert asked == ["heart: not saved since it was edited."] * 2
    answer_with(QMessageBox.StandardButton.Discard, asked)
    window.close(confirm_need=True)
    assert not window.isVisible()


def test_a_program_closes_the_window_unasked(viewer, panel, add_mask, stack):
    add_mask(stack)
    assert unsaved_masks(viewer)
    viewer.close()  # would wait here for an answer that never comes
