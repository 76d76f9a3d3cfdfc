"""Synthetic pictures as thumbnails to choose from, before any becomes a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import QAbstractItemView, QListWidget, QListWidgetItem, QWidget

from .._thumbnails import as_thumbnails, pixmap_of

if TYPE_CHECKING:
    from cmr_synth.synthesis.record import Synthetic


class Gallery(QListWidget):
    """Thumbnails of one slice of several synthetic scans; a click chooses, another one unchooses.

    Each is cut to the part that the model's grid reaches, and drawn with square millimetres.
    """

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        as_thumbnails(self)
        self.setSelectionMode(QAbstractItemView.SelectionMode.MultiSelection)
        self._synthetic: list[Synthetic] = []
        self._place = (0, 0)

    def add(self, synthetic: Synthetic) -> None:
        """Append a scan, named by its seed."""
        self._synthetic.append(synthetic)
        item = QListWidgetItem(f"seed {synthetic.record['seed']}")
        item.setTextAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.addItem(item)
        self._draw(self.count() - 1)

    def chosen(self) -> list[Synthetic]:
        """The scans that are selected, in the order of their seeds."""
        return [self._synthetic[row] for row in range(self.count()) if self.item(row).isSelected()]

    def show_slice(self, frame: int, k: int) -> None:
        """Show another slice of every scan, where it was made.

        Parameters
        ----------
        frame, k : int
            Counted from 0; `frame` is left out of account unless the scan is a cine.
        """
        if (frame, k) == self._place:
            return
        self._place = (frame, k)
        for row in range(self.count()):
            self._draw(row)

    def clear(self) -> None:
        """Forget all scans."""
        super().clear()
        self._synthetic.clear()

    def _draw(self, row: int) -> None:
        synthetic = self._synthetic[row]
        frame, k = self._place
        scan = synthetic.scan
        stack = scan.array[min(frame, scan.n_frames - 1)] if scan.is_cine else scan.array
        plane = stack[min(k, scan.n_slices - 1)]
        if not plane.any():
            if not self.item(row).icon().isNull():
                return  # was not made: the slice that is shown stays
            drawn = np.argwhere(scan.array.any(axis=(-2, -1)))
            plane = scan.array[tuple(drawn[len(drawn) // 2])] if len(drawn) else plane
        covered = synthetic.record["covered"]
        plane = plane[slice(*covered["rows"]), slice(*covered["columns"])]
        self.item(row).setIcon(QIcon(pixmap_of(plane, scan.spacing[1:])))
