"""Making a reader study, and scoring what its readers said, from the panel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QDialog, QLineEdit, QVBoxLayout, QWidget

from .. import _models
from .._fields import WholeNumber
from .._frame import PanelFrame
from .._layout import button, form, narrow_combo, side_by_side
from .._long_work import LongWork, PatientsForm, ask_folder, path_in

if TYPE_CHECKING:
    from cmr_synth.cohorts.slices import SliceSet
    from cmr_synth.evaluation.real_patients import RealPatients
    from cmr_synth.reports.content import Content

IMAGES = (4, 60, 1000)  # least, usual and most pictures of a study
SIZE = (560, 760)


class MakeStudy(QWidget):
    """Whose patients, which model, how many pictures, and where to.

    Parameters
    ----------
    parent : QWidget, optional
    """

    made = Signal(str)
    """The folder of a study that was made."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.patients = PatientsForm(self)
        self.model = narrow_combo(self)
        self.model.setToolTip("Makes a counterpart of every slice of the test patients")
        for name in _models.choices():
            self.model.addItem(name, name)
        self.images = WholeNumber(self)
        self.images.setRange(IMAGES[0], IMAGES[2])
        self.images.setSingleStep(2)
        self.images.setValue(IMAGES[1])
        self.images.setToolTip("Half of them real; an even number")
        self.out = QLineEdit(self)
        self.out.setPlaceholderText("new folder for the study")
        choose = button("...", "Choose the folder", lambda: ask_folder(self.out, "Study"))
        self.work = LongWork(
            "Making a reader study",
            "Make the study",
            "Write a balanced, blinded set of pictures, and beside its folder the key",
            self._make,
            self._told,
            self,
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.patients)
        layout.addWidget(
            form(
                ("Model", self.model),
                ("Pictures", self.images),
                ("Study", side_by_side(self.out, choose)),
            )
        )
        layout.addWidget(self.work)

    def _make(self) -> Callable[[], Iterator[Any]]:
        patients, out = self.patients.patients(), path_in(self.out, "folder for the study")
        model, images = self.model.currentData(), self.images.value()
        return lambda: _work(patients, model, out, images)

    def _told(self, counts: dict[str, Any]) -> str:
        self.made.emit(counts["folder"])
        return (
            f"{counts['images']} pictures. The key, {counts['key']}, says which is which: keep it "
            "from the readers."
        )


class Scores(QDialog):
    """What readers of a study said, beside the truth.

    Parameters
    ----------
    content : Content
    parent : QWidget
    """

    def __init__(self, content: Content, parent: QWidget):
        super().__init__(parent)
        self.setWindowTitle(content.title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.frame = PanelFrame("", self)
        self.frame.content = content
        layout = QVBoxLayout(self)
        layout.addWidget(self.frame)
        room = parent.screen().availableGeometry()
        self.resize(min(SIZE[0], room.width()), min(SIZE[1], room.height() - 80))


def scores_of(folder: Path, key: Path | None) -> Iterator[Content]:
    """Score a study; runs in a thread.

    Raises
    ------
    InputError
        As `score_study`.
    """
    from cmr_synth.evaluation.readers.study import score_study
    from cmr_synth.reports.reader_study import reader_study_content

    yield reader_study_content(score_study(folder, key))


def _work(patients: RealPatients, model: str, out: Path, images: int) -> Iterator[Any]:
    from cmr_synth.evaluation.readers.making import study_of_slices
    from cmr_synth.evaluation.real_patients import with_slices

    def work(slices: SliceSet) -> Iterator[Any]:
        return study_of_slices(model, slices, out, images=images)

    yield from with_slices(patients, out, work)
