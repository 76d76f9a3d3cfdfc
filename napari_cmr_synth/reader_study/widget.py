"""One picture at a time: real or synthetic, and how good.

The picture is drawn here and not on napari's canvas: every reader sees the same grey values at the
same size, and neither layer names nor pixel values under the mouse tell what it is.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QImage, QKeyEvent, QPixmap
from qtpy.QtWidgets import (
    QButtonGroup,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from cmr_synth.errors import InputError

from .._layout import as_narrow_as_its_text
from .._messages import show_problem
from .._panel import Panel

if TYPE_CHECKING:
    import napari

    from cmr_synth.evaluation.readers.study import ReaderStudy

CALL_KEYS = {"real": "R", "synthetic": "S"}
HELP = (
    "R: real · S: synthetic · 1 (not diagnostic) to 5 (excellent): quality · Backspace: the one "
    "before. The next picture comes when both are given; every answer is saved at once, so you can "
    "close the window and go on another day under the same name."
)


class ReaderStudyWidget(Panel):
    """Read a study made by `cmr-synth evaluate reader-study make`.

    Parameters
    ----------
    viewer : napari.viewer.Viewer, optional
        Not used: nothing of the study is shown as a layer.
    parent : QWidget, optional
    """

    def __init__(self, viewer: napari.viewer.Viewer | None = None, parent: QWidget | None = None):
        super().__init__(parent)
        self._study: ReaderStudy | None = None
        self._image: str | None = None
        self._before: list[str] = []
        self._since = 0.0
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

        self.folder = QLineEdit()
        self.folder.setPlaceholderText("folder of the study")
        self.browse_button = QPushButton("Browse…")
        self.browse_button.clicked.connect(self._browse)
        self.reader = QLineEdit()
        self.reader.setPlaceholderText("your name or number")
        self.start_button = QPushButton("Start or go on")
        self.start_button.clicked.connect(self.start)
        self.reader.returnPressed.connect(self.start)
        where = QHBoxLayout()
        where.addWidget(self.folder, 1)
        where.addWidget(self.browse_button)
        form = QFormLayout()
        form.addRow("Study", where)
        form.addRow("Reader", self.reader)

        self.picture = QLabel()
        self.picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.picture.setMinimumSize(256, 256)
        self.picture.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.picture.setStyleSheet("background: black")
        self.progress = QProgressBar()
        self.progress.setFormat("%v of %m")
        self.calls = _row(self, [f"{word.capitalize()} ({key})" for word, key in CALL_KEYS.items()])
        self.qualities = _row(self, ["1 poor", "2", "3", "4", "5 excellent"])
        self.back_button = QPushButton("Back")
        self.back_button.clicked.connect(self.back)
        self.words = QLabel(HELP)
        self.words.setWordWrap(True)

        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self.start_button)
        layout.addWidget(self.picture, 1)
        layout.addWidget(self.progress)
        for group in (self.calls, self.qualities):
            line = QHBoxLayout()
            for button in group.buttons():
                line.addWidget(button)
            layout.addLayout(line)
            group.idClicked.connect(self._answered)
        layout.addWidget(self.back_button)
        layout.addWidget(self.words)
        self._show(None)

    @property
    def image(self) -> str | None:
        """File name of the picture that is shown."""
        return self._image

    def start(self) -> None:
        """Open the study and show the reader's first picture without an answer."""
        from cmr_synth.evaluation.readers.study import ReaderStudy

        try:
            self._study = ReaderStudy(
                Path(self.folder.text().strip()).expanduser(), self.reader.text()
            )
        except InputError as error:
            show_problem(error)
            return
        answered = self._study.answers
        self._before = [name for name in self._study.order if name in answered]
        self._show(self._study.next)
        self.setFocus()

    def back(self) -> None:
        """Show the picture before again; its answer stays until another is given."""
        if self._study is not None and self._before:
            self._show(self._before.pop())

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Answer with the keyboard."""
        if event is None:
            return
        text = event.text().upper()
        if self._image is not None and text in CALL_KEYS.values():
            self.calls.buttons()[list(CALL_KEYS.values()).index(text)].click()
        elif self._image is not None and text in ("1", "2", "3", "4", "5"):
            self.qualities.buttons()[int(text) - 1].click()
        elif event.key() == Qt.Key.Key_Backspace:
            self.back()
        else:
            super().keyPressEvent(event)

    def resizeEvent(self, event: Any) -> None:
        """Keep the picture as large as it fits."""
        super().resizeEvent(event)
        self._draw()

    def _browse(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder of the study", self.folder.text())
        if chosen:
            self.folder.setText(chosen)

    def _answered(self, _number: int) -> None:
        from cmr_synth.evaluation.readers.calls import CALLS
        from cmr_synth.evaluation.readers.study import Answer

        call, quality = self.calls.checkedId(), self.qualities.checkedId()
        if self._study is None or self._image is None or call < 0 or quality < 0:
            return
        seconds = round(time.monotonic() - self._since, 2)
        try:
            self._study.answer(Answer(self._image, CALLS[call], quality + 1, seconds))
        except InputError as error:
            show_problem(error)
            return
        self._before.append(self._image)
        self._show(self._study.next)
        self.setFocus()

    def _show(self, name: str | None) -> None:
        study, pixmap = self._study, None
        if study is not None and name is not None:
            try:
                pixels = study.picture(name)
            except InputError as error:
                show_problem(error)
                name = None
            else:
                grey = QImage.Format.Format_Grayscale8
                pixmap = QPixmap.fromImage(
                    QImage(
                        pixels.tobytes(), pixels.shape[1], pixels.shape[0], pixels.shape[1], grey
                    )
                )
        self._image, self._pixmap = name, pixmap
        for group in (self.calls, self.qualities):
            group.setExclusive(False)
            for button in group.buttons():
                button.setChecked(False)
                button.setEnabled(name is not None)
            group.setExclusive(True)
        self.back_button.setEnabled(study is not None and bool(self._before))
        self.progress.setVisible(study is not None)
        if study is not None:
            self.progress.setMaximum(len(study.order))
            self.progress.setValue(len(study.answers))
        done = study is not None and study.next is None
        words = f"Done, thank you. Answers: {study.answer_file}" if study and done else HELP
        self.words.setText(words)
        self._draw()
        self._since = time.monotonic()

    def _draw(self) -> None:
        if self._pixmap is None:
            self.picture.clear()
            return
        side = min(self.picture.width(), self.picture.height())
        self.picture.setPixmap(
            self._pixmap.scaled(
                side,
                side,
                Qt.AspectRatioMode.KeepAspectRatio,
                Qt.TransformationMode.SmoothTransformation,
            )
        )


def _row(parent: QWidget, texts: list[str]) -> QButtonGroup:
    group = QButtonGroup(parent)
    for number, text in enumerate(texts):
        button = QPushButton(text, parent)
        button.setCheckable(True)
        as_narrow_as_its_text(button)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # keys stay with the widget
        group.addButton(button, number)
    return group
