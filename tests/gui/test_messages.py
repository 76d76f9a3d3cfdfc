"""Each message once: in the panel where that is in view, else as a notification, never both."""

from __future__ import annotations

import pytest
from qtpy.QtWidgets import QLabel

from cmr_synth.errors import InputError
from napari_cmr_synth import _messages
from napari_cmr_synth._messages import show_note, show_problem

WORDS = "heart: the mask is empty."


@pytest.fixture
def line(viewer):
    """The message line of a panel, in a dock."""
    label = QLabel("Ready.")
    viewer.window.add_dock_widget(label, name="panel")
    return label


def test_what_stands_in_a_panel_is_no_notification(viewer, line, told, qtbot):
    qtbot.waitUntil(lambda: not line.visibleRegion().isEmpty())
    line.setText(WORDS)
    show_problem(InputError(WORDS))
    assert told == []
    show_problem("something else")
    assert told == ["error: something else"]


def test_what_stands_in_a_hidden_panel_is_one(viewer, line, told):
    line.setText(WORDS)
    line.parentWidget().hide()
    show_problem(InputError(WORDS))
    assert told == [f"error: {WORDS}"]


def test_the_same_words_are_said_once(viewer, told, monkeypatch):
    for _ in range(3):
        show_problem(InputError(WORDS))  # as three panels that hear of one fault
    show_note("Saved.")
    assert told == [f"error: {WORDS}", "info: saved."]
    monkeypatch.setattr(_messages, "ONCE_S", 0.0)
    show_note("Saved.")  # again, later
    assert told[-2:] == ["info: saved."] * 2
