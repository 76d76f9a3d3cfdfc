"""A real napari window, masks drawn in code and shown as the plugin shows them, mouse strokes."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from cmr_synth.anatomy.template import draw_slice, draw_stack

from . import mouse

SPACING = (8.0, 1.5, 1.5)  # mm (z, y, x)
LONG_MS = 60_000  # for a first synthesis on a busy machine: torch is imported, weights are read


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder opens a window."""
    here = os.path.dirname(__file__)
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.gui)


@pytest.fixture(autouse=True)
def _the_same_on_every_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """A live preview is made in bf16 where the processor multiplies it, off by a grey level."""
    monkeypatch.setattr("cmr_synth.generators.precision.computes_bf16", lambda: False)


@pytest.fixture(autouse=True)
def _earlier_windows_are_gone() -> None:
    """Collect a window of an earlier test that waits for the collection of old objects.

    napari refuses a new window while one is left, after a collection of young objects alone; one
    that has grown old in a long test is no leak. What is left then are libraries: napari, which
    collects whenever a layer is removed, need not look through them each time.
    """
    gc.collect()
    known = sys.modules.get("napari._qt.qt_viewer")
    if known is None or not len(known.QtViewer._instances):
        gc.freeze()


@pytest.fixture
def viewer(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A napari viewer in a window on the screen; without one it would draw a black canvas."""
    if sys.platform.startswith("linux") and not {"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ):
        pytest.skip("no display; run under xvfb-run")
    pytest.importorskip("napari", reason="napari is not installed; the extra [app] brings it")
    made = request.getfixturevalue("make_napari_viewer")(show=True)
    yield made
    end_jobs()
    _close(made)


def _close(window: Any) -> None:
    """Close a window and wait for what still holds it, such as an event that is under way.

    napari looks for leaks right after it closed a window; what lasts is found by it as before.
    """
    from napari._qt.qt_viewer import QtViewer
    from qtpy.QtTest import QTest

    qt_window = getattr(window.window, "_qt_window", None)
    if qt_window is not None:
        with patch.object(qt_window, "_save_current_window_settings"):  # as napari's fixture does
            window.close()
    del qt_window, window
    for _ in range(20):
        if not len(QtViewer._instances):
            break
        QTest.qWait(50)
        gc.collect()


def end_jobs() -> None:
    """Let worker threads end before the window of a test is checked for leaks."""
    from qtpy.QtWidgets import QApplication

    from napari_cmr_synth import _jobs

    for job in list(_jobs._running):
        job.cancel()
        job.wait()
    for _ in range(100):  # its end is told by events that lead to events
        QApplication.processEvents()
        if not _jobs._running:
            break


@pytest.fixture
def told() -> Iterator[list[str]]:
    """Every message that napari shows during the test, as "severity: text"."""
    from napari.utils.notifications import notification_manager

    messages: list[str] = []

    def listen(notification: Any) -> None:
        messages.append(f"{notification.severity}: {notification.message}".lower())

    notification_manager.notification_ready.connect(listen)
    yield messages
    notification_manager.notification_ready.disconnect(listen)


@pytest.fixture(scope="session")
def stack() -> np.ndarray:
    """Engine labels of a drawn heart, (4, 96, 112) uint8."""
    return draw_stack(slices=4, shape=(96, 112), spacing=SPACING, seed=3)


@pytest.fixture
def add_mask(viewer: Any) -> Callable[..., Any]:
    """Add engine labels of 2 to 4 axes to the window, as the plugin's reader would.

    `affine` puts the mask somewhere in the patient; `guessed=False` leaves its numbers unexplained.
    """
    from cmr_synth.anatomy.labels import guess_convention
    from cmr_synth.errors import InputError
    from cmr_synth.imaging.scan import Scan
    from napari_cmr_synth._layers import labels_layer, scan_without_place

    def add(
        labels: np.ndarray,
        *,
        name: str = "heart",
        spacing: tuple[float, float, float] = SPACING,
        affine: np.ndarray | None = None,
        guessed: bool = True,
    ) -> Any:
        array = labels[None] if labels.ndim == 2 else labels
        if affine is None:
            scan = scan_without_place(array, spacing, name)
        else:
            scan = Scan(array=array, spacing=spacing, affine=affine, name=name)
        guess = None
        if guessed:
            try:
                guess = guess_convention(array, name=name)
            except InputError:
                pass
        data, attributes, _ = labels_layer(scan, guess=guess)
        if labels.ndim == 2:  # one slice, shown without a slider
            data = data[0]
            for key in ("scale", "axis_labels", "units"):
                attributes[key] = attributes[key][-2:]
        return viewer.add_labels(data.copy(), **attributes)

    return add


@pytest.fixture
def slice_mask() -> np.ndarray:
    """One mid-ventricular slice, (96, 112) uint8 engine labels."""
    return draw_slice(shape=(96, 112), spacing=SPACING[1:], seed=3)


@pytest.fixture
def oblique_affine() -> np.ndarray:
    """Voxel to RAS mm of a stack turned about all three axes and stored mirrored, (4, 4)."""
    turn = np.eye(3)
    for first, second, degrees in ((0, 1, 25.0), (1, 2, -40.0), (0, 2, 15.0)):
        cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        step = np.eye(3)
        step[[first, first, second, second], [first, second, first, second]] = cos, -sin, sin, cos
        turn = turn @ step
    affine = np.eye(4)
    affine[:3, :3] = turn * SPACING[::-1] * (-1, 1, 1)
    affine[:3, 3] = (-91.5, 120.25, 33.0)
    return affine


@pytest.fixture
def stroke(viewer: Any) -> Callable[..., None]:
    """Drag the mouse over the canvas through points given in a layer's own (y, x) pixels."""
    return partial(mouse.stroke, viewer)


@pytest.fixture
def synthetic(viewer, add_mask, stack):
    """Make a picture of a mask with the bundled model and add it; gives mask and picture layer."""
    from cmr_synth.synthesis.from_mask import synthesize
    from cmr_synth.synthesis.record import Synthetic
    from cmr_synth.synthesis.request import Request
    from napari_cmr_synth._masks import mask_scan
    from napari_cmr_synth._models import loaded
    from napari_cmr_synth._results import add_result

    def make(labels: np.ndarray = stack, **options):
        mask = add_mask(labels, name=options.pop("name", "heart"))
        scan = mask_scan(mask, "mnms")
        (made,) = (
            s
            for s in synthesize(scan, loaded("flow"), Request(steps=2, **options))
            if isinstance(s, Synthetic)
        )
        return mask, add_result(viewer, made, mask)

    return make


@pytest.fixture
def drawn(viewer, add_mask, stack):
    """Add a picture drawn over a mask, with a record as of a bundled model; gives both layers.

    It takes a moment where `synthetic` takes seconds: nothing is generated.
    """
    from napari_cmr_synth._masks import convention_of, mask_scan
    from napari_cmr_synth._results import add_result

    def make(labels: np.ndarray = stack, *, mask: Any = None, seed: int = 0, **said: Any):
        mask = add_mask(labels, name=said.pop("name", "heart")) if mask is None else mask
        scan = mask_scan(mask, convention_of(mask))
        return mask, add_result(viewer, drawn_synthetic(scan, seed=seed, **said), mask)

    return make


def drawn_synthetic(mask: Any, *, seed: int = 0, vendor: str | None = None) -> Any:
    """A picture of engine labels without a network: bright blood, grey wall, some noise."""
    from cmr_synth.generators.zoo import card_of
    from cmr_synth.synthesis.record import (
        Synthetic,
        labels_hash,
        made_now,
        model_facts,
        versions,
    )
    from cmr_synth.synthesis.request import Request

    card = card_of("flow")
    brightness = np.zeros(256, np.float32)
    brightness[[0, 1, 2, 3]] = 0.15, 0.8, 0.3, 0.75
    noise = np.random.default_rng(seed).normal(0, 0.03, mask.array.shape)
    pixels = np.clip(brightness[mask.array] + noise, 0, 1).astype(np.float32)
    record = {
        "synthetic": True,
        "model": model_facts(card),
        "mask": {"name": mask.name, "labels_sha256": labels_hash(mask)},
        "slice_positions": None,
        "skipped_slices": [],
        "only": None,
        "covered": None,
        "orientation": "as it is",
        "findings": [],
        "notes": [],
        "versions": versions(),
        **Request(vendor=vendor, seed=seed).record(card, None),
        **made_now(seed, 0),
        "device": "cpu",
    }
    return Synthetic(mask.with_array(pixels), record, {})
