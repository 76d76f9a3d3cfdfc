"""The desktop app: napari with the plugin's panels in place, and something to start with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QDockWidget,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QPushButton,
    QTabBar,
    QTabWidget,
    QWidget,
)

from ._canvas import guard_removal
from ._manifest import PLUGIN, samples
from ._masks import unwrapped
from ._messages import show_problem
from ._panels import open_panels
from .export.button import export_button

if TYPE_CHECKING:
    import napari

TITLE = "CMR Synth"

TAB_STYLE = "QTabBar::tab { font-size: 11px; padding: 4px 4px; min-width: 0px; }"

WINDOW = (1760, 1000)  # pixels: canvas and two columns of panels
WIDE = 1600  # from which the first panel gets a column of its own
COLUMN = 380  # in which every button of the panels can be read
SHARE_OF_SCREEN = 0.95


def open_app() -> napari.viewer.Viewer:
    """Open the window; nothing heavy is loaded before it is used.

    Returns
    -------
    napari.viewer.Viewer
        Call `napari.run()` to let it work. A panel that cannot be opened is left out, and the
        reason shown.
    """
    import napari

    from .files.reader import prefer_in_napari

    viewer = napari.Viewer(title=TITLE)
    guard_removal(viewer)
    prefer_in_napari()
    _enlarge(viewer)
    viewer.window.add_dock_widget(
        StartBar(viewer), name="Start", area="top", allowed_areas=["top", "bottom"]
    )
    _arrange(viewer.window._qt_window, open_panels(viewer))
    return viewer


def _arrange(window: QMainWindow, docks: list[QDockWidget]) -> None:
    """The first panel beside the others, which are tabs; all are tabs in a narrow window.

    Painting and the live picture of what is painted then go on side by side.
    """
    right = Qt.DockWidgetArea.RightDockWidgetArea
    window.setTabPosition(right, QTabWidget.TabPosition.North)
    if not docks:
        return
    window.addDockWidget(right, docks[0])
    tabs = docks
    if window.width() >= WIDE and len(docks) > 1:
        window.splitDockWidget(docks[0], docks[1], Qt.Orientation.Horizontal)
        tabs = docks[1:]
    for dock in tabs[1:]:
        window.tabifyDockWidget(tabs[0], dock)
    tabs[0].raise_()
    for bar in window.findChildren(QTabBar):
        if bar.parent() is window:  # of docks, not of what is in them
            bar.setStyleSheet(TAB_STYLE)
    beside = docks[:2] if tabs is not docks else docks[:1]
    widths = [COLUMN] * len(beside)
    later = QTimer(window)  # widths given before the window is laid out are forgotten
    later.setSingleShot(True)
    later.timeout.connect(lambda: window.resizeDocks(beside, widths, Qt.Orientation.Horizontal))
    later.start(0)


class StartBar(QWidget):
    """Sample data and files, one click away.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    parent : QWidget, optional
    """

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None):
        super().__init__(parent)
        self._viewer = unwrapped(viewer)
        self.buttons: dict[str, QPushButton] = {}
        row = QHBoxLayout(self)
        row.setContentsMargins(6, 2, 6, 2)
        row.addWidget(QLabel("Start with"))
        for key, shown in samples().items():
            button = QPushButton(shown)
            button.clicked.connect(lambda _=False, key=key: self.open_sample(key))
            self.buttons[key] = button
            row.addWidget(button)
        self.file_button = QPushButton("A file...")
        self.file_button.setToolTip("Open a scan or mask; dropping it on the window does the same")
        self.file_button.clicked.connect(self._ask)
        row.addWidget(self.file_button)
        row.addStretch(1)
        row.addWidget(export_button(self._viewer))

    def open_sample(self, key: str) -> None:
        """Open sample data, and look at the middle of the heart."""
        try:
            layers = self._viewer.open_sample(PLUGIN, key)
        except Exception as error:  # a sample that is made may fail as any synthesis
            show_problem(error)
            return
        self._look_at(layers)

    def _ask(self) -> None:
        kinds = "Scans and masks (*.nii *.nii.gz *.dcm);;All files (*)"
        paths, _ = QFileDialog.getOpenFileNames(self, "Open scans or masks", "", kinds)
        if not paths:
            return
        try:
            layers = self._viewer.open(paths, plugin=PLUGIN)
        except Exception as error:  # a reader's InputError among them; shown as one line
            show_problem(error)
            return
        self._look_at(layers)

    def _look_at(self, layers: list[Any]) -> None:
        """Show the middle slice; papillary level, where LV, myocardium and RV are all seen."""
        if not layers:
            return
        viewer, layer = self._viewer, layers[-1]
        viewer.layers.selection.active = layer
        if layer.ndim > 2:
            first, last = layer.extent.world[:, -3]
            viewer.dims.set_point(viewer.dims.ndim - 3, (first + last) / 2)
        viewer.reset_view()


def _enlarge(viewer: napari.viewer.Viewer) -> None:
    """Give the panels room, as far as the screen has it; a larger window stays as it is."""
    window = viewer.window._qt_window
    room = window.screen().availableGeometry()
    width = max(window.width(), min(WINDOW[0], int(SHARE_OF_SCREEN * room.width())))
    height = max(window.height(), min(WINDOW[1], int(SHARE_OF_SCREEN * room.height())))
    window.resize(width, height)
