"""A folder of masks in, a synthetic data set out, with a queue that can be stopped and resumed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from cmr_synth.errors import InputError

from .. import _models
from .._conditions_form import ConditionsForm
from .._fields import WholeNumber
from .._jobs import Job
from .._layout import (
    button,
    form,
    group,
    narrow_combo,
    scrolled,
    show_row,
    side_by_side,
    stacked,
    word_wrapped,
)
from .._mask_picker import OWN, OWN_NUMBERS
from .._masks import SHOWN, unwrapped
from .._messages import show_problem
from .._numbers_form import NumbersForm
from .._panel import Panel

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
NUMBERS_TIP = (
    "Number of {name} in every mask of the folder; several with a plus, such as 2+4. Left empty, "
    "the masks do not show it."
)
MOST_SEEDS = 1000
REDRAWS = 3  # of a slice that misses its mask
FORMATS = {
    "NIfTI": ("nifti",),
    "NIfTI and DICOM": ("nifti", "dicom"),
    "DICOM": ("dicom",),
    "NIfTI and enhanced DICOM": ("nifti", "dicom-enhanced"),
}
"""What the panel offers, and the names of `cmr_synth.synthesis.formats`."""


class BatchWidget(Panel):
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
        self.labels = narrow_combo()
        self.labels.addItem("told by topology, mask by mask", None)
        for convention, shown in SHOWN.items():
            self.labels.addItem(shown, convention)
        self.labels.addItem(OWN, OWN_NUMBERS)
        self.labels.currentIndexChanged.connect(self._show_numbers)
        self.numbers = NumbersForm(tip=NUMBERS_TIP)
        self.formats = narrow_combo()
        self.formats.setToolTip(
            "DICOM: a derived MR series for each image, marked as synthetic, and its mask as a "
            "segmentation"
        )
        for shown, formats in FORMATS.items():
            self.formats.addItem(shown, formats)
        self.form = ConditionsForm(of_files=True)
        self.every_vendor = QCheckBox("Every vendor of the model")
        self.every_vendor.setToolTip("Each mask under one vendor after the other")
        self.every_vendor.toggled.connect(
            lambda on: self.form.vendor.setEnabled(not on)  # which does not count then
        )
        self.seeds = WholeNumber()
        self.seeds.setRange(1, MOST_SEEDS)
        self.seeds.setToolTip("How many seeds in a row, beginning with the one above")
        self.skip = QCheckBox("Skip masks that are done")
        self.skip.setToolTip(
            "Their images are there, made by the same model file from the same mask, with the same "
            "conditions and seed"
        )
        self.skip.setChecked(True)
        self.check = QCheckBox("Check slices against their mask")
        self.check.setToolTip(
            "A segmenter looks for the heart; where it is found less well than on 95 % of real "
            f"slices, the slice is drawn again, up to {REDRAWS} times, and flagged if it still "
            "misses"
        )
        self.check.setChecked(True)

        self.start_button = QPushButton("Start")
        self.start_button.clicked.connect(self.start)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.clicked.connect(self.cancel)
        self.bar = QProgressBar()
        self.summary = word_wrapped("")
        self.queue = _queue()
        self.queue.cellDoubleClicked.connect(lambda row, column: self.open_row(row))

        files = form(
            ("Masks", self._with_button(self.masks, "Folder of masks")),
            ("Data set", self._with_button(self.out, "Folder for the data set")),
            ("Labels", self.labels),
            ("", self.numbers),
            ("Written as", self.formats),
        )
        buttons = QHBoxLayout()
        buttons.addWidget(self.start_button, 1)
        buttons.addWidget(self.cancel_button, 1)
        layout = QVBoxLayout(self)
        layout.addWidget(
            scrolled(
                stacked(
                    group("Files", files),
                    self.form,
                    form(("Seeds", self.seeds)),
                    self.every_vendor,
                    self.check,
                    self.skip,
                )
            ),
            2,
        )
        layout.addLayout(buttons)
        layout.addWidget(self.bar)
        layout.addWidget(self.queue, 1)
        layout.addWidget(self.summary)

        self._show_numbers()
        for edit in (self.masks, self.out):
            edit.textChanged.connect(self._forget_interruption)
        self._refresh()

    @property
    def job(self) -> Job | None:
        """The run that goes on, or the last one."""
        return self._job

    @property
    def request(self) -> Request:
        """What the fields ask for.

        Raises
        ------
        InputError
            If the seed is no whole number, there is no model, or the numbers of the structures
            make no sense.
        """
        labels = self.labels.currentData()
        if labels == OWN_NUMBERS:
            labels = self.numbers.read()
        request = self.form.request(labels=labels, single=True)
        return replace(request, redraws=REDRAWS if self.check.isChecked() else None)

    def start(self) -> None:
        """Start, or go on after an interruption; does nothing while it runs."""
        if self._running:
            return
        try:
            masks, out = _folder(self.masks, "masks"), _folder(self.out, "the data set", new=True)
            request = self.request
        except InputError as error:
            show_problem(error)
            return
        resume = self._interrupted or self.skip.isChecked()
        formats = self.formats.currentData()
        card, seeds = self.form.card, self.seeds.value()
        vendors = card.conditions.vendors if card and self.every_vendor.isChecked() else ()

        def make() -> Iterator[Any]:
            from cmr_synth.synthesis.batches import across, run_batches

            return run_batches(
                masks,
                out,
                across(request, vendors=vendors, seeds=seeds),
                load=lambda: _models.loaded(str(request.model), request.device),
                resume=resume,
                keep_going=True,
                formats=formats,
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

    def _show_numbers(self, *_: object) -> None:
        show_row(self.numbers, self.labels.currentData() == OWN_NUMBERS)

    def _with_button(self, edit: QLineEdit, title: str) -> QWidget:
        def choose() -> None:
            folder = QFileDialog.getExistingDirectory(self, title, edit.text())
            if folder:
                edit.setText(folder)

        return side_by_side(edit, button("Choose...", title, choose))

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
        for field in (
            self.masks,
            self.out,
            self.labels,
            self.numbers,
            self.formats,
            self.form,
            self.seeds,
            self.every_vendor,
            self.check,
            self.skip,
        ):
            field.setEnabled(not running)


def _remark(event: BatchFile) -> str:
    if event.state in ("done", "skipped"):
        findings = sum(len(record.get("findings", ())) for record in event.records[:1])
        images = f"{len(event.records)} image" + ("s" if len(event.records) > 1 else "")
        checks = [record["check"] for record in event.records if "check" in record]
        left = sum(check["missed"] for check in checks)
        looked = sum(len(check["slices"]) for check in checks)
        return ", ".join(
            filter(
                None,
                (
                    images,
                    f"{findings} findings on the anatomy" if findings else "",
                    f"{left} of {looked} slices miss their mask" if left else "",
                ),
            )
        )
    return " ".join(filter(None, (event.message, *event.notes)))


def _folder(edit: QLineEdit, what: str, *, new: bool = False) -> Path:
    text = edit.text().strip()
    if not text:
        raise InputError(f"no folder for {what} is chosen; choose one.")
    path = Path(text).expanduser()
    if not new and not path.exists():
        raise InputError(f"{path}: no such folder; choose the one that holds {what}.")
    return path


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
