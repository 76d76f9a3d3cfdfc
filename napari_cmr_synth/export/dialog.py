"""The export dialog: which layers, as what, where to; and a word of what was written."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from cmr_synth.errors import InputError

from .._jobs import Job
from .._layout import form, narrow_combo, side_by_side, word_wrapped
from .._masks import unwrapped
from .._messages import show_note, show_problem
from .._unsaved import note_saved
from .kinds import KINDS, Kind, write
from .snapshot import Snapshot, exportable, snapshot

LAYER = Qt.ItemDataRole.UserRole

_last: weakref.WeakKeyDictionary[Any, tuple[str, str]] = weakref.WeakKeyDictionary()
"""Kind and folder chosen last, by napari's window: another one begins anew."""


class ExportDialog(QDialog):
    """Writes layers in one of the formats of `KINDS`.

    Closed while it writes, it goes on, and a message of the window says how it ended.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    parent : QWidget, optional
    chosen : iterable of layers, optional
        To begin with; by default those that are selected.
    """

    def __init__(
        self, viewer: Any, parent: QWidget | None = None, *, chosen: Iterable[Any] | None = None
    ):
        super().__init__(parent)
        self._viewer = unwrapped(viewer)
        self._job: Job | None = None
        before, folder = _last.get(self._viewer.window, ("nifti", ""))
        self.setWindowTitle("Export")
        self.layers = QListWidget()
        self.layers.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.layers.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.kind = narrow_combo()
        for key, kind in KINDS.items():
            self.kind.addItem(kind.title, key)
        self.kind.setCurrentIndex(max(0, self.kind.findData(before)))
        self.kind.currentIndexChanged.connect(self._show_kind)
        self.about = word_wrapped("")
        self.folder = QLineEdit()
        self.browse_button = QPushButton("Choose...")
        self.browse_button.clicked.connect(self._browse)
        self.replace_box = QCheckBox("Replace files of the same names")
        self.message = word_wrapped("")
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.export_button = QPushButton("Export")
        self.export_button.setDefault(True)
        self.export_button.clicked.connect(self.export)
        self.close_button = QPushButton("Close")
        self.close_button.clicked.connect(self.reject)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(self.export_button)
        buttons.addWidget(self.close_button)
        layout = QVBoxLayout(self)
        layout.addWidget(word_wrapped("Layers to write:"))
        layout.addWidget(self.layers, 1)
        layout.addWidget(
            form(("As", self.kind), ("Into", side_by_side(self.folder, self.browse_button)))
        )
        for part in (self.about, self.replace_box, self.message):
            layout.addWidget(part)
        layout.addLayout(buttons)
        self.resize(520, 460)
        self._list(self._viewer.layers.selection if chosen is None else chosen)
        self.folder.setText(folder or str(self._first_folder()))
        self._show_kind()
        self.finished.connect(self._go)

    @property
    def chosen(self) -> list[Any]:
        """The layers that are ticked, the topmost first."""
        items = (self.layers.item(row) for row in range(self.layers.count()))
        return [item.data(LAYER) for item in items if item.checkState() == Qt.CheckState.Checked]

    @property
    def job(self) -> Job | None:
        """What writes, or wrote last."""
        return self._job

    def export(self) -> None:
        """Write what is ticked, in a worker; the dialog stays, and says what was written."""
        if self._job is not None and self._job.running:
            return
        kind = KINDS[self.kind.currentData()]
        text = self.folder.text().strip()
        layers = [layer for layer in self.chosen if layer in self._viewer.layers]
        try:
            if not text:
                raise InputError("no folder is chosen; choose where to write.")
            if not layers:
                raise InputError("no layer is ticked; tick those to write.")
            shots = [snapshot(layer) for layer in layers]
        except InputError as error:
            self._say(str(error))
            return
        folder = Path(text).expanduser()
        _last[self._viewer.window] = (self.kind.currentData(), str(folder))
        replace = self.replace_box.isChecked()
        self._job = Job(
            f"Export to {folder.name}",
            lambda: _written(kind, folder, shots, replace),
            on_result=partial(self._done, kind=kind, folder=folder, layers=layers, shots=shots),
            on_done=lambda cancelled, error: self.export_button.setEnabled(True),
            parent=self,
            tell=self._tell,
        )
        self.export_button.setEnabled(False)
        self._say("Writing...")
        self._job.start()

    def _done(
        self,
        files: list[Path],
        *,
        kind: Kind,
        folder: Path,
        layers: Sequence[Any],
        shots: Sequence[Snapshot],
    ) -> None:
        if kind.keeps:
            note_saved(layers, as_written=[shot.data[0] for shot in shots])
        words = " ".join([_summary(files, folder, len(layers)), *_no_place(shots)])
        self._say(words)
        if not self.isVisible():
            show_note(words)

    def _tell(self, error: BaseException) -> None:
        self._say(_words(error))
        if not self.isVisible():
            show_problem(error)

    def _go(self, *_: object) -> None:
        """Let go of the layers when it is closed, or when all is written."""
        if self._job is not None and self._job.running:
            self._job.finished.connect(self.deleteLater)
        else:
            self.deleteLater()

    def _say(self, words: str) -> None:
        self.message.setText(words)

    def _list(self, chosen: Iterable[Any]) -> None:
        ticked = list(chosen)
        for layer in exportable(self._viewer):
            item = QListWidgetItem(layer.name)
            item.setToolTip(layer.name)
            item.setData(LAYER, layer)
            item.setFlags(Qt.ItemFlag.ItemIsUserCheckable | Qt.ItemFlag.ItemIsEnabled)
            on = layer in ticked
            item.setCheckState(Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)
            self.layers.addItem(item)
        if not self.layers.count():
            self._say("There is no image or mask to export.")
            self.export_button.setEnabled(False)

    def _first_folder(self) -> Path:
        """Where the first chosen layer came from; its work is often kept beside it."""
        for layer in [*self.chosen, *exportable(self._viewer)]:
            source = layer.source.path
            if source and Path(source).parent.is_dir():
                return Path(source).parent
        return Path.home()

    def _browse(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Export into", self.folder.text())
        if folder:
            self.folder.setText(folder)

    def _show_kind(self) -> None:
        self.about.setText(KINDS[self.kind.currentData()].tip)


def _written(
    kind: Kind, folder: Path, shots: Sequence[Snapshot], replace: bool
) -> Iterator[list[Path]]:
    yield write(kind, folder, [shot.data for shot in shots], replace=replace)


def _summary(files: Sequence[Path], folder: Path, layers: int) -> str:
    """How many files of which kind were written where, of how many layers."""
    kinds = Counter("".join(p.suffixes[-2:]) if p.suffix == ".gz" else p.suffix for p in files)
    counted = ", ".join(f"{count} {ending}" for ending, count in kinds.most_common())
    first = files[0].relative_to(folder).as_posix()
    rest = f", {first}" if len(files) == 1 else f", {first} and others"
    what = f"{layers} layer{'s' * (layers > 1)}"
    return (
        f"Wrote {what} into {folder}: {len(files)} file{'s' * (len(files) > 1)} ({counted}){rest}."
    )


def _no_place(shots: Sequence[Snapshot]) -> list[str]:
    lost = [str(shot.data[1]["name"]) for shot in shots if not shot.placed]
    if not lost:
        return []
    verb = "are" if len(lost) > 1 else "is"
    return [
        f"Where {', '.join(lost)} {verb} in the patient is not known: the spacing holds, overlays "
        "on other scans do not."
    ]


def _words(error: BaseException) -> str:
    return str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
