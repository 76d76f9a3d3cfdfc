"""A window to build the archive of real patients that synthetic pictures are compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QDialog, QLineEdit, QVBoxLayout, QWidget

from ._layout import button, form, side_by_side, word_wrapped
from ._long_work import LongWork, PatientsForm, ask_folder, path_in

if TYPE_CHECKING:
    from cmr_synth.cohorts.slices import SliceSet
    from cmr_synth.evaluation.real_patients import RealPatients
    from cmr_synth.privacy.archive import Archive

HELP = (
    "The training side of the patients is archived; the others are held out, and their distances "
    "say what is usual between people. Only you can read the files."
)


class BuildArchive(QDialog):
    """Builds an archive, and hands its folder on.

    Parameters
    ----------
    on_built : callable
        Takes the folder of the archive.
    parent : QWidget
    """

    def __init__(self, on_built: Callable[[Path], object], parent: QWidget):
        super().__init__(parent)
        self.setWindowTitle("Build an archive")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._on_built = on_built
        self.patients = PatientsForm(self)
        self.out = QLineEdit(self)
        self.out.setPlaceholderText("new folder for the archive")
        choose = button("...", "Choose the folder", lambda: ask_folder(self.out, "Archive"))
        self.pixels = QCheckBox("Keep the pictures, to look at near patients", self)
        self.pixels.setChecked(True)
        self.pixels.setToolTip("Without them the archive holds descriptors alone")
        self.work = LongWork(
            "Building the archive",
            "Build the archive",
            "Describe every slice; minutes for a hundred patients",
            self._make,
            self._built,
            self,
        )
        layout = QVBoxLayout(self)
        layout.addWidget(word_wrapped(HELP))
        layout.addWidget(self.patients)
        layout.addWidget(form(("Archive", side_by_side(self.out, choose))))
        layout.addWidget(self.pixels)
        layout.addWidget(self.work)
        self.resize(440, self.sizeHint().height())

    def done(self, result: int) -> None:
        """Closing the window stops the work."""
        self.work.cancel()
        super().done(result)

    def _make(self) -> Callable[[], Iterator[Any]]:
        patients = self.patients.patients()
        out, pixels = path_in(self.out, "folder for the archive"), self.pixels.isChecked()
        return lambda: _work(patients, out, pixels)

    def _built(self, archive: Archive) -> str:
        self._on_built(archive.folder)
        held_out = archive.calibration.count if archive.calibration else 0
        return (
            f"{archive.folder}: {len(archive)} slices of {len(archive.starts)} patients, "
            f"calibrated on {held_out} others. " + " ".join(archive.remarks)
        )


def _work(patients: RealPatients, out: Path, pixels: bool) -> Iterator[Any]:
    from cmr_synth.evaluation.real_patients import with_slices
    from cmr_synth.privacy.archive_of import archive_of

    def work(slices: SliceSet) -> Iterator[Any]:
        return archive_of(slices, out, pixels=pixels)

    yield from with_slices(patients, out, work)
