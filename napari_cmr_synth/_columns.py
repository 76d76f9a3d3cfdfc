"""Where the panels stand: beside the picture, one at a time, and the picture keeps half the window.

A window with room for it has two columns, so that painting and the live picture of what is painted
go on side by side; then the first of them belongs to the heart mask. Panels that the user floats or
moves elsewhere are left alone.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject, Qt, Signal
from qtpy.QtWidgets import QComboBox, QDockWidget, QMainWindow, QPushButton, QStackedWidget, QWidget
from superqt.utils import QSignalThrottler

from ._listening import Listening

if TYPE_CHECKING:
    import napari

TWO_COLUMNS = 1900  # pixels of the window from which there are two
OF_ITS_OWN = "Heart mask"  # the panel in the first of two columns
WIDEST = 440  # pixels of a column; more makes a panel no better
LAYERS = 288  # pixels of napari's own column, enough for its row of eight tools
CHOICE = 100  # pixels of a choice in it, "translucent"
SAMPLE = 28  # pixels of the colours beside it
BESIDE_SAMPLE = 86  # pixels of the choice there, of which "gray" needs 70
FITS = 4  # times at most, until Qt has taken the widths
SLIM = "cmr_slim"  # property of controls that were made narrow
CLOSE = 1  # pixel between its tools
LINE = 13  # pixels that napari leaves between docks
SHARE_OF_PICTURE = 0.5
SETTLED_MS = 40  # until controls of a new layer are laid out

_RIGHT = Qt.DockWidgetArea.RightDockWidgetArea
_ACROSS = Qt.Orientation.Horizontal


class Columns(QObject):
    """Shows one panel a column.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

    changed = Signal()
    """A panel was shown or hidden."""

    def __init__(self, viewer: napari.viewer.Viewer):
        window: QMainWindow = viewer.window._qt_window
        super().__init__(window)
        # napari wants its window to be forgotten with the last one who asks for it
        self._viewer = weakref.ref(viewer.window._qt_viewer)
        self._docks: list[QDockWidget] = []
        self._busy = False
        self._fits = 0
        self._two = self._room_for_two()
        # sizes given before a layout are forgotten; and it must not wait for the last panel
        self._soon = QSignalThrottler(QSignalThrottler.EmissionPolicy.Trailing, self)
        self._soon.setTimeout(SETTLED_MS)
        self._soon.triggered.connect(self._fit)
        window.installEventFilter(self)
        layers = viewer.layers
        changes = (layers.events.inserted, layers.selection.events.changed)
        Listening(self).to(*changes, call=self._on_layers)

    def add(self, dock: QDockWidget) -> None:
        """Take a dock in, hidden until it is shown."""
        if dock in self._docks:
            return
        self._docks.append(dock)
        dock.installEventFilter(self)
        dock.hide()
        self._place()

    def besides(self, titles: list[str]) -> list[str]:
        """Of these titles, that of the panel with a column of its own, if there is one now."""
        return [title for title in titles if self._two and title == OF_ITS_OWN]

    def show(self, dock: QDockWidget) -> None:
        """Bring a panel to the front of its column."""
        was, self._busy = self._busy, True
        try:
            for other in self._column_of(dock):
                if other is not dock:
                    other.hide()
            dock.show()
            dock.raise_()
        finally:
            self._busy = was
        self.changed.emit()
        self._soon.throttle()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 (Qt's name)
        """Follow the window's size, and docks that others show, such as napari's own menu."""
        kind = event.type()
        if watched is self._window:
            if kind == QEvent.Type.Resize:
                self._soon.throttle()
        elif kind == QEvent.Type.ShowToParent and not self._busy:
            self.show(watched)
        elif kind in (QEvent.Type.ShowToParent, QEvent.Type.HideToParent):
            self.changed.emit()
        return False

    @property
    def _window(self) -> QMainWindow:
        return self.parent()

    def _room_for_two(self) -> bool:
        return bool(self._window.width() >= TWO_COLUMNS)

    def _ours(self) -> list[QDockWidget]:
        """Docks that are still there and where they were put."""
        self._docks = [dock for dock in self._docks if isalive(dock)]
        return [
            dock
            for dock in self._docks
            if not dock.isFloating() and self._window.dockWidgetArea(dock) == _RIGHT
        ]

    def _column_of(self, dock: QDockWidget) -> list[QDockWidget]:
        ours = self._ours()
        if dock not in ours:
            return []
        if not self._two:
            return ours
        alone = dock.windowTitle() == OF_ITS_OWN
        return [other for other in ours if (other.windowTitle() == OF_ITS_OWN) == alone]

    def _on_layers(self, _event: Any = None) -> None:
        self._soon.throttle()  # layers of another kind, or several, bring wider controls

    def _place(self) -> None:
        """Put each dock into its column; what is shown stays so, as far as a column shows one."""
        was, self._busy = self._busy, True
        try:
            window, ours = self._window, self._ours()
            shown = [dock for dock in ours if not dock.isHidden()]
            alone = [dock for dock in ours if self._two and dock.windowTitle() == OF_ITS_OWN]
            others = [dock for dock in ours if dock not in alone]
            for dock in ours:
                window.removeDockWidget(dock)
            for column in (alone, others):
                for dock in column[:1]:
                    window.addDockWidget(_RIGHT, dock, _ACROSS)
                for dock in column[1:]:
                    window.addDockWidget(_RIGHT, dock)
                    window.tabifyDockWidget(column[0], dock)
                for dock in column:
                    dock.setVisible(dock in shown and dock is [d for d in column if d in shown][0])
        finally:
            self._busy = was
        self._soon.throttle()

    def _fit(self) -> None:
        """Share the width: half of it is the picture's, the rest of napari's column and ours."""
        if self._room_for_two() != self._two:
            self._two = not self._two
            self._place()
        viewer = self._viewer()
        if viewer is None:
            return
        _slim(viewer)
        panels = [dock for dock in self._ours() if dock.isVisible()]
        layers = [
            dock
            for dock in (viewer.dockLayerControls, viewer.dockLayerList)
            if dock.isVisible() and not dock.isFloating()
        ]
        rest = (1 - SHARE_OF_PICTURE) * self._window.width()
        rest -= LINE * (len(panels) + bool(layers)) + LAYERS * bool(layers)
        needed = [dock.minimumSizeHint().width() for dock in panels]
        spare = max(0, rest - sum(needed)) / max(1, len(panels))
        widths = [max(least, min(WIDEST, int(least + spare))) for least in needed]
        self._window.resizeDocks([*layers, *panels], [LAYERS] * len(layers) + widths, _ACROSS)
        narrow = any(dock.width() < width for dock, width in zip(panels, widths, strict=True))
        self._fits = self._fits + 1 if narrow else 0
        if narrow and self._fits < FITS:  # it forgets what comes while it lays docks out
            self._soon.throttle()
        else:
            self._fits = 0


def _slim(viewer: Any) -> None:
    """Let napari's layer controls be as narrow as their column.

    A choice is as wide as its longest entry otherwise, "translucent_no_depth", and takes 50 pixels
    from the picture; the one that is chosen is nearly always shorter. Tools stand close together.
    """
    controls = viewer.dockLayerControls
    stack = controls.findChild(QStackedWidget)
    for page in () if stack is None else map(stack.widget, range(stack.count())):
        if page.property(SLIM):
            continue
        page.setProperty(SLIM, True)
        if hasattr(page, "button_grid"):
            page.button_grid.setSpacing(CLOSE)
        for combo in page.findChildren(QComboBox):
            combo.setMinimumWidth(CHOICE)
        for sample in page.findChildren(QPushButton, "colorbar"):
            sample.setMinimumWidth(SAMPLE)
            for combo in sample.parentWidget().findChildren(QComboBox):
                combo.setMinimumWidth(BESIDE_SAMPLE)
        for part in (*page.findChildren(QWidget), page):
            if part.layout() is not None:
                part.layout().invalidate()  # what is hidden does not notice
                part.updateGeometry()
        page.updateGeometry()
    controls.setMinimumWidth(0)  # what its widest page needed before
    for around in (controls.widget(), controls):
        around.layout().invalidate()
        around.updateGeometry()
