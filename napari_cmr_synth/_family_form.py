"""Sampler and prompt: entries that only some families of models have."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLineEdit, QVBoxLayout, QWidget

from . import _models
from ._jobs import Job
from ._layout import form, stacked, word_wrapped

LOADING = "Looking at what the family of the model takes."


class FamilyForm(QWidget):
    """Each entry is there only if the family of the model takes it.

    That is known once the code of the family has been imported, and torch with it: by a panel that
    made a picture, or in the background when `learn` is called.

    Parameters
    ----------
    parent : QWidget, optional
    """

    changed = Signal()
    """An entry was edited."""

    learnt = Signal()
    """It is known what the family takes, or that this cannot be known."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._model = ""
        self._taken: frozenset[str] = frozenset()
        self._job: Job | None = None
        self.sampler, self.prompt = QLineEdit(), QLineEdit()
        self.sampler.setPlaceholderText("the model's own")
        self.sampler.setToolTip("How the family steps from noise to picture; others are named.")
        self.prompt.setPlaceholderText("made of the conditions")
        self.prompt.setToolTip("Words in place of those made of vendor, phase and pathology.")
        self.says = word_wrapped("")
        self._rows = {
            "sampler": form(("Sampler", self.sampler)),
            "prompt": form(("Prompt", self.prompt)),
        }
        self._asked = False
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(stacked(self.says, *self._rows.values()))
        for field in (self.sampler, self.prompt):
            field.textChanged.connect(self._on_text)

    def entry(self, word: str) -> str | None:
        """What was entered for "sampler" or "prompt"; None if that is empty or not taken."""
        field = {"sampler": self.sampler, "prompt": self.prompt}[word]
        return (field.text().strip() or None) if word in self._taken else None

    def show_model(self, name: str) -> None:
        """Offer what the family of a model takes, if that is known already."""
        self._model = name
        takes = _models.takes(name)
        self._show(takes)
        if takes is None and self._asked:
            self._learn()

    def learn(self) -> None:
        """Find out what the family of the model takes, and of every other that is chosen later."""
        self._asked = True
        if _models.takes(self._model) is None:
            self._learn()

    def _on_text(self, _text: str) -> None:
        self.changed.emit()

    def _learn(self) -> None:
        if self._job is not None and self._job.running:
            return
        name = self._model
        self._job = Job(
            "Looking at a family",
            lambda: map(_models.learn, [name]),
            on_result=lambda _: self.show_model(self._model),
            on_done=self._end,
            parent=self,
            show_progress=False,
        )
        self._job.start()

    def _end(self, _cancelled: bool, error: BaseException | None) -> None:
        if error is not None:
            self._asked = False
        elif _models.takes(self._model) is None:  # another model was chosen meanwhile
            self._learn()
            return
        self.learnt.emit()

    def _show(self, takes: frozenset[str] | None) -> None:
        self._taken = takes or frozenset()
        for word, row in self._rows.items():
            row.setVisible(word in self._taken)
        self.says.setText(LOADING if takes is None else "")
        self.says.setVisible(takes is None and self._asked)
