"""What was asked of a mask and what it measures now, line by line."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from cmr_synth.anatomy.dials import Effect

COLUMNS = {
    "": "Volumes by Simpson's rule; thickness along rays from the LV's centre.",
    "Before": "Of the mask without the dials.",
    "Asked": "What the dials together ask for.",
    "Now": "Of the mask as it is now.",
}
ROW = 22  # pixels


class EffectsTable(QTableWidget):
    """Before, requested, measured.

    Parameters
    ----------
    parent : QWidget, optional
    """

    def __init__(self, parent: QWidget | None = None):
        super().__init__(0, len(COLUMNS), parent)
        self.setHorizontalHeaderLabels(list(COLUMNS))
        for column, tip in enumerate(COLUMNS.values()):
            self.horizontalHeaderItem(column).setToolTip(tip)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.verticalHeader().setVisible(False)
        self.verticalHeader().setDefaultSectionSize(ROW)
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.setWordWrap(False)
        self.setMinimumHeight(5 * ROW)

    def show_effects(self, effects: tuple[Effect, ...]) -> None:
        """Show these; none empties it."""
        self.setRowCount(len(effects))
        for row, effect in enumerate(effects):
            name = effect.name + (f" ({effect.unit})" if effect.unit else "")
            cells = [name, *(f"{v:.3g}" for v in (effect.before, effect.asked, effect.measured))]
            for column, text in enumerate(cells):
                item = QTableWidgetItem(text)
                if column:
                    right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                    item.setTextAlignment(right)
                item.setToolTip(name)
                self.setItem(row, column, item)
