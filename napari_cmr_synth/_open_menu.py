"""Sample data and files of one's own, two clicks away."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtGui import QAction
from qtpy.QtWidgets import QMenu, QToolButton, QWidget

from ._manifest import samples
from ._masks import unwrapped
from ._opening import ask_for_a_folder, ask_for_files, open_sample

if TYPE_CHECKING:
    import napari


class OpenMenu(QToolButton):
    """A button with a menu.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    parent : QWidget, optional
    """

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None):
        super().__init__(parent)
        self._known: Callable[[], Any] = weakref.ref(unwrapped(viewer))
        self.setText("Open")
        self.setToolTip("Open a scan, a mask or an example")
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self)
        self.file_action: QAction = menu.addAction("Scan or mask...")
        self.file_action.setToolTip("Dropping a file on the window does the same")
        self.file_action.triggered.connect(self._ask)
        self.folder_action: QAction = menu.addAction("DICOM folder...")
        self.folder_action.triggered.connect(self._ask_folder)
        menu.addSection("Examples")
        self.samples: dict[str, QAction] = {}
        for key, shown in samples().items():
            action = menu.addAction(shown)
            action.triggered.connect(lambda _=False, key=key: self.open_sample(key))
            self.samples[key] = action
        self.setMenu(menu)

    @property
    def viewer(self) -> Any:
        """The viewer that things are opened in."""
        return self._known()  # a menu keeps no window

    def open_sample(self, key: str) -> None:
        """Open sample data, and look at the middle of the heart."""
        open_sample(self.viewer, key)

    def _ask(self) -> None:
        ask_for_files(self.viewer, self)

    def _ask_folder(self) -> None:
        ask_for_a_folder(self.viewer, self)
