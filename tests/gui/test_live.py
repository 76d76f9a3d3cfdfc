"""Live preview in a real window: the picture follows the brush, and nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cmr_synth.anatomy.labels import LV, MYO, RV
from cmr_synth.synthesis.request import Request
from napari_cmr_synth._in_view import in_view
from napari_cmr_synth._models import fastest, loaded
from napari_cmr_synth.synthesis.live import NAME, LivePreview
from napari_cmr_synth.synthesis.redraw import STEPS

LONG_MS = 60_000  # for a first picture on a busy machine: torch is imported, weights are read
SOON_MS = 15_000
SAME = 5e-5  # float32 convolutions sum in another order for another batch


class Options:
    """What the live preview asks at each picture."""

    def __init__(self) -> None:
        self.now = Request(vendor="siemens", phase="ED", seed=4, device="cpu")

    def __call__(self) -> Request:
        return self.now


@pytest.fixture
def options() -> Options:
    return Options()


@pytest.fixture
def live(viewer: Any, options: Options, qtbot: Any) -> Iterator[LivePreview]:
    preview = LivePreview(viewer, options)
    preview.lines = []
    preview.said.connect(preview.lines.append)
    yield preview
    redrawer = preview._redrawer
    preview.stop()
    if redrawer is not None:
        redrawer.wait()


@pytest.fixture
def begin(viewer: Any, live: LivePreview, qtbot: Any) -> Callable[[Any], Any]:
    """Start on a mask and wait for the first picture; gives the preview layer."""

    def start(mask: Any) -> Any:
        viewer.layers.selection.active = mask
        with qtbot.waitSignal(live.updated, timeout=LONG_MS):
            live.start(mask)
        return viewer.layers[NAME]

    return start


def brush(mask: Any, label: int, size: int = 6) -> None:
    mask.mode = "paint"
    mask.selected_label = label
    mask.brush_size = size


def go_to(viewer: Any, layer: Any, k: int) -> None:
    viewer.dims.set_point(0, k * layer.scale[0])


def made_by_the_engine(mask: Any, k: int, options: Request) -> np.ndarray:
    """What `synthesize` makes of slice `k` with the model and steps of the preview."""
    from cmr_synth.synthesis.from_mask import synthesize
    from cmr_synth.synthesis.record import Synthetic
    from napari_cmr_synth._masks import engine_labels, numbers_of

    scan = engine_labels(numbers_of(mask), "mnms")
    run = synthesize(
        scan,
        loaded(fastest(), "cpu"),
        replace(options, steps=STEPS, guidance=1.0),
        slices=[k],
    )
    (synthetic,) = (item for item in run if isinstance(item, Synthetic))
    return synthetic.scan.array[k]


def test_the_picture_follows_the_brush_and_the_undo(
    viewer, live, begin, add_mask, stroke, stack, qtbot, options
):
    mask = add_mask(stack)
    go_to(viewer, mask, 1)
    viewer.reset_view()
    preview = begin(mask)
    assert list(viewer.layers) == [preview, mask], "just below the mask"
    assert viewer.layers.selection.active is mask, "else the next stroke would go nowhere"
    np.testing.assert_array_equal(preview.scale, mask.scale)
    before = preview.data.copy()
    np.testing.assert_allclose(
        before[1], made_by_the_engine(mask, 1, options.now), atol=SAME, rtol=0
    )
    assert not before[[0, 2, 3]].any(), "only the slice in view is made"

    brush(mask, MYO)
    heart = np.argwhere(stack[1] == LV).mean(axis=0)
    with qtbot.waitSignal(live.updated, timeout=SOON_MS) as shown:
        stroke(mask, [heart, heart + (0, 4), heart + (0, 8)])
    assert (mask.data[1] != stack[1]).sum() > 30, "the stroke arrived"
    assert 0 < shown.args[0] < SOON_MS
    changed = np.abs(preview.data[1] - before[1])
    at = tuple(np.rint(heart + (0, 4)).astype(int))
    assert (
        changed[at[0] - 4 : at[0] + 5, at[1] - 4 : at[1] + 5].mean() > 4 * changed[:20, :20].mean()
    )
    assert not preview.data[[0, 2, 3]].any()

    with qtbot.waitSignal(live.updated, timeout=SOON_MS):
        mask.undo()
    np.testing.assert_array_equal(mask.data, stack)
    np.testing.assert_allclose(preview.data, before, atol=SAME, rtol=0)


def test_the_picture_is_on_the_screen(viewer, begin, add_mask, stack, qtbot):
    mask = add_mask(stack)
    go_to(viewer, mask, 1)
    preview = begin(mask)
    mask.visible = False
    viewer.reset_view()
    qtbot.wait(100)
    shown = viewer.screenshot(canvas_only=True, flash=False)[..., 0].astype(float)
    rows, columns = np.nonzero(shown)
    assert np.ptp(rows) > 100 and np.ptp(columns) > 100
    assert shown.std() > 20 and preview.data[1].std() > 0.05


def test_a_long_stroke_is_drawn_before_the_brush_is_lifted(
    viewer, live, begin, add_mask, slice_mask, qtbot
):
    from qtpy.QtCore import QPoint, Qt
    from qtpy.QtTest import QTest

    from .mouse import canvas_position, send_move

    mask = add_mask(slice_mask)
    viewer.reset_view()
    preview = begin(mask)
    before = preview.data.copy()
    brush(mask, RV)
    native = viewer.window._qt_viewer.canvas.native
    heart = np.argwhere(slice_mask == LV).mean(axis=0)
    points = [QPoint(*canvas_position(viewer, mask, heart + (0, step))) for step in range(8)]
    QTest.mousePress(native, Qt.MouseButton.LeftButton, pos=points[0])
    with qtbot.waitSignal(live.updated, timeout=SOON_MS):
        for point in points[1:]:
            send_move(native, point)
            qtbot.wait(20)
    mid_stroke = preview.data.copy()
    assert np.abs(mid_stroke - before).max() > 0.01
    send_move(native, points[-1] + QPoint(0, 60))
    with qtbot.waitSignal(live.updated, timeout=SOON_MS):
        QTest.mouseRelease(native, Qt.MouseButton.LeftButton, pos=points[-1])
    assert np.abs(preview.data - mid_stroke).max() > 0.01


def test_of_many_edits_the_last_one_is_drawn(viewer, live, begin, add_mask, slice_mask, qtbot):
    from qtpy.QtWidgets import QApplication

    mask = add_mask(slice_mask)
    preview = begin(mask)
    rows, columns = np.nonzero(slice_mask == LV)
    for row in np.unique(rows):
        mask.data_setitem((rows[rows == row], columns[rows == row]), MYO)
        for _ in range(3):
            QApplication.processEvents()
    assert not (mask.data == LV).any()
    qtbot.waitUntil(lambda: live.up_to_date, timeout=SOON_MS)
    assert live.dropped > 0
    expected = live.dropped
    last = preview.data.copy()
    with qtbot.waitSignal(live.updated, timeout=SOON_MS):
        mask.undo()
    with qtbot.waitSignal(live.updated, timeout=SOON_MS):
        mask.redo()
    assert live.dropped == expected, "edits with time between them are all drawn"
    np.testing.assert_allclose(preview.data, last, atol=SAME, rtol=0)


def test_slices_and_seeds_are_followed(viewer, live, begin, add_mask, stack, qtbot, options):
    mask = add_mask(stack)
    go_to(viewer, mask, 1)
    preview = begin(mask)
    with qtbot.waitSignal(live.updated, timeout=SOON_MS):
        go_to(viewer, mask, 2)
    assert in_view(viewer, mask) == (0, 2)
    first = preview.data[2].copy()
    assert first.any() and preview.data[1].any()

    options.now = replace(options.now, seed=5)
    with qtbot.waitSignal(live.updated, timeout=SOON_MS):
        live.refresh()
    assert np.abs(preview.data[2] - first).max() > 0.01
    with qtbot.assertNotEmitted(live.updated, wait=500):
        live.refresh()  # nothing has changed since


def test_a_slice_without_a_heart_is_said_and_black(
    viewer, live, begin, add_mask, stack, qtbot, told
):
    empty = stack.copy()
    empty[3] = 0
    mask = add_mask(empty)
    go_to(viewer, mask, 1)
    preview = begin(mask)
    go_to(viewer, mask, 3)
    qtbot.waitUntil(lambda: "slice 3 shows no heart" in live.lines[-1], timeout=SOON_MS)
    assert live.active and not preview.data[3].any() and preview.data[1].any()
    assert told == []


def test_an_empty_mask_waits_for_a_heart(viewer, live, add_mask, stack, stroke, qtbot, told):
    mask = add_mask(np.zeros_like(stack[0]), guessed=False)
    viewer.reset_view()
    live.start(mask)
    qtbot.waitUntil(lambda: "shows no heart" in live.lines[-1], timeout=LONG_MS)
    assert NAME not in viewer.layers and told == []
    viewer.layers.selection.active = mask
    brush(mask, MYO, size=20)
    with qtbot.waitSignal(live.updated, timeout=SOON_MS):
        stroke(mask, [(48, 50), (48, 60)])
    assert viewer.layers[NAME].data.any()


def test_extra_labels_are_named_until_they_are_gone(viewer, live, add_mask, slice_mask, qtbot):
    extra = slice_mask.copy()
    extra[5, 5] = 7
    mask = add_mask(extra, guessed=False)
    live.start(mask)
    qtbot.waitUntil(lambda: "found label 7" in live.lines[-1], timeout=LONG_MS)
    with qtbot.waitSignal(live.updated, timeout=SOON_MS):
        mask.data_setitem((np.array([5]), np.array([5])), 0)
    assert viewer.layers[NAME].data.any()


def test_of_a_cine_the_frame_in_view_is_made(viewer, begin, add_mask, stack):
    cine = np.stack([stack, stack[:, ::-1]])
    mask = add_mask(cine)
    viewer.dims.set_point(0, 1)
    viewer.dims.set_point(1, 2 * mask.scale[1])
    preview = begin(mask)
    assert preview.data.shape == cine.shape
    drawn = np.argwhere(preview.data.any(axis=(2, 3)))
    np.testing.assert_array_equal(drawn, [[1, 2]])


def test_replacing_the_data_starts_anew(viewer, live, begin, add_mask, stack, slice_mask, qtbot):
    mask = add_mask(stack)
    go_to(viewer, mask, 1)
    begin(mask)
    with qtbot.waitSignal(live.updated, timeout=SOON_MS), qtbot.assertNotEmitted(live.stopped):
        mask.data = stack[:2, :80, :80].copy()
    assert viewer.layers[NAME].data.shape == (2, 80, 80)


def test_stop_takes_the_preview_away_unless_it_was_renamed(viewer, live, begin, add_mask, stack):
    mask = add_mask(stack)
    go_to(viewer, mask, 1)
    begin(mask)
    live.stop()
    assert list(viewer.layers) == [mask] and not live.active
    begin(mask).name = "keep me"
    live.stop()
    assert [layer.name for layer in viewer.layers] == ["keep me", mask.name]


@pytest.mark.parametrize("which", ["mask", "preview"])
def test_a_deleted_layer_ends_it_quietly(viewer, live, begin, add_mask, stack, qtbot, told, which):
    mask = add_mask(stack)
    go_to(viewer, mask, 1)
    preview = begin(mask)
    redrawer = live._redrawer
    with qtbot.waitSignal(live.stopped, timeout=SOON_MS):
        viewer.layers.remove(mask if which == "mask" else preview)
    assert "deleted" in live.lines[-1] and told == []
    assert list(viewer.layers) == ([] if which == "mask" else [mask])
    qtbot.waitUntil(lambda: not redrawer.running, timeout=SOON_MS)


def test_a_mask_deleted_while_it_is_drawn_gets_no_picture(
    viewer, live, begin, add_mask, stack, qtbot, told
):
    mask = add_mask(stack)
    go_to(viewer, mask, 1)
    begin(mask)
    mask.data_setitem((np.array([1]), np.array([3]), np.array([3])), RV)
    qtbot.wait(5)  # the thread has begun
    viewer.layers.remove(mask)
    qtbot.waitUntil(lambda: not live.active, timeout=SOON_MS)
    qtbot.wait(300)
    assert list(viewer.layers) == [] and told == []


def test_closing_the_window_ends_the_thread(viewer, live, begin, add_mask, stack, qtbot):
    mask = add_mask(stack)
    go_to(viewer, mask, 1)
    begin(mask)
    redrawer = live._redrawer
    mask.data_setitem((np.array([1]), np.array([3]), np.array([3])), RV)
    viewer.close()
    qtbot.waitUntil(lambda: not live.active and not redrawer.running, timeout=SOON_MS)


def test_what_is_no_mask_is_refused(viewer, live, stack, qtbot, told):
    image = viewer.add_image(stack.astype(float), name="photo")
    with qtbot.waitSignal(live.stopped, timeout=1000):
        live.start(image)
    assert not live.active
    assert any("photo: is no mask" in line for line in told)


def test_the_picture_is_seen_under_the_outlines_and_the_scan_around_it(
    viewer, live, begin, add_mask, qtbot
) -> None:
    """Outside the model's 192 mm the scan shines through; inside, nothing of it does."""
    from cmr_synth.anatomy.template import draw_slice

    labels = draw_slice(shape=(224, 224), spacing=(1.5, 1.5), seed=3)
    scan = viewer.add_image(np.ones(labels.shape, np.float32), scale=(1.5, 1.5), colormap="red")
    mask = add_mask(labels)
    before = mask.contour, mask.opacity
    preview = begin(mask)
    assert (mask.contour, mask.opacity) == (1, 1.0)
    reached = preview.data > 0
    assert reached.any() and not reached.all()
    viewer.reset_view()
    mask.visible = False
    qtbot.wait(100)
    shown = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)
    red = (shown[..., 0] > 200) & (shown[..., 1] < 50)
    middle = tuple(n // 2 for n in red.shape)
    across = red[middle[0]]
    assert across.any(), "the scan, beside the picture"
    assert not red[middle], "the picture, in the middle"
    assert viewer.layers.index(preview) > viewer.layers.index(scan)
    live.stop()
    assert (mask.contour, mask.opacity) == before


def test_the_preview_takes_the_faster_arithmetic_of_a_processor(
    viewer, begin, add_mask, stack, options, monkeypatch
):
    mask = add_mask(stack)
    go_to(viewer, mask, 1)
    monkeypatch.setattr("cmr_synth.generators.precision.computes_bf16", lambda: True)
    preview = begin(mask)
    kept = made_by_the_engine(mask, 1, options.now)
    apart = np.abs(preview.data[1] - kept)
    assert SAME < apart.max() < 0.05, "bf16, and the same picture to the eye"
