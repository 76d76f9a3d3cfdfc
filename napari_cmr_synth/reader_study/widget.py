"""Reader studies: made, read one picture at a time (real or synthetic, how good), scored."""

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
    QLineEdit,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from cmr_synth.errors import InputError

from .._jobs import Job
from .._layout import as_narrow_as_its_text, scrolled, word_wrapped
from .._long_work import path_in
from .._masks import unwrapped
from .._messages import show_problem
from .._panel import Panel
from .making import MakeStudy, Scores, scores_of
from .stage import Stage

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
    """Makes, reads and scores studies, as `cmr-synth evaluate reader-study` does.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Pictures are shown over its canvas; nothing of a study is a layer.
    parent : QWidget, optional
    """

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None):
        super().__init__(parent)
        self._study: ReaderStudy | None = None
        self._image: str | None = None
        self._before: list[str] = []
        self._since = 0.0
        self._pixmap: QPixmap | None = None
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

        self.picture = Stage(unwrapped(viewer).window._qt_viewer.canvas.native)
        # a click on the picture leaves the keys with the panel
        self.picture.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.picture.setFocusProxy(self)
        self.destroyed.connect(self.picture.deleteLater)
        self.progress = QProgressBar()
        self.progress.setFormat("%v of %m")
        self.calls = _row(self, [f"{word.capitalize()} ({key})" for word, key in CALL_KEYS.items()])
        self.qualities = _row(self, ["1 poor", "2", "3", "4", "5 excellent"])
        self.back_button = QPushButton("Back")
        self.back_button.clicked.connect(self.back)
        self.words = word_wrapped(HELP)

        self.make = MakeStudy(self)
        self.make.made.connect(self.folder.setText)
        self.make_box = QCollapsible("Make a study", self)
        self.make_box.addWidget(self.make)
        self.score_button = QPushButton("Score the study...")
        self.score_button.setToolTip(
            "Accuracy, detectability and agreement of all who have read it; needs the key, which "
            "lies beside the folder or is asked for"
        )
        self.score_button.clicked.connect(self.score)
        self.scores: Scores | None = None
        self._job: Job | None = None

        inner = QWidget(self)
        layout = QVBoxLayout(inner)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addLayout(form)
        layout.addWidget(self.start_button)
        layout.addWidget(self.progress)
        for group in (self.calls, self.qualities):
            line = QHBoxLayout()
            for button in group.buttons():
                line.addWidget(button)
            layout.addLayout(line)
            group.idClicked.connect(self._answered)
        layout.addWidget(self.back_button)
        layout.addWidget(self.words)
        layout.addWidget(self.score_button)
        layout.addWidget(self.make_box)
        layout.addStretch(1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scrolled(inner, self))
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

    def score(self) -> None:
        """Show what all readers of the study said, beside the truth."""
        from cmr_synth.evaluation.readers.study import key_of

        if self._job is not None and self._job.running:
            return
        try:
            folder = path_in(self.folder, "study")
        except InputError as error:
            show_problem(error)
            return
        key = None
        if not key_of(folder).is_file():
            chosen, _ = QFileDialog.getOpenFileName(self, "Key of the study", "", "Key (*.json)")
            if not chosen:
                return
            key = Path(chosen)
        self._job = Job(
            "Scoring the study",
            lambda: scores_of(folder, key),
            on_result=self._show_scores,
            parent=self,
            show_progress=False,
        )
        self._job.start()

    def hideEvent(self, event: Any) -> None:  # noqa: N802 (Qt's name)
        """Uncover the canvas while another panel is looked at."""
        super().hideEvent(event)
        self.picture.present(None)

    def showEvent(self, event: Any) -> None:  # noqa: N802 (Qt's name)
        """Go on with the picture that was left."""
        super().showEvent(event)
        self.picture.present(self._pixmap)

    def _show_scores(self, content: Any) -> None:
        self.scores = Scores(content, self.window())
        self.scores.show()

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
        self.picture.present(pixmap)
        self._since = time.monotonic()


def _row(parent: QWidget, texts: list[str]) -> QButtonGroup:
    group = QButtonGroup(parent)
    for number, text in enumerate(texts):
        button = QPushButton(text, parent)
        button.setCheckable(True)
        as_narrow_as_its_text(button)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # keys stay with the widget
        group.addButton(button, number)
    return group
