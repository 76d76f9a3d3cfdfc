"""The list of patients in a real window: opened, stepped through, saved, and what is done."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog, QMessageBox

from cmr_synth.anatomy.template import draw_stack
from cmr_synth.imaging.nifti import write_nifti
from cmr_synth.imaging.scan import Scan
from napari_cmr_synth._results import AUDITED, RECORD
from napari_cmr_synth.patients.panel import MARK

SPACING = (8.0, 2.0, 2.0)
SAVE, DISCARD, STAY = (
    QMessageBox.StandardButton.Save,
    QMessageBox.StandardButton.Discard,
    QMessageBox.StandardButton.Cancel,
)


@pytest.fixture
def folder(tmp_path):
    """Three patients, each in a folder; the second has a mask."""
    heart = draw_stack(slices=3, shape=(48, 48), spacing=SPACING)
    affine = np.diag([-2.0, -2.0, 8.0, 1.0])
    for number in (1, 2, 3):
        own = tmp_path / f"patient{number}"
        own.mkdir()
        pixels = np.random.default_rng(number).normal(300, 80, heart.shape).astype(np.float32)
        scan = Scan(array=pixels, spacing=SPACING, affine=affine, name="scan")
        write_nifti(scan, own / f"patient{number}.nii.gz")
        if number == 2:
            write_nifti(scan.with_array(heart), own / f"patient{number}_gt.nii.gz")
    return tmp_path


@pytest.fixture
def panel(viewer, folder, qtbot):
    from napari_cmr_synth.patients.panel import PatientList

    panel = PatientList(viewer)
    viewer.window.add_dock_widget(panel, area="right", name="Patients")
    panel.open_folder(folder)
    qtbot.waitUntil(lambda: panel.table.rowCount() == 3, timeout=20_000)
    return panel


def click(button):
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def marks(panel, row):
    return [panel.table.item(row, column).text() == MARK for column in range(1, 5)]


def paint_a_mask(viewer):
    from napari_cmr_synth.heart_mask.new_mask import NewMask, add_mask

    (mask,) = add_mask(viewer, NewMask(anatomy=None), viewer.layers[0])
    mask.data_setitem(tuple(np.array(at) for at in ([1, 1], [20, 21], [20, 20])), 1)
    return mask


def test_patients_are_listed_and_stepped_through(panel, viewer, qtbot):
    assert [panel.table.item(row, 0).text() for row in range(3)] == [
        "patient1",
        "patient2",
        "patient3",
    ]
    assert marks(panel, 0) == [False] * 4 and marks(panel, 1) == [True, False, False, True]
    click(panel.next)
    assert panel.patient.name == "patient1" and len(viewer.layers) == 1
    assert not panel.previous.isEnabled()
    click(panel.next)
    assert panel.patient.name == "patient2" and len(viewer.layers) == 2
    canvas = viewer.window._qt_viewer.canvas.native
    QTest.keyClick(canvas, Qt.Key.Key_PageUp, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: panel.patient.name == "patient1", timeout=5000)


def test_a_new_mask_is_saved_beside_the_scan_before_the_next(panel, viewer, folder, monkeypatch):
    click(panel.next)
    mask = paint_a_mask(viewer)
    panel.refresh()
    assert marks(panel, 0) == [True, False, False, False]
    answers = [STAY, SAVE]
    monkeypatch.setattr(QMessageBox, "question", lambda *_: answers.pop(0))
    click(panel.next)
    assert panel.patient.name == "patient1" and mask in viewer.layers, "stayed"
    wanted = mask.data.copy()
    click(panel.next)
    assert panel.patient.name == "patient2"
    path = folder / "patient1" / "patient1_seg.nii.gz"
    np.testing.assert_array_equal(np.asarray(nib.load(path).dataobj).T, wanted)
    assert marks(panel, 0) == [True, False, False, True]
    click(panel.previous)
    assert len(viewer.layers) == 2, "the saved mask is opened again"


def test_discarding_leaves_no_file(panel, viewer, folder, monkeypatch):
    click(panel.next)
    paint_a_mask(viewer)
    monkeypatch.setattr(QMessageBox, "question", lambda *_: DISCARD)
    click(panel.to_do)  # patient2 has a mask
    assert panel.patient.name == "patient3"
    assert [p.name for p in (folder / "patient1").iterdir()] == ["patient1.nii.gz"]


def test_what_was_made_and_audited_is_marked(panel, viewer):
    click(panel.next)
    image = viewer.layers[0]
    made = viewer.add_image(image.data, metadata={RECORD: {}})
    assert marks(panel, 0)[1:3] == [True, False]
    made.metadata[AUDITED] = True
    click(panel.next)
    assert marks(panel, 0)[2], "it stays audited after it was left"


def test_a_folder_without_patients_is_told(panel, tmp_path, qtbot):
    empty = tmp_path / "empty"
    empty.mkdir()
    panel.open_folder(empty)
    qtbot.waitUntil(lambda: "NIfTI or DICOM" in panel.where.text(), timeout=20_000)
    assert panel.table.rowCount() == 3


def test_patients_of_a_cohort_come_by_its_adapter(panel, viewer, folder, qtbot, monkeypatch):
    """The folder is a cohort of one patient: only one of the three has a mask."""
    panel.kind.setCurrentIndex(panel.kind.findData("folder"))
    panel.open_folder(folder)
    qtbot.waitUntil(lambda: panel.table.rowCount() == 1, timeout=20_000)
    assert marks(panel, 0) == [True, False, False, True]
    click(panel.next)
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=20_000)
    image, mask = viewer.layers
    assert image.data.shape == mask.data.shape == (3, 48, 48) and set(np.unique(mask.data)) > {0, 1}
    paint_a_mask(viewer)
    out = folder / "out"
    out.mkdir()
    monkeypatch.setattr(QMessageBox, "question", lambda *_: SAVE)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(out))
    assert panel.may_leave()
    assert [path.name for path in out.iterdir()] == ["patient2_seg.nii.gz"]
