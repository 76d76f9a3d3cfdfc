"""Jobs: results in the GUI thread, cancelled within one step, nothing touched after a close."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("qtpy", reason="Qt is not installed; the extra [app] brings it")

from cmr_synth.errors import InputError
from cmr_synth.generators.interface import Progress
from napari_cmr_synth import _jobs
from napari_cmr_synth._jobs import Job

STEPS = 200
STEP_S = 0.02


class Work:
    """Steps that sleep, each followed by its number as a result."""

    def __init__(self, *, fails_at: int | None = None, error: BaseException | None = None):
        self.threads: set[threading.Thread] = set()
        self.stepped = 0
        self.closed = False
        self.fails_at, self.error = fails_at, error

    def __call__(self) -> Iterator[Any]:
        try:
            for step in range(1, STEPS + 1):
                time.sleep(STEP_S)
                self.threads.add(threading.current_thread())
                self.stepped = step
                if step == self.fails_at:
                    raise self.error
                yield Progress(step, STEPS)
                yield step
        finally:
            self.closed = True


class Watched:
    """A job whose callbacks are written down."""

    def __init__(self, work: Any, **options: Any):
        self.results: list[Any] = []
        self.ends: list[tuple[bool, BaseException | None]] = []
        self.threads: set[threading.Thread] = set()
        self.job = Job("Work", work, on_result=self._result, on_done=self._done, **options)

    def _result(self, item: Any) -> None:
        self.threads.add(threading.current_thread())
        self.results.append(item)

    def _done(self, cancelled: bool, error: BaseException | None) -> None:
        self.ends.append((cancelled, error))


def short(steps: int) -> Any:
    return lambda: (item for step in range(1, steps + 1) for item in (Progress(step, steps), step))


def test_results_arrive_in_order_in_the_gui_thread(viewer, qtbot):
    work = Work(fails_at=5, error=StopAsyncIteration())
    watched = Watched(work)
    with qtbot.waitSignal(watched.job.finished):
        watched.job.start()
    assert watched.results == [1, 2, 3, 4]
    assert watched.threads == {threading.main_thread()}
    assert work.threads.isdisjoint(watched.threads)


def test_the_end_is_told_once(viewer, qtbot, told):
    watched = Watched(short(3))
    with qtbot.waitSignal(watched.job.finished):
        watched.job.start()
        assert watched.job.running
    assert watched.ends == [(False, None)]
    assert not watched.job.running
    assert told == []


def test_cancel_acts_within_a_step_and_no_result_follows(viewer, qtbot):
    work = Work()
    watched = Watched(work)
    watched.job.start()
    qtbot.waitUntil(lambda: len(watched.results) >= 3)
    with qtbot.waitSignal(watched.job.finished):
        watched.job.cancel()
        before = work.stepped
        results = len(watched.results)
    assert work.stepped <= before + 1
    assert len(watched.results) == results
    assert work.closed
    assert watched.ends == [(True, None)]


def test_a_second_start_does_nothing(viewer, qtbot):
    made = []
    watched = Watched(lambda: made.append(1) or Work()())
    watched.job.start()
    watched.job.start()
    qtbot.waitUntil(lambda: bool(watched.results))
    with qtbot.waitSignal(watched.job.finished):
        watched.job.cancel()
    assert made == [1]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (InputError("heart: the mask is empty."), "error: heart: the mask is empty."),
        (RuntimeError("CUDA out of memory. Tried"), "error: the memory is full"),
        (ValueError("odd\nand long"), "error: something unexpected went wrong (valueerror: odd)"),
    ],
)
def test_an_error_is_shown_in_one_line_and_handed_on(viewer, qtbot, told, caplog, error, message):
    watched = Watched(Work(fails_at=2, error=error))
    with qtbot.waitSignal(watched.job.finished):
        watched.job.start()
    assert watched.ends == [(False, error)]
    (shown,) = told
    assert shown.startswith(message)
    assert "\n" not in shown and "traceback" not in shown
    assert ("Traceback" in caplog.text) != isinstance(error, InputError)


def test_what_a_callback_raises_ends_the_job(viewer, qtbot, told):
    work = Work()
    ends = []

    def refuse(item: Any) -> None:
        raise KeyError("gone")

    job = Job("Work", work, on_result=refuse, on_done=lambda *end: ends.append(end))
    with qtbot.waitSignal(job.finished):
        job.start()
    assert work.stepped < STEPS
    assert isinstance(ends[0][1], KeyError)
    assert "keyerror" in told[0]


def test_the_activity_dock_shows_it_with_time_left_and_cancels_it(viewer, qtbot):
    from napari._qt.widgets.qt_progress_bar import QtLabeledProgressBar

    watched = Watched(Work())
    watched.job.start()
    qtbot.waitUntil(lambda: len(watched.results) > 5)
    dialog = viewer.window._qt_window._activity_dialog
    assert not dialog.findChildren(QtLabeledProgressBar), "what is soon done needs no bar"
    qtbot.waitUntil(lambda: bool(dialog.findChildren(QtLabeledProgressBar)))
    qtbot.waitUntil(lambda: "left" in dialog.findChildren(QtLabeledProgressBar)[0].eta_label.text())
    (bar,) = dialog.findChildren(QtLabeledProgressBar)
    assert bar.description_label.text() == "Work: "
    assert f"of {STEPS}" in bar.eta_label.text() and "left" in bar.eta_label.text()
    assert 0 < bar.qt_progress_bar.value() < STEPS
    expected = STEP_S * (STEPS - len(watched.results))
    assert 0.5 * expected < watched.job.seconds_left < 10 * expected
    with qtbot.waitSignal(watched.job.finished):
        bar.cancel_button.click()
    assert watched.ends == [(True, None)]
    qtbot.waitUntil(lambda: not dialog.findChildren(QtLabeledProgressBar))


def test_a_closed_window_ends_its_job_and_nothing_is_called(viewer, qtbot):
    work = Work()
    watched = Watched(work)
    watched.job.start()
    qtbot.waitUntil(lambda: bool(watched.results))
    viewer.close()
    results = len(watched.results)
    qtbot.waitUntil(lambda: not watched.job.running)
    assert work.stepped < STEPS and work.closed
    assert len(watched.results) == results
    assert watched.ends == []
    assert watched.job not in _jobs._running


def answers(asked: list[int], slow: threading.Event) -> Any:
    """Squares of the questions; the first waits for `slow`."""

    def answer(questions: _jobs.Questions[int]) -> Iterator[int]:
        for question in questions:
            asked.append(question)
            if len(asked) == 1:
                slow.wait(30)
            if questions.waiting is None:
                yield question**2

    return answer


def test_of_questions_that_wait_the_last_is_answered(viewer, qtbot):
    asked, slow, results = [], threading.Event(), []
    job = _jobs.Latest("Squares", answers(asked, slow), on_result=results.append)
    job.start()
    job.questions.ask(2)
    qtbot.waitUntil(lambda: asked == [2])
    for question in (3, 4, 5):
        job.questions.ask(question)
    slow.set()
    qtbot.waitUntil(lambda: results == [25])
    assert asked == [2, 5] and job.questions.dropped == 2
    job.questions.ask(6)
    qtbot.waitUntil(lambda: results == [25, 36])
    assert job.running
    with qtbot.waitSignal(job.finished):
        job.cancel()
    assert not job.running and job not in _jobs._running
    job.questions.ask(7)
    assert job.questions.waiting is None


def test_what_fails_in_an_answer_ends_it_and_is_told(viewer, qtbot, told):
    def fail(questions: Any) -> Iterator[int]:
        for _ in questions:
            raise InputError("no square root of it.")
        yield 0

    ends = []
    job = _jobs.Latest("Roots", fail, on_result=print, on_done=lambda *end: ends.append(end))
    job.start()
    with qtbot.waitSignal(job.finished):
        job.questions.ask(-1)
    assert isinstance(ends[0][1], InputError) and "no square root of it." in told[0]


def test_a_deleted_widget_ends_its_job_and_nothing_is_called(viewer, qtbot):
    from qtpy.QtWidgets import QApplication, QWidget

    panel = QWidget(viewer.window._qt_window)
    work = Work()
    watched = Watched(work, parent=panel)
    watched.job.start()
    qtbot.waitUntil(lambda: bool(watched.results))
    panel.deleteLater()
    QApplication.sendPostedEvents(panel, 0)
    qtbot.waitUntil(lambda: not watched.job.running)
    assert work.stepped < STEPS and watched.ends == []


def test_an_error_is_told_as_the_job_was_asked_to(viewer, qtbot, told):
    heard = []
    error = InputError("heart: the mask is empty.")
    watched = Watched(Work(fails_at=2, error=error), tell=heard.append)
    with qtbot.waitSignal(watched.job.finished):
        watched.job.start()
    assert heard == [error] and told == []
