"""The measurements of a mask to take away: a window with plots, a page, and a table for Excel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QFileDialog, QVBoxLayout, QWidget

from cmr_synth.errors import InputError

from .._frame import PanelFrame
from .._layout import button
from .._messages import show_note, show_problem

if TYPE_CHECKING:
    from cmr_synth.anatomy.measured import Measured

SIZE = (560, 760)


class TakeAway(QDialog):
    """Shows all that was measured; stays open beside the picture.

    Parameters
    ----------
    measured : Measured
    parent : QWidget
    """

    def __init__(self, measured: Measured, parent: QWidget):
        from cmr_synth.reports.measurements import measurements_report

        super().__init__(parent)
        self.setWindowTitle(f"Measurements of {measured.name}")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.measured = measured
        self.frame = PanelFrame("", self)
        self.frame.content = measurements_report(measured)
        self.csv_button = button(
            "Save as CSV...", "Every number in a row of its own, for spreadsheets", self._ask
        )
        layout = QVBoxLayout(self)
        layout.addWidget(self.frame, 1)
        layout.addWidget(self.csv_button)
        room = parent.screen().availableGeometry()
        self.resize(min(SIZE[0], room.width()), min(SIZE[1], room.height() - 80))

    def _ask(self) -> None:
        name = f"{self.measured.name}.csv"
        path, _ = QFileDialog.getSaveFileName(self, "Save the numbers", name, "Table (*.csv)")
        if path:
            save_csv(self.measured, path)


def save_csv(measured: Measured, path: str) -> None:
    """Write the table; says where, or what went wrong."""
    from cmr_synth.reports.measurements import write_csv

    try:
        written = write_csv([measured], path if path.lower().endswith(".csv") else f"{path}.csv")
    except InputError as error:
        show_problem(error)
        return
    show_note(f"Saved {written}")
