"""A widget listens as long as it lives, and is collected with what it listens to still there."""

from __future__ import annotations

import gc
import weakref

import pytest
from qtpy.QtWidgets import QWidget

pytest.importorskip("napari", reason="napari is not installed; the extra [app] brings it")

from napari_cmr_synth import _listening
from napari_cmr_synth._listening import Listening


class Ear(QWidget):
    """Counts what it hears; part of a circle, as most panels are."""

    def __init__(self, *emitters):
        super().__init__()
        self.heard = 0
        self.me = self
        self.listening = Listening(self)
        self.listening.to(*emitters, call=self.hear)

    def hear(self, event=None):
        self.heard += 1


def test_events_come_until_it_is_left(viewer, qtbot):
    ear = Ear(viewer.layers.events.inserted, viewer.dims.events.current_step)
    qtbot.addWidget(ear)
    viewer.add_points()
    assert ear.heard
    ear.listening.stop()
    heard = ear.heard
    viewer.add_points()
    assert ear.heard == heard


def test_a_deleted_widget_hears_nothing(viewer, qtbot):
    emitter = viewer.layers.events.inserted
    ear = Ear(emitter)
    assert ear.listening in _listening._listening
    with qtbot.waitSignal(ear.destroyed):
        ear.deleteLater()
    assert ear.listening not in _listening._listening
    viewer.add_points()
    assert ear.heard == 0


def test_garbage_is_collected_whatever_it_listens_to(viewer):
    emitter = viewer.layers.events.inserted
    before = len(_listening._listening)
    gone = [weakref.ref(Ear(emitter)) for _ in range(20)]
    gc.collect()
    assert not any(ear() for ear in gone)
    assert len(_listening._listening) <= before
    viewer.add_points()
