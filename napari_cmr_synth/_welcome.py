"""*Start here*: what is seen while nothing is open, in place of napari's own welcome."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QLabel,
    QMenu,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ._manifest import samples
from ._masks import unwrapped
from ._opening import ask_for_a_folder, ask_for_files, open_sample

PAINTED = "drawn_normal"  # the sample that painting begins with

STYLE = """
QPushButton { font-size: 12pt; font-weight: bold; padding: 14px; text-align: left; }
QLabel#title { font-size: 20pt; font-weight: bold; }
"""


class StartHere(QWidget):
    """Four ways to begin, over the empty canvas.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    open_panel : callable
        Shows the panel of a title, as in the manifest, and returns its dock; None if it cannot.
    """

    def __init__(self, viewer: Any, open_panel: Callable[[str], Any]):
        viewer = unwrapped(viewer)
        self._known: Callable[[], Any] = weakref.ref(viewer)
        self._open_panel = open_panel
        qt_viewer = viewer.window._qt_viewer
        canvas = qt_viewer.canvas.native
        super().__init__(canvas)
        if hasattr(qt_viewer, "show_welcome_screen"):
            qt_viewer.show_welcome_screen = False
        self.setObjectName("start_here")
        self.setStyleSheet(STYLE)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        title = QLabel("Start here")
        title.setObjectName("title")
        self.examples = QMenu(self)
        for key, shown in samples().items():
            self.examples.addAction(shown).triggered.connect(
                lambda _=False, key=key: open_sample(self.viewer, key)
            )
        self.buttons = {
            "paint": _big("Paint a heart", "Begin with a drawn heart and change it with the brush"),
            "scan": _big("Open a scan...", "NIfTI or DICOM files, with masks if there are any"),
            "folder": _big("Open a DICOM folder...", "One examination"),
            "patients": _big("Open a folder of patients...", "A list to work through, one by one"),
            "example": _big("An example", "Hearts drawn in code, real slices, a synthetic stack"),
        }
        self.buttons["paint"].clicked.connect(self.paint)
        self.buttons["scan"].clicked.connect(lambda: ask_for_files(self.viewer, self))
        self.buttons["folder"].clicked.connect(lambda: ask_for_a_folder(self.viewer, self))
        self.buttons["patients"].clicked.connect(self._ask_for_patients)
        self.buttons["example"].setMenu(self.examples)
        grid = QGridLayout()
        for row, (button, tip) in enumerate((b, b.toolTip()) for b in self.buttons.values()):
            words = QLabel(tip)
            words.setWordWrap(True)
            grid.addWidget(button, row, 0)
            grid.addWidget(words, row, 1)
        grid.setColumnStretch(1, 1)
        grid.setHorizontalSpacing(14)
        inner = QWidget()
        inner.setMaximumWidth(680)
        column = QVBoxLayout(inner)
        column.addWidget(title)
        column.addLayout(grid)
        column.addWidget(QLabel("Or drop files here."))
        layout = QVBoxLayout(self)
        layout.addStretch(1)
        layout.addWidget(inner, 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addStretch(2)
        canvas.installEventFilter(self)
        # napari keeps weak references to methods, so nothing has to be disconnected at the end
        viewer.layers.events.inserted.connect(self._layers_changed)
        viewer.layers.events.removed.connect(self._layers_changed)
        self.setGeometry(canvas.rect())
        self._layers_changed()

    @property
    def viewer(self) -> Any:
        """The viewer that things are opened in."""
        return self._known()  # a page of a window keeps no window

    def paint(self) -> None:
        """Open a drawn heart with the brush in hand, and the panel to paint with."""
        layers = open_sample(self.viewer, PAINTED)
        if layers:
            layers[-1].mode = "paint"
            layers[-1].selected_label = 1
            self._open_panel("Heart mask")

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 (Qt's name)
        """Cover the canvas, whatever its size."""
        if event.type() == QEvent.Type.Resize:
            self.setGeometry(watched.rect())
        return False

    def _layers_changed(self, _event: Any = None) -> None:
        if isalive(self):
            self.setVisible(not self.viewer.layers)

    def _ask_for_patients(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of patients")
        if folder:
            dock = self._open_panel("Patients")
            if dock is not None:
                dock.inner_widget().open_folder(folder)


def _big(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    return button
