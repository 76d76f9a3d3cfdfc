"""The Synthesize widget in a real window with the bundled model."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

pytest.importorskip("qtpy", reason="Qt is not installed; the extra [app] brings it")

from cmr_synth.generators.identity import identity_of
from cmr_synth.synthesis.from_mask import synthesize
from cmr_synth.synthesis.record import Synthetic
from cmr_synth.synthesis.request import Request
from napari_cmr_synth import _models
from napari_cmr_synth._card_dialog import CardDialog
from napari_cmr_synth._layers import GRID
from napari_cmr_synth._masks import mask_scan
from napari_cmr_synth._results import MASK, RECORD
from napari_cmr_synth.synthesis.widget import SynthesizeWidget

LONG_MS = 60_000  # for the first model on a busy machine: torch is imported, weights are read
DOCK_WIDTH = 350


@pytest.fixture
def widget(viewer, qtbot) -> SynthesizeWidget:
    """Docked, as from the menu."""
    widget = SynthesizeWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Synthesize", area="right")
    widget.form.steps.setValue(2)  # quicker than the model's own four
    return widget


@pytest.fixture
def run(widget, qtbot):
    """Press the button and wait for the end."""

    def press() -> None:
        widget.start_button.click()
        assert widget.running
        qtbot.waitUntil(lambda: not widget.running, timeout=LONG_MS)

    return press


def results(viewer: Any) -> list[Any]:
    return [layer for layer in viewer.layers if RECORD in layer.metadata]


def by_engine(layer: Any, **options: Any) -> np.ndarray:
    """The same without the widget."""
    mask, model = mask_scan(layer, "mnms"), _models.loaded("flow")
    part = {
        name: options.pop(name) for name in ("slices", "frames", "reference") if name in options
    }
    made = synthesize(mask, model, Request(steps=2, batch=4, **options), **part)
    (synthetic,) = (item for item in made if isinstance(item, Synthetic))
    return synthetic.scan.array


def assert_same_grid(picture: Any, mask: Any) -> None:
    assert picture.data.shape == mask.data.shape
    for name in ("scale", "translate", "axis_labels", "units"):
        assert np.all(np.asarray(getattr(picture, name)) == np.asarray(getattr(mask, name))), name
    np.testing.assert_array_equal(picture.metadata[GRID].affine, mask.metadata[GRID].affine)


def test_opening_it_imports_no_torch(viewer):
    look = (
        "import sys, napari; from napari_cmr_synth.synthesis.widget import SynthesizeWidget;"
        "viewer = napari.Viewer(show=False); widget = SynthesizeWidget(viewer);"
        "text = widget.device.sentence.text();"
        "late = {'torch', 'diffusers', 'monai'} & set(sys.modules);"
        "viewer.close(); sys.exit(str(late) if late or not text else 0)"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("axes", [2, 3, 4])
def test_the_picture_lies_on_the_grid_of_the_mask(
    viewer, widget, run, add_mask, stack, slice_mask, axes
):
    labels = {2: slice_mask, 3: stack, 4: np.stack([stack[1:3], stack[1:3]])}[axes]
    mask = add_mask(labels)
    mask.translate = np.arange(axes) * 3.0
    widget.form.scope.setCurrentIndex(widget.form.scope.count() - 1)  # as much as there is
    viewer.layers.selection.active = mask
    run()
    (picture,) = results(viewer)
    assert_same_grid(picture, mask)
    assert picture.name.startswith("synthetic")
    assert picture.metadata[MASK] == mask.name
    assert viewer.layers.index(picture) == viewer.layers.index(mask) - 1
    assert viewer.layers.selection.active is mask  # painting goes on where it was
    drawn = (labels > 0).any(axis=(-2, -1))
    assert picture.data[drawn].any() if axes > 2 else picture.data.any()
    made = {2: "1 picture", 3: "4 pictures", 4: "4 pictures"}[axes]  # one for each slice
    assert widget.status.text() == f"Made {made}."


def test_the_picture_is_the_one_of_the_engine(viewer, widget, run, add_mask, stack):
    mask = add_mask(stack)
    widget.form.vendor.setCurrentIndex(widget.form.vendor.findData("philips"))
    widget.form.phase.setCurrentIndex(widget.form.phase.findData("ES"))
    widget.form.pathology.setCurrentIndex(widget.form.pathology.findData("dcm"))
    widget.form.guidance.setValue(1.5)
    widget.form.seed.setText("11")
    run()
    (picture,) = results(viewer)
    expected = by_engine(mask, vendor="philips", phase="ES", pathology="dcm", guidance=1.5, seed=11)
    np.testing.assert_allclose(picture.data, expected, atol=1e-5, rtol=0)
    record = picture.metadata[RECORD]
    assert (record["vendor"], record["phase"], record["seed"]) == ("philips", "ES", 11)
    assert "philips" in picture.name and "11" in picture.name


def test_an_oblique_mirrored_stack_keeps_its_place(
    viewer, widget, run, add_mask, stack, oblique_affine
):
    stored = np.ascontiguousarray(stack[:, :, ::-1])
    mirrored = oblique_affine.copy()  # stored from the other side, and the affine says so
    mirrored[:3, 3] += oblique_affine[:3, 0] * (stack.shape[2] - 1)
    mirrored[:3, 0] *= -1
    mask = add_mask(stored, affine=mirrored)
    run()
    (picture,) = results(viewer)
    assert_same_grid(picture, mask)
    np.testing.assert_allclose(picture.metadata[GRID].affine, mirrored)
    np.testing.assert_allclose(picture.data, by_engine(mask), atol=1e-5, rtol=0)


def test_the_slice_in_view_alone_is_as_in_the_stack(viewer, widget, run, add_mask, stack):
    mask = add_mask(stack)
    run()
    viewer.dims.set_point(0, 2 * mask.scale[0])
    widget.form.scope.setCurrentIndex(widget.form.scope.findData("slice"))
    run()
    whole, alone = sorted(results(viewer), key=lambda layer: layer.metadata[RECORD]["created"])
    if whole.metadata[RECORD]["only"]:
        whole, alone = alone, whole
    np.testing.assert_allclose(alone.data[2], whole.data[2], atol=5e-5, rtol=0)
    assert alone.data[2].any() and not np.delete(alone.data, 2, axis=0).any()
    assert "only the slice that was in view" in widget.status.text()


def test_one_frame_of_a_cine(viewer, widget, run, add_mask, stack):
    add_mask(np.stack([stack[1:3]] * 3))
    viewer.dims.set_point(0, 1)
    widget.form.scope.setCurrentIndex(widget.form.scope.findData("stack"))
    assert widget.form.scope.count() == 3
    run()
    (picture,) = results(viewer)
    assert picture.data[1].any() and not picture.data[[0, 2]].any()


def test_variants_differ_and_the_dice_gives_others(viewer, widget, run, add_mask, slice_mask):
    add_mask(slice_mask)
    widget.form.variants.setValue(2)
    before = widget.form.seed.text()
    widget.form.dice.click()
    assert widget.form.seed.text() != before
    run()
    first, second = results(viewer)
    assert np.abs(first.data - second.data).mean() > 1e-3
    assert {layer.metadata[RECORD]["variant"] for layer in (first, second)} == {0, 1}
    assert str(first.metadata[RECORD]["seed"]) == widget.form.seed.text()


def test_cancel_keeps_what_is_made_and_a_second_start_waits(viewer, widget, qtbot, add_mask, stack):
    add_mask(stack)
    widget.form.variants.setValue(100)
    widget.start_button.click()
    assert not widget.start_button.isEnabled() and widget.cancel_button.isEnabled()
    job = widget._job
    widget.synthesize()
    assert widget._job is job
    qtbot.waitUntil(lambda: bool(results(viewer)), timeout=LONG_MS)
    assert " left." in widget.status.text() and widget.progress.isVisible()
    widget.cancel_button.click()
    made = len(results(viewer))
    qtbot.waitUntil(lambda: not widget.running, timeout=LONG_MS)
    assert made <= len(results(viewer)) < 100
    assert len(results(viewer)) == made
    assert widget.status.text().startswith("Cancelled; ")
    assert widget.start_button.isEnabled() and not widget.cancel_button.isEnabled()
    assert not widget.progress.isVisible()


@pytest.mark.parametrize("by", ["the program", "the user"])
def test_closing_the_window_while_it_runs(viewer, widget, qtbot, add_mask, stack, told, by):
    add_mask(stack)
    widget.form.variants.setValue(100)
    widget.start_button.click()
    qtbot.waitUntil(lambda: bool(results(viewer)), timeout=LONG_MS)
    job, model = widget._job, viewer.layers
    if by == "the program":
        viewer.close()  # takes the layers away, too
        made = 0
    else:
        made = len(model)
        viewer.window._qt_window.close()
        del viewer.window._qt_window  # else the fixture closes it again
    qtbot.waitUntil(lambda: not job.running, timeout=LONG_MS)
    assert len(model) == made
    assert not [message for message in told if message.startswith("error")]


def test_a_mask_deleted_while_it_runs_loses_nothing(viewer, widget, qtbot, add_mask, stack, told):
    mask = add_mask(stack)
    widget.start_button.click()
    viewer.layers.remove(mask)
    qtbot.waitUntil(lambda: not widget.running, timeout=LONG_MS)
    (picture,) = results(viewer)
    assert_same_grid(picture, mask)
    assert any("heart was deleted meanwhile" in message for message in told)
    assert widget.picker.layer is None


def test_empty_slices_are_skipped_and_said(viewer, widget, run, add_mask, stack, told):
    labels = stack.copy()
    labels[0] = 0
    add_mask(labels)
    run()
    (picture,) = results(viewer)
    assert not picture.data[0].any() and picture.data[1:].any(axis=(1, 2)).all()
    assert any("no heart is drawn on slice 0 " in message for message in told)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda viewer, add, stack: None, "there is no mask to follow"),
        (
            lambda viewer, add, stack: viewer.add_image(np.zeros((8, 8)), name="scan"),
            "there is no mask to follow",
        ),
        (lambda viewer, add, stack: add(np.zeros_like(stack)), "heart: the mask is empty"),
        (lambda viewer, add, stack: add(stack + 4 * (stack == 2)), "what do its numbers mean"),
        (lambda viewer, add, stack: add((stack == 2).astype(np.uint8) * 1), "nothing tells lv"),
    ],
    ids=["nothing", "image", "empty", "extra", "unsure"],
)
def test_what_is_no_mask_is_refused_in_words(viewer, widget, add_mask, stack, told, make, message):
    make(viewer, add_mask, stack)
    layers = list(viewer.layers)
    widget.start_button.click()
    assert not widget.running
    assert list(viewer.layers) == layers
    reason, line = widget.picker.reason.text().lower(), widget.status.text().lower()
    assert message in (reason if message == "nothing tells lv" else line)
    assert "\n" not in line and told == []  # it stands in the panel, and nowhere else


def test_extra_labels_are_named(viewer, widget, run, add_mask, stack, told):
    labels = stack.copy()
    labels[1, :3, :3] = 7
    mask = add_mask(labels, guessed=False)
    assert widget.picker.convention is None
    pick(widget.picker.conventions, "acdc")
    run()
    assert "heart: found label 7; ACDC: 1 RV, 2 MYO, 3 LV" in widget.status.text() and told == []
    assert list(viewer.layers) == [mask]


def pick(combo: Any, data: Any) -> None:
    """Choose an entry as a click does."""
    combo.setCurrentIndex(combo.findData(data))
    combo.activated.emit(combo.currentIndex())


def test_numbers_are_read_as_the_user_says(viewer, widget, run, add_mask, stack):
    """A mask whose guess the user overrules: its RV is synthesized as an LV."""
    mask = add_mask(stack)
    assert widget.picker.convention == "mnms"
    assert widget.picker.reason.text().startswith("Guessed: The myocardium (2) borders")
    run()
    assert widget.picker.reason.text() == "Confirmed by you."
    pick(widget.picker.conventions, "acdc")
    run()
    as_mnms, as_acdc = results(viewer)
    assert np.abs(as_mnms.data - as_acdc.data).max() > 0.05
    status = mask.features.set_index("index")["structure"]
    assert status[1] == "RV" and status[3] == "LV"


def test_the_position_comes_from_the_stack_and_is_given_to_a_slice(
    viewer, widget, run, add_mask, stack, slice_mask
):
    add_mask(stack)
    viewer.dims.set_point(0, 8.0)
    assert widget.form.position_text.isVisible() and not widget.form.position.isVisible()
    assert widget.form.position_text.text() == "0.33, from the stack (slice 1)"
    pick(widget.form.scope, "slice")
    assert widget.form.position.isVisible()  # of one slice another one may be given
    widget.form.position.setValue(0.5)
    assert widget.request().z == 0.5
    pick(widget.form.scope, "stack")
    assert widget.request().z is None and not widget.form.position.isVisible()
    widget.form.position.setValue(-0.05)
    single = add_mask(slice_mask, name="single")
    widget.picker.choose(single)
    assert widget.form.position.isVisible() and not widget.form.position_text.isVisible()
    widget.form.position.setValue(0.8)
    run()
    (picture,) = results(viewer)
    assert picture.metadata[RECORD]["slice_positions"] == {"0": 0.8}


def test_too_little_memory_offers_a_smaller_batch(
    viewer, widget, run, add_mask, stack, told, monkeypatch
):
    model = _models.loaded("flow")
    sample = type(model.generator).sample

    def hungry(self, conditions, **options):
        if len(conditions) > 1:
            raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB")
        yield from sample(self, conditions, **options)

    monkeypatch.setattr(type(model.generator), "sample", hungry)
    add_mask(stack)
    run()
    assert "memory is full" in told[-1]
    for batch in (4, 2):
        assert widget.retry_box.isVisible()
        assert f"for {batch} images at once" in widget.status.text()
        widget.retry_button.click()
        assert widget.form.batch.value() == batch // 2
        while widget.running:
            widget._job.wait(10)
            from qtpy.QtWidgets import QApplication

            QApplication.processEvents()
    assert not widget.retry_box.isVisible()
    assert len(results(viewer)) == 1


def test_a_seed_that_is_no_number_is_refused(viewer, widget, add_mask, stack, told):
    add_mask(stack)
    widget.form.seed.setText("seven")
    widget.start_button.click()
    assert "seed 'seven': give a whole number" in widget.status.text() and told == []
    assert not widget.running


def test_layers_come_go_and_change_their_names(viewer, widget, add_mask, stack):
    first = add_mask(stack, name="first")
    second = add_mask(stack, name="second")
    viewer.add_image(stack.astype(float))
    names = [widget.picker.layers.itemText(i) for i in range(widget.picker.layers.count())]
    assert names == ["second", "first"]
    assert widget.picker.layer is second  # a picture that is selected is no mask
    viewer.layers.selection.active = first
    assert widget.picker.layer is first  # the mask that is selected is the one that is used
    first.name = "a long name of a mask that nobody can read in a narrow dock"
    assert widget.picker.layers.currentText() == first.name
    assert widget.picker.layers.toolTip().startswith(first.name)
    viewer.layers.remove(first)
    assert widget.picker.layer is second


def test_what_is_confirmed_in_one_panel_holds_in_all(viewer, widget, add_mask, stack):
    _, other = viewer.window.add_plugin_dock_widget("napari-cmr-synth", "Heart mask")
    add_mask(stack)
    pick(other.picker.conventions, "acdc")
    assert widget.picker.convention == "acdc"
    assert widget.picker.reason.text() == "Confirmed by you."
    pick(widget.picker.conventions, "mnms")
    assert other.picker.convention == "mnms"


def test_what_was_chosen_is_there_next_time(viewer, widget, run, add_mask, slice_mask):
    add_mask(slice_mask)
    widget.form.vendor.setCurrentIndex(widget.form.vendor.findData("ge"))
    run()
    assert SynthesizeWidget(viewer).form.vendor.currentData() == "ge"
    record = results(viewer)[0].metadata[RECORD]
    assert record["mask"]["labels"] == "M&Ms, UK Biobank: 1 LV, 2 MYO, 3 RV; confirmed"


def test_the_device_and_the_diagnostics(viewer, widget):
    from qtpy.QtGui import QGuiApplication

    from cmr_synth.generators.device import choose

    assert choose().reason in widget.device.sentence.text()
    widget.device.choice.setCurrentIndex(widget.device.choice.findData("cpu"))
    widget.device.choice.activated.emit(0)
    assert widget.request().device == "cpu" and "CPU" in widget.device.sentence.text()
    widget.device.copy.click()
    text = QGuiApplication.clipboard().text()
    assert "torch" in text and identity_of(_models.card("flow")) in text


def test_the_card_is_a_click_away(viewer, widget, qtbot):
    widget.form.card_button.click()
    (dialog,) = widget.form.findChildren(CardDialog)
    text, card = dialog.text.toPlainText(), _models.card("flow")
    assert dialog.isVisible()
    for words in (card.title, card.licence, card.sha256, identity_of(card), *card.limits):
        assert words in text
    assert "Adherence" in text and "not measured" not in text
    dialog.close()
    # what a card does not know is said
    other = CardDialog(_models.card("flow-fast"), widget)
    qtbot.addWidget(other)
    assert _models.card("flow-fast").measured.utility == "not measured"
    assert "not measured" in other.text.toPlainText()


def test_live_preview_follows_the_box_and_ends_with_its_mask(viewer, widget, add_mask, stack, told):
    widget.live_box.click()
    assert not widget.live_box.isChecked()
    assert "live preview follows a mask" in told[-1]
    mask = add_mask(stack)
    widget.live_box.click()
    assert widget.live.active and widget.live.layer is mask
    widget.live_box.click()
    assert not widget.live.active


def test_it_fits_a_narrow_dock(viewer, widget, add_mask, stack):
    add_mask(stack, name="a long name of a mask that nobody can read in a narrow dock")
    assert widget.minimumSizeHint().width() <= DOCK_WIDTH
    scrolled = widget.form.parentWidget()
    assert scrolled.minimumSizeHint().width() <= DOCK_WIDTH


def test_the_look_of_a_picture_in_the_viewer_is_taken_over(viewer, widget, run, add_mask, stack):
    mask = add_mask(stack[1])
    widget.picker.choose(mask)
    assert widget.look.look() is None and not widget.look.strength.isEnabled()
    run()
    rng = np.random.default_rng(0)
    bright = 700 + 300 * np.array([0.2, 1.0, 0.4, 0.9])[stack] + rng.normal(0, 30, stack.shape)
    bright[:, 0] = 0.0  # or the brightest tissue would be no brighter than the rest
    real = viewer.add_image(bright.astype(np.float32), name="scan", scale=mask.scale[-1:] * 3)
    offered = [widget.look.layers.itemText(i) for i in range(widget.look.layers.count())]
    assert offered[0] == "The model's own" and "scan" in offered
    widget.look.layers.setCurrentIndex(offered.index("scan"))
    widget.look.strength.setValue(1.0)
    run()
    first, second = results(viewer)[-2:]
    plain, looked = (np.asarray(layer.data) for layer in (first, second))
    assert looked[looked > 0].mean() > plain[plain > 0].mean() + 0.1
    assert second.metadata[RECORD]["reference"]["name"] == "scan"
    assert second.metadata[RECORD]["reference"]["strength"] == 1.0
    assert first.metadata[RECORD]["reference"] is None
    viewer.layers.remove(real)
    assert widget.look.look() is None


def test_the_chest_of_the_masks_own_scan_is_kept(viewer, widget, run, add_mask, stack):
    mask = add_mask(stack[1])
    widget.picker.choose(mask)
    assert widget._chest_box.isHidden(), "the default model draws a chest of its own"
    widget.form.model.setCurrentIndex(widget.form.model.findData("flow-open"))
    assert not widget._chest_box.isHidden()
    heart = np.array([0.0, 0.6, 0.2, 0.5])[stack[1]]
    for name, grey in (("lungs", 0.02), ("fat", 0.8)):
        pixels = np.where(stack[1] > 0, heart, grey).astype(np.float32)
        viewer.add_image(1000 * pixels, name=name, scale=mask.scale)
        widget.chest.layers.setCurrentIndex(widget.chest.layers.findText(name))
        run()
    dark, bright = results(viewer)[-2:]
    around = (stack[1] == 0) & (np.asarray(dark.data) > 0) & (np.asarray(bright.data) > 0)
    assert np.asarray(bright.data)[around].mean() > np.asarray(dark.data)[around].mean() + 0.2
    assert dark.metadata[RECORD]["surroundings"] == "lungs"
    widget.form.model.setCurrentIndex(widget.form.model.findData("flow"))
    assert widget._chest_box.isHidden()
    run()
    assert results(viewer)[-1].metadata[RECORD]["surroundings"] is None


def test_a_colour_picture_has_no_look(viewer, widget, add_mask, stack, told):
    widget.picker.choose(add_mask(stack))
    viewer.add_image(np.zeros((64, 64, 3), np.uint8), name="photo", rgb=True)
    widget.look.layers.setCurrentIndex(1)
    widget.start_button.click()
    assert not widget.running
    assert "photo: is a colour or multiscale picture" in widget.status.text()
