"""The batch panel: a folder in, a data set out, stopped and resumed."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from qtpy.QtCore import Qt

from cmr_synth.anatomy.template import draw_slice
from napari_cmr_synth._mask_picker import OWN

pytest.importorskip("napari", reason="napari is not installed; the extra [app] brings it")

from .hands import click  # noqa: E402

LONG_MS = 60_000


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    """Four masks of one slice."""
    folder = tmp_path / "masks"
    folder.mkdir()
    for k in range(4):
        labels = draw_slice(seed=k)[None]
        image = nib.Nifti1Image(labels.T, np.diag([-1.5, -1.5, 8.0, 1.0]))
        nib.save(image, folder / f"heart{k}.nii.gz")
    return folder


@pytest.fixture
def widget(viewer, masks: Path, tmp_path: Path, tiny_model: Path, monkeypatch):
    """The panel in its dock, with its folders filled in and the tiny model in the zoo."""
    from cmr_synth.generators import zoo

    zoo.add(tiny_model)
    _, widget = viewer.window.add_plugin_dock_widget("napari-cmr-synth", "Batch")
    widget.masks.setText(str(masks))
    widget.out.setText(str(tmp_path / "out"))
    widget.form.model.setCurrentText("tiny")
    return widget


def states(widget) -> list[str]:
    return [widget.queue.item(row, 1).text() for row in range(widget.queue.rowCount())]


def run(widget, qtbot) -> None:
    """Press the button and wait for the end."""
    widget.start_button.click()
    with qtbot.waitSignal(widget.job.finished, timeout=LONG_MS):
        pass


def test_masks_of_another_program_are_made_by_their_own_numbers(
    widget, masks: Path, tmp_path: Path, qtbot, told
) -> None:
    """RV 60, LV 50, wall 20 in three of four files; the fourth follows a convention."""
    theirs = np.zeros(256, np.int16)
    theirs[[1, 2, 3]] = 50, 20, 60
    for path in sorted(masks.iterdir())[:3]:
        image = nib.load(path)
        nib.save(nib.Nifti1Image(theirs[np.asarray(image.dataobj)], image.affine), path)
    assert not widget.numbers.isVisible()
    widget.labels.setFocus()
    qtbot.keyClick(widget.labels, Qt.Key.Key_End)
    assert widget.labels.currentText() == OWN and widget.numbers.isVisible()
    widget.start_button.click()
    assert widget.job is None and "no structure is named" in told[-1]
    for name, number in (("LV", "50"), ("MYO", "20"), ("RV", "60")):
        field = widget.numbers.fields[name]
        field.setFocus()
        qtbot.keyClicks(field, number)
    run(widget, qtbot)
    assert states(widget) == ["✓ done"] * 3 + ["✗ failed"]
    record = json.loads(next((tmp_path / "out").rglob("heart0*.json")).read_text())
    assert "LV=50,MYO=20,RV=60" in record["mask"]["labels"]


def test_the_fields_ask_for_what_they_say(widget) -> None:
    widget.form.vendor.setCurrentIndex(widget.form.vendor.findData("ge"))
    widget.form.phase.setCurrentIndex(widget.form.phase.findData("ES"))
    widget.form.variants.setValue(3)
    widget.form.seed.setText("7")
    request = widget.request
    assert (request.vendor, request.phase, request.pathology) == ("ge", "ES", None)
    assert (request.n, request.seed, request.steps, request.labels) == (3, 7, None, None)
    widget.form.steps.setValue(2)
    widget.labels.setCurrentIndex(widget.labels.findData("acdc"))
    assert (widget.request.steps, widget.request.labels) == (2, "acdc")


def test_every_vendor_and_several_seeds(widget, qtbot, tmp_path: Path) -> None:
    widget.form.steps.setValue(1)
    widget.form.seed.setText("5")
    widget.check.setChecked(False)
    widget.seeds.setValue(2)
    click(widget.every_vendor)
    assert not widget.form.vendor.isEnabled()
    run(widget, qtbot)
    vendors = widget.form.card.conditions.vendors
    records = [json.loads(p.read_text()) for p in sorted((tmp_path / "out").glob("*.json"))]
    made = sorted((r["mask"]["name"][:6], r["vendor"], r["seed"]) for r in records)
    names = [f"heart{k}" for k in range(4)]
    assert made == sorted((n, v, seed) for n in names for v in vendors for seed in (5, 6))
    assert states(widget) == ["✓ done"] * len(made)
    assert {f"heart0, {v}, seed 6" for v in vendors} <= {
        widget.queue.item(row, 0).text() for row in range(len(made))
    }


def test_position_and_guidance_reach_the_records(widget, qtbot, tmp_path: Path) -> None:
    widget.form.position.setValue(0.25)
    widget.form.guidance.setValue(1.5)
    widget.form.steps.setValue(1)
    run(widget, qtbot)
    records = [json.loads(p.read_text()) for p in sorted((tmp_path / "out").glob("*.json"))]
    assert [(r["z"], r["guidance"]) for r in records] == [(0.25, 1.5)] * 4


def test_a_seed_that_is_no_number_is_said_and_nothing_starts(widget, told) -> None:
    widget.form.seed.setText("seven")
    widget.start_button.click()
    assert widget.job is None
    assert any("seed 'seven': give a whole number" in message for message in told)


def test_a_folder_becomes_a_data_set(widget, qtbot, viewer, tmp_path: Path) -> None:
    widget.form.vendor.setCurrentIndex(widget.form.vendor.findData("siemens"))
    run(widget, qtbot)
    assert states(widget) == ["✓ done"] * 4
    records = [json.loads(p.read_text()) for p in sorted((tmp_path / "out").glob("*.json"))]
    assert [r["vendor"] for r in records] == ["siemens"] * 4
    assert widget.bar.value() == widget.bar.maximum() > 1
    assert "4 masks done" in widget.summary.text() and "4 images" in widget.summary.text()
    assert widget.start_button.isEnabled() and not widget.cancel_button.isEnabled()

    widget.queue.cellDoubleClicked.emit(1, 0)  # its mask and its image, as layers
    kinds = [type(layer).__name__ for layer in viewer.layers]
    assert sorted(kinds) == ["Image", "Labels"]
    assert viewer.layers[0].data.shape == viewer.layers[1].data.shape


def test_images_are_written_as_dicom_too(widget, qtbot, tmp_path: Path) -> None:
    widget.formats.setCurrentIndex(widget.formats.findText("NIfTI and DICOM"))
    widget.check.setChecked(False)
    widget.form.steps.setValue(1)
    run(widget, qtbot)
    out = tmp_path / "out"
    assert len(list(out.glob("*.nii.gz"))) == 4
    series = [path for path in out.iterdir() if path.is_dir()]
    assert len(series) == 4 and all(list(folder.glob("*.dcm")) for folder in series)


def test_every_format_of_the_panel_is_one_of_the_engine(widget) -> None:
    from cmr_synth.synthesis.formats import FORMATS as KNOWN
    from napari_cmr_synth.batch.widget import FORMATS

    assert {name for formats in FORMATS.values() for name in formats} <= set(KNOWN)


def test_slices_that_miss_their_mask_are_flagged(widget, qtbot, tmp_path: Path) -> None:
    assert widget.check.isChecked() and widget.request.redraws == 3
    widget.form.steps.setValue(1)
    run(widget, qtbot)
    records = [json.loads(p.read_text()) for p in sorted((tmp_path / "out").glob("*.json"))]
    assert [r["check"]["missed"] for r in records] == [1] * 4  # random weights draw no heart
    assert [r["check"]["drawn_again"] for r in records] == [3] * 4
    assert "1 of 1 slices miss their mask" in widget.queue.item(0, 2).text()
    widget.check.setChecked(False)
    assert widget.request.redraws is None


def test_cancel_stops_and_resume_goes_on(widget, qtbot, tmp_path: Path) -> None:
    widget.form.variants.setValue(200)
    widget.form.steps.setValue(20)
    widget.start_button.click()
    widget.start_button.click()  # a second click starts nothing
    job = widget.job
    with qtbot.waitSignal(
        job.progressed, timeout=LONG_MS, check_params_cb=lambda step, _: step > 0
    ):
        pass
    assert not widget.form.variants.isEnabled()
    with qtbot.waitSignal(job.finished, timeout=LONG_MS):
        widget.cancel_button.click()
    assert set(states(widget)) == {"■ stopped"}
    assert not (tmp_path / "out").exists()
    assert widget.start_button.text() == "Resume" and widget.start_button.isEnabled()

    widget.form.variants.setValue(1)
    widget.form.steps.setValue(0)
    run(widget, qtbot)
    assert states(widget) == ["✓ done"] * 4
    assert widget.start_button.text() == "Start"
    next((tmp_path / "out").glob("heart2*.nii.gz")).unlink()
    run(widget, qtbot)
    assert states(widget) == ["– there already"] * 2 + ["✓ done", "– there already"]


def test_a_bad_file_is_reported_and_the_others_go_on(widget, qtbot, masks: Path) -> None:
    (masks / "heart1.nii.gz").write_text("no mask at all")
    run(widget, qtbot)
    assert states(widget) == ["✓ done", "✗ failed", "✓ done", "✓ done"]
    assert "heart1.nii.gz" in widget.queue.item(1, 2).text()
    assert "1 failed" in widget.summary.text()


@pytest.mark.parametrize("field", ["masks", "out"])
def test_a_missing_folder_is_said_and_nothing_starts(widget, told, field: str) -> None:
    getattr(widget, field).clear()
    widget.start_button.click()
    assert widget.job is None
    assert any("folder" in message for message in told)


def test_a_folder_without_masks_is_said(widget, qtbot, told, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    widget.masks.setText(str(tmp_path / "empty"))
    run(widget, qtbot)
    assert any("holds no nifti mask" in message for message in told)
    assert widget.start_button.isEnabled()
