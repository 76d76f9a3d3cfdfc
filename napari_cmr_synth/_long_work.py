"""A form for work that takes minutes and tells what it is doing: start, cancel, bar and words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFileDialog, QLabel, QLineEdit, QProgressBar, QVBoxLayout, QWidget

from cmr_synth.errors import InputError

from ._jobs import Job
from ._layout import button, form, narrow_combo, side_by_side, word_wrapped
from ._messages import show_note, show_problem

if TYPE_CHECKING:
    from cmr_synth.evaluation.real_patients import RealPatients

SLICE_SET = "slice set, prepared before"
PER_MILLE = 1000


class PatientsForm(QWidget):
    """Whose slices: a cohort's folder, or a slice set.

    Parameters
    ----------
    parent : QWidget, optional
    """

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        from cmr_synth.cohorts.registry import cohorts

        self.kind = narrow_combo(self)
        self.kind.setToolTip(
            "How the folder is read: a public cohort, a plain folder of images and masks, or a "
            "slice set of `cmr-synth cohort prepare`"
        )
        for name in sorted(cohorts(), key=lambda name: (name != "folder", name)):
            self.kind.addItem("images and masks in a folder" if name == "folder" else name, name)
        self.kind.addItem(SLICE_SET, None)
        self.folder = QLineEdit(self)
        self.folder.setPlaceholderText("folder of real patients with masks")
        choose = button(
            "...", "Choose the folder", lambda: ask_folder(self.folder, "Real patients")
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(
            form(("Patients", side_by_side(self.folder, choose)), ("Read as", self.kind))
        )

    def patients(self) -> RealPatients:
        """What is filled in.

        Raises
        ------
        InputError
            If no folder is.
        """
        from cmr_synth.evaluation.real_patients import RealPatients

        return RealPatients(
            folder=path_in(self.folder, "folder of real patients"), cohort=self.kind.currentData()
        )


class LongWork(QWidget):
    """Starts work that yields `Event`, `Remark` and at the end a result.

    Parameters
    ----------
    title : str
        Of the job.
    start : str
        On the button.
    tip : str
        Of the button.
    make : callable
        Reads the form, in the GUI thread; returns the iterator. May raise InputError.
    on_result : callable
        Takes the result, in the GUI thread; returns what to say of it.
    parent : QWidget, optional
    """

    def __init__(
        self,
        title: str,
        start: str,
        tip: str,
        make: Callable[[], Callable[[], Iterator[Any]]],
        on_result: Callable[[Any], str],
        parent: QWidget | None = None,
    ):
        super().__init__(parent)
        self._title, self._make, self._on_result = title, make, on_result
        self._job: Job | None = None
        self.start_button = button(start, tip, self.start)
        self.cancel_button = button("Cancel", "Stop; nothing half-made is kept", self.cancel)
        self.bar = QProgressBar(self)
        self.words: QLabel = word_wrapped("")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.start_button)
        layout.addWidget(side_by_side(self.bar, self.cancel_button))
        layout.addWidget(self.words)
        self._show_running(False)

    @property
    def running(self) -> bool:
        """Whether it works."""
        return self._job is not None and self._job.running

    def start(self) -> None:
        """Start what the form says; a problem is shown."""
        if self.running:
            return
        try:
            work = self._make()
        except InputError as error:
            show_problem(error)
            return
        self._job = Job(self._title, work, on_result=self._receive, on_done=self._done, parent=self)
        self.words.setText("")
        self.bar.setRange(0, 0)
        self._show_running(True)
        self._job.start()

    def cancel(self) -> None:
        """Stop after the step that runs."""
        if self._job is not None:
            self._job.cancel()
            self.words.setText("Cancelling after this step.")

    def _receive(self, told: Any) -> None:
        from cmr_synth.evaluation.events import Event, Remark

        if isinstance(told, Remark):
            show_note(told.words)
        elif isinstance(told, Event):
            self.words.setText(f"{told.title}: {told.words}" if told.words else told.title)
            self.bar.setRange(0, PER_MILLE if told.share is not None else 0)
            if told.share is not None:
                self.bar.setValue(round(PER_MILLE * told.share))
        else:
            self.words.setText(self._on_result(told))

    def _done(self, cancelled: bool, error: BaseException | None) -> None:
        self._show_running(False)
        if cancelled:
            self.words.setText("Cancelled.")
        elif error is not None:
            self.words.setText(str(error) if isinstance(error, InputError) else "It failed.")

    def _show_running(self, running: bool) -> None:
        self.start_button.setVisible(not running)
        self.bar.setVisible(running)
        self.cancel_button.setVisible(running)


def ask_folder(field: QLineEdit, title: str) -> None:
    """Let the user choose a folder into a field."""
    chosen = QFileDialog.getExistingDirectory(field, title, field.text())
    if chosen:
        field.setText(chosen)


def path_in(field: QLineEdit, what: str) -> Path:
    """The path in a field.

    Raises
    ------
    InputError
        If it is empty.
    """
    text = field.text().strip()
    if not text:
        raise InputError(f"No {what} is chosen; choose one.")
    return Path(text).expanduser()
