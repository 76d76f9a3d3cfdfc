"""The record panel: what is known of a picture, and the check against its mask."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("napari", reason="napari is not installed; the extra [app] brings it")

LONG_MS = 60_000


@pytest.fixture
def panel(viewer):
    _, panel = viewer.window.add_plugin_dock_widget("napari-cmr-synth", "Record")
    return panel


def shown(panel) -> dict[str, str]:
    return dict(panel.frame.content.facts)


def check(panel, qtbot) -> None:
    panel.check_button.click()
    with qtbot.waitSignal(panel.job.finished, timeout=LONG_MS):
        pass


def test_without_a_synthetic_layer_it_says_what_to_do(panel, add_mask, stack) -> None:
    add_mask(stack)
    assert panel.layer is None and panel.frame.content is None
    assert not panel.check_button.isEnabled()
    assert not panel.frame.html_button.isEnabled()


def test_it_follows_the_selected_synthetic_layer(panel, viewer, synthetic, slice_mask) -> None:
    _, first = synthetic(slice_mask, vendor="siemens", seed=3, name="first")
    mask, second = synthetic(slice_mask, seed=4, name="second")
    viewer.layers.selection.active = first
    assert panel.layer is first
    facts = shown(panel)
    assert facts["Vendor"] == "siemens" and facts["Seed"] == "3, variant 0"
    assert first.metadata["cmr_record"]["model"]["sha256"] in facts["Weights"]
    viewer.layers.selection.active = mask  # nothing to show: stays
    assert panel.layer is first
    viewer.layers.selection.active = second
    assert shown(panel)["Seed"].startswith("4")
    viewer.layers.remove(second)
    assert panel.layer is first
    viewer.layers.clear()
    assert panel.layer is None and panel.frame.content is None


def test_a_check_shows_dice_plot_table_and_overlay(panel, viewer, synthetic, qtbot) -> None:
    mask, picture = synthetic(vendor="siemens")
    viewer.layers.selection.active = picture
    before = mask.data.copy()
    check(panel, qtbot)
    content = panel.frame.content
    lines = {line.name: line for line in content.lines}
    assert set(lines) == {"Mean Dice", "LV blood pool", "myocardium", "RV blood pool"}
    assert 0.5 < lines["Mean Dice"].value <= 1
    assert "patients" in lines["LV blood pool"].note
    assert len(content.tables[0].rows) == len(mask.data)
    from napari._qt.utils import QImg2array

    (view,) = panel.frame.plots
    qtbot.waitUntil(lambda: view.up_to_date, timeout=LONG_MS)
    drawn = QImg2array(view.image)
    assert np.ptp(drawn[..., :3].reshape(-1, 3), axis=0).min() > 50  # bars in colours

    overlay = viewer.layers[-1] if viewer.layers[-1] is not mask else viewer.layers[-2]
    assert overlay.name == f"{picture.name}, disagreement"
    np.testing.assert_allclose(overlay.scale, mask.scale)
    assert overlay.data.shape == mask.data.shape
    assert overlay.data.any() and not overlay.data[:, :3].any()
    assert set(np.unique(overlay.data)) <= {0, 1, 2, 3, 4}
    assert viewer.layers.selection.active is picture
    np.testing.assert_array_equal(mask.data, before)

    check(panel, qtbot)  # again: the same overlay, not a second one
    assert sum("disagreement" in layer.name for layer in viewer.layers) == 1
    viewer.layers.selection.active = mask
    assert panel.frame.content.lines  # kept while another layer is worked on


def test_a_flat_mask_has_a_flat_overlay(panel, viewer, synthetic, slice_mask, qtbot) -> None:
    mask, picture = synthetic(slice_mask)
    viewer.layers.selection.active = picture
    check(panel, qtbot)
    overlay = next(layer for layer in viewer.layers if "disagreement" in layer.name)
    assert overlay.data.shape == mask.data.shape == slice_mask.shape


def test_a_mask_painted_on_since_is_said(panel, viewer, synthetic, slice_mask, qtbot) -> None:
    mask, picture = synthetic(slice_mask)
    viewer.layers.selection.active = picture
    check(panel, qtbot)
    dice = panel.frame.content.lines[0].value
    assert not any("painted on" in remark for remark in panel.frame.content.remarks)
    lv = np.nonzero(mask.data == 1)
    mask.data_setitem(lv, 3)
    check(panel, qtbot)
    assert any("painted on" in remark for remark in panel.frame.content.remarks)
    assert panel.frame.content.lines[0].value < dice - 0.1


def test_a_renamed_mask_is_found_and_a_missing_one_said(
    panel, viewer, synthetic, slice_mask, qtbot, told
) -> None:
    mask, picture = synthetic(slice_mask)
    viewer.layers.selection.active = picture
    mask.name = "another name"
    check(panel, qtbot)
    assert panel.frame.content.lines
    job = panel.job
    viewer.layers.remove(mask)
    panel.check_button.click()
    assert panel.job is job  # nothing was started
    assert any("is not among the layers" in message for message in told)


def test_a_layer_removed_while_it_is_checked_is_no_problem(
    panel, viewer, synthetic, slice_mask, qtbot, told
) -> None:
    _, picture = synthetic(slice_mask)
    viewer.layers.selection.active = picture
    qtbot.wait(100)  # until the canvas has shown it
    panel.check_button.click()
    viewer.layers.remove(picture)
    with qtbot.waitSignal(panel.job.finished, timeout=LONG_MS):
        pass
    assert not any("disagreement" in layer.name for layer in viewer.layers)
    assert not any(message.startswith("error") for message in told)


@pytest.mark.parametrize("ending", ["html", "json"])
def test_what_is_shown_is_saved(
    panel, viewer, synthetic, slice_mask, tmp_path: Path, monkeypatch, ending: str
) -> None:
    from qtpy.QtWidgets import QFileDialog

    _, picture = synthetic(slice_mask, seed=11)
    path = tmp_path / f"record.{ending}"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, **k: (str(path), ""))
    getattr(panel.frame, f"{ending}_button").click()
    text = path.read_text(encoding="utf-8")
    if ending == "json":
        assert json.loads(text)["data"]["record"]["seed"] == 11
    else:
        assert picture.name in text and "11, variant 0" in text


def test_a_place_that_cannot_be_written_is_said(
    panel, synthetic, slice_mask, tmp_path: Path, told
) -> None:
    synthetic(slice_mask)
    (tmp_path / "file").write_text("")
    assert panel.frame.save(tmp_path / "file" / "record.html") is None
    assert any("cannot be written" in message for message in told)


def test_removing_the_lowest_layer_does_not_end_the_program(
    panel, viewer, synthetic, qtbot
) -> None:
    """Without the guard, Mesa's software renderer draws from a deleted buffer and crashes."""
    mask, picture = synthetic()
    qtbot.wait(100)  # until the canvas has shown both
    viewer.layers.remove(picture)
    for _ in range(5):
        viewer.window._qt_viewer.canvas.native.update()
        qtbot.wait(20)
    assert list(viewer.layers) == [mask]
