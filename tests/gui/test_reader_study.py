"""Reading a study in a real window."""

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from cmr_synth.cohorts.slices import SliceRow
from cmr_synth.evaluation.readers.study import (
    Answer,
    ReaderStudy,
    make_study,
    read_answers,
    score_study,
)
from cmr_synth.evaluation.sample import Sample


@pytest.fixture
def study(tmp_path):
    def sample(name, level):
        rng = np.random.default_rng(0)
        rows = tuple(
            SliceRow(
                cohort="drawn",
                patient=f"p{k}",
                split="test",
                vendor="siemens",
                phase="ED",
                pathology="normal",
                slice=0,
                z=0.5,
                completed=False,
            )
            for k in range(12)
        )
        pixels = rng.random((12, 128, 128), dtype=np.float32) * level
        return Sample(name, pixels, np.ones((12, 128, 128), np.uint8), rows, 1.5)

    make_study(tmp_path / "study", sample("real", 0.5), sample("made", 1.0), images=6, seed=1)
    return tmp_path / "study"


@pytest.fixture
def widget(viewer, qtbot):
    from napari_cmr_synth.reader_study.widget import ReaderStudyWidget

    dock, widget = viewer.window.add_plugin_dock_widget("napari-cmr-synth", "Reader study")
    assert isinstance(widget, ReaderStudyWidget)
    return widget


def begin(widget, study, reader="ann"):
    widget.folder.setText(str(study))
    widget.reader.setText(reader)
    widget.start_button.click()


def test_a_study_is_read_with_keys_interrupted_and_finished(widget, study, qtbot):
    begin(widget, study)
    order = ReaderStudy(study, "ann").order
    for name in order[:2]:
        assert widget.image == name and widget.picture.pixmap().width() > 100
        qtbot.keyClick(widget, Qt.Key.Key_4)
        assert widget.image == name  # half an answer
        qtbot.keyClick(widget, Qt.Key.Key_R)
    begin(widget, study)  # as after closing
    assert widget.image == order[2] and widget.progress.value() == 2
    for _ in order[2:]:
        qtbot.keyClick(widget, Qt.Key.Key_S)
        qtbot.keyClick(widget, Qt.Key.Key_2)
    assert widget.image is None and "Done" in widget.words.text()
    answers = read_answers(study / "answers" / "ann.csv", known=order)
    assert [a.image for a in answers] == order
    assert [a.call for a in answers] == ["real"] * 2 + ["synthetic"] * 4
    assert [a.quality for a in answers] == [4] * 2 + [2] * 4
    assert score_study(study).overall.images == 6


def test_the_answer_before_can_be_changed(widget, study, qtbot):
    begin(widget, study)
    first = widget.image
    qtbot.keyClick(widget, Qt.Key.Key_R)
    qtbot.keyClick(widget, Qt.Key.Key_1)
    qtbot.keyClick(widget, Qt.Key.Key_Backspace)
    assert widget.image == first
    qtbot.keyClick(widget, Qt.Key.Key_S)
    qtbot.keyClick(widget, Qt.Key.Key_5)
    (answer,) = ReaderStudy(study, "ann").answers.values()
    assert (answer.image, answer.call, answer.quality) == (first, "synthetic", 5)


def test_nothing_on_the_screen_says_what_it_is(viewer, widget, study, qtbot):
    begin(widget, study)
    assert len(viewer.layers) == 0
    from qtpy.QtWidgets import QLabel

    texts = " ".join(label.text() for label in widget.findChildren(QLabel))
    assert "siemens" not in texts and "drawn" not in texts and "p1" not in texts


def test_a_folder_that_is_no_study_is_told(widget, tmp_path, told):
    begin(widget, tmp_path)
    assert any("is not a reader study" in message for message in told)
    assert widget.image is None


def test_the_picture_is_as_large_as_the_canvas_and_uncovers_it(viewer, widget, study, qtbot):
    canvas = viewer.window._qt_viewer.canvas.native
    assert not widget.picture.isVisible()
    begin(widget, study)
    assert widget.picture.isVisible() and widget.picture.size() == canvas.size()
    shown = widget.picture.pixmap()
    assert max(shown.width(), shown.height()) == min(canvas.width(), canvas.height())
    viewer.window._qt_window.resize(1000, 700)
    qtbot.waitUntil(lambda: widget.picture.size() == canvas.size(), timeout=5000)
    QTest.mouseClick(widget.picture, Qt.MouseButton.LeftButton)
    qtbot.keyClick(widget, Qt.Key.Key_R)  # the keys stay with the panel
    assert widget.calls.checkedId() == 0
    widget.hide()
    assert not widget.picture.isVisible(), "another panel is looked at"
    widget.show()
    assert widget.picture.isVisible()


def test_a_study_is_scored_in_a_window(widget, study, qtbot, told):
    widget.folder.setText(str(study))
    widget.score_button.click()
    qtbot.waitUntil(lambda: any("no answers yet" in line for line in told), timeout=30_000)
    one = ReaderStudy(study, "ann")
    for name in one.order:
        one.answer(Answer(name, "real", 3, 1.0))
    widget.score_button.click()
    qtbot.waitUntil(lambda: widget.scores is not None, timeout=30_000)
    assert widget.scores.isVisible() and "reader" in widget.scores.windowTitle().lower()
    widget.scores.close()


def test_what_a_study_lacks_is_told_before_anything_starts(widget, told, tmp_path):
    widget.make.work.start_button.click()
    assert any("no folder of real patients is chosen" in line for line in told)
    widget.make.patients.folder.setText(str(tmp_path))
    widget.make.work.start_button.click()
    assert any("no folder for the study is chosen" in line for line in told)
    widget.score_button.click()
    assert any("no study is chosen" in line for line in told)
    assert not widget.make.work.running


def test_making_tells_what_it_does_and_hands_the_folder_on(widget, monkeypatch, tmp_path, qtbot):
    """The work itself is tested without a window; here, what the panel shows of it."""
    from cmr_synth.evaluation.events import Event

    asked = []

    def work(patients, model, out, images):
        asked.append((patients, model, out, images))
        yield Event("prepare", None, "p1")
        yield Event("make flow", 0.5, "2 of 4 slices")
        yield {"folder": str(out), "key": f"{out}-key.json", "images": images}

    monkeypatch.setattr("napari_cmr_synth.reader_study.making._work", work)
    make = widget.make
    make.patients.folder.setText(str(tmp_path))
    make.patients.kind.setCurrentIndex(make.patients.kind.findData("acdc"))
    make.out.setText(str(tmp_path / "study"))
    make.images.setValue(8)
    make.work.start_button.click()
    qtbot.waitUntil(lambda: widget.folder.text() == str(tmp_path / "study"), timeout=20_000)
    ((patients, model, _, images),) = asked
    assert patients.cohort == "acdc" and images == 8 and model == make.model.currentText()
    assert "8 pictures" in make.work.words.text() and "-key.json" in make.work.words.text()
