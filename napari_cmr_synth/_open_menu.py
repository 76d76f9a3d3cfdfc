"""Sample data and files of one's own, two clicks away."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtGui import QAction
from qtpy.QtWidgets import QFileDialog, QMenu, QToolButton, QWidget

from ._manifest import PLUGIN, samples
from ._masks import unwrapped
from ._messages import show_problem

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
        try:
            layers = self.viewer.open_sample(PLUGIN, key)
        except Exception as error:  # a sample that is made may fail as any synthesis
            show_problem(error)
            return
        look_at(self.viewer, layers)

    def _ask(self) -> None:
        kinds = "Scans and masks (*.nii *.nii.gz *.dcm);;All files (*)"
        paths, _ = QFileDialog.getOpenFileNames(self, "Open scans or masks", "", kinds)
        self._open(paths)

    def _ask_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Open a folder of DICOM files")
        self._open([folder] if folder else [])

    def _open(self, paths: list[str]) -> None:
        if not paths:
            return
        try:
            layers = self.viewer.open(paths, plugin=PLUGIN)
        except Exception as error:  # a reader's InputError among them; shown as one line
            show_problem(error)
            return
        look_at(self.viewer, layers)


def look_at(viewer: Any, layers: list[Any]) -> None:
    """Show the middle slice; papillary level, where LV, myocardium and RV are all seen.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    layers : list of napari layers
        The last of them is selected.
    """
    if not layers:
        return
    layer = layers[-1]
    viewer.layers.selection.active = layer
    if layer.ndim > 2:
        first, last = layer.extent.world[:, -3]
        viewer.dims.set_point(viewer.dims.ndim - 3, (first + last) / 2)
    viewer.reset_view()
