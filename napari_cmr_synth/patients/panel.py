"""A list of patients: a folder worked through one by one, with what is done for each."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QMessageBox,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
)

from cmr_synth.cohorts.patients import Patient, patients_in, patients_of_cohort
from cmr_synth.cohorts.registry import cohorts
from cmr_synth.errors import InputError

from .._canvas import guard_removal
from .._jobs import Job
from .._layers import LayerData
from .._layout import button, form, narrow_combo, word_wrapped
from .._masks import unwrapped
from .._messages import show_note, show_problem
from .._opening import look_at, open_paths
from .._panel import Panel
from .._unsaved import note_saved, unsaved_masks
from .done import STEPS, Done, done_for, layers_of, paths_of, save_masks

if TYPE_CHECKING:
    import napari
    from qtpy.QtWidgets import QWidget

EMPTY = (
    "Open a folder that has a folder, or files, for each patient: NIfTI (masks named _gt, _seg, "
    "_mask or _label) or DICOM. Every row is a patient; a double click opens it."
)
FILES = "files in folders"
MARK = "\N{CHECK MARK}"
NEXT, PREVIOUS = "Control-PageDown", "Control-PageUp"  # as napari writes them
HEADINGS = ("Patient", "Mask", "Synth.", "Audit", "Saved")
TIPS = {
    "mask": "A mask is there",
    "synthesized": "A synthetic picture is there",
    "audited": "Its nearest patients were searched in this session",
    "saved": "Every mask is in a file",
}


class PatientList(Panel):
    """Steps through the patients of a folder.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    parent : QWidget, optional
    """

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None):
        super().__init__(parent)
        self._viewer = unwrapped(viewer)
        guard_removal(self._viewer)
        self.patients: list[Patient] = []
        self._done: list[Done] = []
        self._open: int | None = None  # row
        self._folder: Path | None = None
        self._job: Job | None = None
        self.folder_button = button("Open a folder of patients...", "Lists them", self._ask)
        self.kind = narrow_combo(self)
        self.kind.setToolTip("How the folder is read: file by file, or as a known cohort")
        self.kind.addItem(FILES, None)
        for name in sorted(cohorts()):
            self.kind.addItem(name, name)
        self.where = word_wrapped(EMPTY)
        self.table = QTableWidget(0, len(HEADINGS), self)
        self.table.setHorizontalHeaderLabels(list(HEADINGS))
        for column, step in enumerate(STEPS, 1):
            self.table.horizontalHeaderItem(column).setToolTip(TIPS[step])
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.table.verticalHeader().setVisible(False)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.table.cellDoubleClicked.connect(lambda row, _column: self.go_to(row))
        self.previous = button("Previous", "The patient before (Ctrl+Page Up)", self.go_back)
        self.next = button("Next", "The patient after (Ctrl+Page Down)", self.go_on)
        self.to_do = button("Next without mask", "The next patient to draw", self.go_to_undrawn)
        layout = QVBoxLayout(self)
        layout.addWidget(form(("Read as", self.kind)))
        layout.addWidget(self.folder_button)
        layout.addWidget(self.where)
        layout.addWidget(self.table, 1)
        steps = QHBoxLayout()
        for part in (self.previous, self.next):
            steps.addWidget(part, 1)
        layout.addLayout(steps)
        layout.addWidget(self.to_do)
        self.setMinimumWidth(320)  # names of patients are read whole
        for keys, action in ((NEXT, "go_on"), (PREVIOUS, "go_back")):
            self._viewer.bind_key(keys, _pressing(weakref.ref(self), action), overwrite=True)
        # napari keeps weak references to methods, so nothing has to be disconnected at the end
        for emitter in (self._viewer.layers.events.inserted, self._viewer.layers.events.removed):
            emitter.connect(self.refresh)
        self._show_row()

    @property
    def patient(self) -> Patient | None:
        """The one that is open."""
        return None if self._open is None else self.patients[self._open]

    def open_folder(self, folder: str | Path) -> None:
        """List the patients of a folder, which is looked through beside the window."""
        if self._job is not None and self._job.running:
            return
        root, cohort = Path(folder), self.kind.currentData()
        self.where.setText(f"Looking through {root}...")

        def look() -> Iterator[str | list[Patient]]:
            if cohort is None:
                yield patients_in(root)
            else:
                yield from patients_of_cohort(cohort, root)

        def show(found: str | list[Patient]) -> None:
            if isinstance(found, str):
                self.where.setText(f"Looking through {root}: {found}")
            else:
                self._list(root, found)

        self._job = Job(
            "Looking for patients",
            look,
            on_result=show,
            on_done=lambda _cancelled, error: error and self.where.setText(str(error)),
            parent=self,
            show_progress=False,
        )
        self._job.start()

    def go_on(self) -> None:
        """Open the next patient."""
        self.go_to(0 if self._open is None else self._open + 1)

    def go_back(self) -> None:
        """Open the patient before."""
        if self._open is not None:
            self.go_to(self._open - 1)

    def go_to_undrawn(self) -> None:
        """Open the next patient who has no mask."""
        self.refresh()
        count = len(self.patients)
        start = 0 if self._open is None else self._open + 1
        for row in [*range(start, count), *range(start)]:
            if row < count and not self._done[row].mask:
                self.go_to(row)
                return
        if count:
            show_note("Every patient of the list has a mask.")

    def go_to(self, row: int) -> None:
        """Open a patient in place of the one that is open; asks about masks that are unsaved."""
        if not 0 <= row < len(self.patients):
            return
        if row == self._open or not self.may_leave():
            return
        self.refresh()
        self._open = None
        self._viewer.layers.clear()
        self._open = row
        patient = self.patients[row]
        if patient.examinations:
            self._read(patient)
        else:
            note_saved(open_paths(self._viewer, paths_of(patient)))
        self.table.selectRow(row)
        self.refresh()
        self._show_row()

    def may_leave(self) -> bool:
        """Whether the layers may go; saves the masks if the user says so."""
        masks = unsaved_masks(self._viewer)
        if not masks:
            return True
        buttons = QMessageBox.StandardButton
        names = ", ".join(mask.name for mask in masks)
        chosen = QMessageBox.question(
            self,
            "Unsaved masks",
            f"{names}: not saved. Save beside the scan before the next patient is opened?",
            buttons.Save | buttons.Discard | buttons.Cancel,
            buttons.Save,
        )
        if chosen == buttons.Save:
            return self._save(masks)
        return bool(chosen == buttons.Discard)

    def refresh(self, _event: Any = None) -> None:
        """Look again at what is done for the patient that is open."""
        if not isalive(self) or self._open is None:
            return
        self._done[self._open] = done_for(
            self.patients[self._open],
            list(self._viewer.layers),
            unsaved=unsaved_masks(self._viewer),
            before=self._done[self._open],
        )
        self._tell(self._open)

    def showEvent(self, event: Any) -> None:  # noqa: N802 (Qt's name)
        """Catch up with what was drawn while another panel was looked at."""
        super().showEvent(event)
        self.refresh()

    def _read(self, patient: Patient) -> None:
        """Open the examinations of a patient of a cohort, which are read beside the window."""

        def add(found: list[LayerData]) -> None:
            if self.patient is patient:  # else the next one was asked for meanwhile
                layers = [Layer.create(*one) for one in found]
                self._viewer.layers.extend(layers)
                note_saved(layers)
                look_at(self._viewer, layers)
                self.refresh()

        from napari.layers import Layer

        self._job = Job(
            f"Reading {patient.name}",
            lambda: iter([layers_of(patient)]),
            on_result=add,
            parent=self,
            show_progress=False,
        )
        self._job.start()

    def _save(self, masks: list[Any]) -> bool:
        patient = self.patient
        if patient is None:  # layers that are no patient's of the list
            show_note("These masks belong to no patient of the list; save them with Ctrl+S first.")
            return False
        folder = None
        if patient.examinations:
            chosen = QFileDialog.getExistingDirectory(self, "Folder for the masks")
            if not chosen:
                return False
            folder = Path(chosen)
        try:
            written = save_masks(patient, masks, folder)
        except InputError as error:
            show_problem(error)
            return False
        note_saved(masks)
        assert self._open is not None
        self.patients[self._open] = replace(patient, masks=(*patient.masks, *written))
        show_note(f"Saved {', '.join(path.name for path in written)}")
        return True

    def _ask(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of patients")
        if folder:
            self.open_folder(folder)

    def _list(self, root: Path, found: list[Patient]) -> None:
        self._folder, self.patients, self._open = root, found, None
        self._done = [done_for(patient) for patient in found]
        self.where.setText(f"{root}: {len(found)} patients")
        self.table.setRowCount(len(found))
        for row, patient in enumerate(found):
            item = QTableWidgetItem(patient.name)
            item.setToolTip("\n".join(str(path) for path in paths_of(patient)))
            self.table.setItem(row, 0, item)
            self._tell(row)
        self._show_row()

    def _tell(self, row: int) -> None:
        for column, step in enumerate(STEPS, 1):
            item = QTableWidgetItem(MARK if getattr(self._done[row], step) else "")
            item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
            item.setToolTip(TIPS[step])
            self.table.setItem(row, column, item)

    def _show_row(self) -> None:
        at, count = self._open, len(self.patients)
        self.previous.setEnabled(at is not None and at > 0)
        self.next.setEnabled(count > 0 and (at is None or at + 1 < count))
        self.to_do.setEnabled(count > 0)


def _pressing(panel: weakref.ref[PatientList], action: str) -> Callable[[Any], None]:
    """What a key does; nothing once the panel is gone, which it does not keep."""

    def press(_viewer: Any) -> None:
        alive = panel()
        if alive is not None and isalive(alive):
            getattr(alive, action)()

    return press
