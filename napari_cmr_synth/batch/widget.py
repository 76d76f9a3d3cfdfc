"""A folder of masks in, a synthetic data set out, with a queue that can be stopped and resumed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from cmr_synth.errors import InputError

from .. import _models, _settings
from .._conditions_form import TITLES, UNSPECIFIED
from .._jobs import Job
from .._masks import SHOWN, unwrapped
from .._messages import show_problem

if TYPE_CHECKING:
    import napari

    from cmr_synth.synthesis.batch import BatchFile
    from cmr_synth.synthesis.request import Request

WORDS = {
    "found": "· found",
    "waiting": "· waiting",
    "skipped": "– there already",
    "running": "▶ running",
    "done": "✓ done",
    "failed": "✗ failed",
    "stopped": "■ stopped",
}
"""How the queue shows each state."""

COLUMNS = ("Mask", "State", "Remark")
MOST_SEED = 2**31 - 1  # what a spin box holds


class BatchWidget(QWidget):
    """Makes a data set of all masks in a folder; the same code as `cmr-synth synthesize`.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    parent : QWidget, optional
    """

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None):
        super().__init__(parent)
        self._viewer = unwrapped(viewer)
        self._job: Job | None = None
        self._events: dict[int, BatchFile] = {}
        self._interrupted = False
        self._written_to = Path()

        self.masks = QLineEdit()
        self.masks.setPlaceholderText("Folder with NIfTI masks")
        self.out = QLineEdit()
        self.out.setPlaceholderText("Folder for images and records")
        self.model = QComboBox()
        self.model.addItems(_models.choices())
        self.vendor, self.phase, self.pathology = QComboBox(), QComboBox(), QComboBox()
        self.labels = QComboBox()
        self.labels.addItem("told by topology, mask by mask", None)
        for convention, shown in SHOWN.items():
            self.labels.addItem(shown, convention)
        self.n = _spin(1, 10_000, 1)
        self.seed = _spin(0, MOST_SEED, 0)
        self.steps = _spin(0, 1000, 0)
        self.steps.setSpecialValueText("as on the model's card")
        self.skip = QCheckBox("Skip masks whose images are there already")
        self.skip.setToolTip(
            "Made by the same model file from the same mask, with the same conditions and seed"
        )
        self.skip.setChecked(True)

        self.start_button = QPushButton("Start")
        self.start_button.clicked.connect(self.start)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.clicked.connect(self.cancel)
        self.bar = QProgressBar()
        self.summary = QLabel()
        self.summary.setWordWrap(True)
        self.queue = _queue()
        self.queue.cellDoubleClicked.connect(lambda row, column: self.open_row(row))

        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Masks", _with_button(self.masks, self._choose(self.masks, "Folder of masks")))
        form.addRow(
            "Data set", _with_button(self.out, self._choose(self.out, "Folder for the data set"))
        )
        form.addRow("Labels", self.labels)
        form.addRow("Model", self.model)
        form.addRow("Vendor", self.vendor)
        form.addRow("Phase", self.phase)
        form.addRow("Pathology", self.pathology)
        form.addRow("Images of each", self.n)
        form.addRow("Seed", self.seed)
        form.addRow("Steps", self.steps)
        buttons = QHBoxLayout()
        buttons.addWidget(self.start_button, 1)
        buttons.addWidget(self.cancel_button, 1)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self.skip)
        layout.addLayout(buttons)
        layout.addWidget(self.bar)
        layout.addWidget(self.queue, 1)
        layout.addWidget(self.summary)

        self.model.currentTextChanged.connect(self._fill_conditions)
        wanted = _settings.get("model")
        if self.model.findText(wanted) >= 0:
            self.model.setCurrentText(wanted)
        self._fill_conditions()
        self.vendor.setCurrentIndex(max(0, self.vendor.findData(_settings.get("vendor") or None)))
        for edit in (self.masks, self.out):
            edit.textChanged.connect(self._forget_interruption)
        self._refresh()

    @property
    def job(self) -> Job | None:
        """The run that goes on, or the last one."""
        return self._job

    @property
    def request(self) -> Request:
        """What the fields ask for."""
        from cmr_synth.synthesis.request import Request

        return Request(
            model=self.model.currentText(),
            labels=self.labels.currentData(),
            vendor=self.vendor.currentData(),
            phase=self.phase.currentData(),
            pathology=self.pathology.currentData(),
            n=self.n.value(),
            seed=self.seed.value(),
            steps=self.steps.value() or None,
        )

    def start(self) -> None:
        """Start, or go on after an interruption; does nothing while it runs."""
        if self._running:
            return
        try:
            masks, out = _folder(self.masks, "masks"), _folder(self.out, "the data set", new=True)
        except InputError as error:
            show_problem(error)
            return
        request, device = self.request, _settings.get("device")
        resume = self._interrupted or self.skip.isChecked()

        def make() -> Iterator[Any]:
            from cmr_synth.synthesis.batch import run_batch

            return run_batch(
                masks,
                out,
                request,
                load=lambda: _models.loaded(request.model, device),
                resume=resume,
                keep_going=True,
            )

        self._events, self._written_to = {}, out
        self.queue.setRowCount(0)
        self.bar.setRange(0, 0)  # busy until the masks have been read
        self.summary.setText("Reading the masks...")
        self._job = Job(
            "Synthetic data set", make, on_result=self._receive, on_done=self._end, parent=self
        )
        self._job.progressed.connect(self._advance)
        self._job.start()
        self._refresh()

    def cancel(self) -> None:
        """Stop at the next step; what is complete stays, and nothing half-made does."""
        if self._job is not None and self._running:
            self._job.cancel()
            self.summary.setText("Stopping at the next step...")
            self._refresh()

    def open_row(self, row: int) -> None:
        """Open a mask and its images as layers."""
        event = self._events.get(row)
        if event is None or not event.records:
            return
        files = [event.path, *(self._written_to / r["file"] for r in event.records)]
        try:
            self._viewer.open([str(file) for file in files], plugin="napari-cmr-synth")
        except (InputError, OSError) as error:
            show_problem(InputError(f"{event.path.name}: cannot be opened ({error})."))

    @property
    def _running(self) -> bool:
        return self._job is not None and self._job.running

    def _choose(self, edit: QLineEdit, title: str) -> Callable[[], None]:
        def choose() -> None:
            folder = QFileDialog.getExistingDirectory(self, title, edit.text())
            if folder:
                edit.setText(folder)

        return choose

    def _fill_conditions(self, *_: object) -> None:
        """Offer what the model knows, and keep what was chosen where it can be."""
        name = self.model.currentText()
        if not name:
            return
        from cmr_synth.cohorts.examination import PATHOLOGIES

        known = _models.card(name).conditions
        for box, words in (
            (self.vendor, known.vendors),
            (self.phase, known.phases),
            (self.pathology, known.pathologies),
        ):
            chosen = box.currentData()
            box.clear()
            box.addItem(UNSPECIFIED, None)
            for word in words:
                box.addItem(TITLES.get(word, PATHOLOGIES.get(word, word)), word)
            box.setCurrentIndex(max(0, box.findData(chosen)))

    def _receive(self, event: BatchFile) -> None:
        self._events[event.number] = event
        if event.state == "found":
            self.queue.setRowCount(event.total)
        self._write_row(event, event.state, _remark(event))
        if event.state == "running":
            self.queue.scrollToItem(self.queue.item(event.number, 0))
        if event.state not in ("found", "waiting"):
            self._summarise()

    def _write_row(self, event: BatchFile, state: str, remark: str) -> None:
        for column, text in enumerate((event.stem, WORDS[state], remark)):
            item = QTableWidgetItem(text)
            item.setToolTip(str(event.path) if column == 0 else text)
            self.queue.setItem(event.number, column, item)

    def _advance(self, step: int, steps: int) -> None:
        self.bar.setRange(0, steps)
        self.bar.setValue(step)

    def _end(self, cancelled: bool, error: BaseException | None) -> None:
        self._interrupted = cancelled or error is not None
        if self._interrupted:
            for event in self._events.values():
                if event.state in ("found", "waiting", "running"):
                    self._write_row(event, "stopped", "")
        if self.bar.maximum() == 0:  # ended before there was any progress
            self.bar.setRange(0, 1)
            self.bar.setValue(0 if self._interrupted else 1)
        self._summarise(ended=True)
        self._refresh()

    def _summarise(self, *, ended: bool = False) -> None:
        count = Counter(event.state for event in self._events.values())
        images = sum(len(event.records) for event in self._events.values())
        parts = [f"{count['done']} masks done"]
        if count["skipped"]:
            parts.append(f"{count['skipped']} there already")
        if count["failed"]:
            parts.append(f"{count['failed']} failed")
        text = f"{', '.join(parts)}, of {len(self._events)}; {images} images."
        if ended and self._interrupted:
            text += " Stopped: Resume goes on where it was."
        elif ended and images:
            text += " Double-click a mask to see its images."
        self.summary.setText(text)

    def _forget_interruption(self, *_: object) -> None:
        self._interrupted = False
        self._refresh()

    def _refresh(self) -> None:
        running = self._running
        self.start_button.setText("Resume" if self._interrupted and not running else "Start")
        self.start_button.setEnabled(not running)
        self.cancel_button.setEnabled(running and not (self._job and self._job.cancelled))
        fields = (self.masks, self.out, self.labels, self.model, self.vendor, self.phase)
        for field in (*fields, self.pathology, self.n, self.seed, self.steps, self.skip):
            field.setEnabled(not running)


def _remark(event: BatchFile) -> str:
    if event.state in ("done", "skipped"):
        findings = sum(len(record.get("findings", ())) for record in event.records[:1])
        images = f"{len(event.records)} image" + ("s" if len(event.records) > 1 else "")
        return images + (f", {findings} findings on the anatomy" if findings else "")
    return " ".join(filter(None, (event.message, *event.notes)))


def _folder(edit: QLineEdit, what: str, *, new: bool = False) -> Path:
    text = edit.text().strip()
    if not text:
        raise InputError(f"no folder for {what} is chosen; choose one.")
    path = Path(text).expanduser()
    if not new and not path.exists():
        raise InputError(f"{path}: no such folder; choose the one that holds {what}.")
    return path


def _spin(low: int, high: int, value: int) -> QSpinBox:
    spin = QSpinBox()
    spin.setRange(low, high)
    spin.setValue(value)
    return spin


def _with_button(edit: QLineEdit, choose: Callable[[], None]) -> QWidget:
    button = QPushButton("Choose...")
    button.clicked.connect(choose)
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(edit, 1)
    layout.addWidget(button)
    return row


def _queue() -> QTableWidget:
    table = QTableWidget(0, len(COLUMNS))
    table.setHorizontalHeaderLabels(list(COLUMNS))
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setTextElideMode(Qt.TextElideMode.ElideRight)
    table.verticalHeader().setVisible(False)
    header = table.horizontalHeader()
    header.setSectionResizeMode(0, QHeaderView.ResizeMode.Interactive)
    header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
    header.setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
    table.setMinimumHeight(140)
    return table
