"""The bar above the picture: something to open, and the panels by picture and name."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QSize, Qt
from qtpy.QtWidgets import QDockWidget, QToolBar, QToolButton, QWidget

from ._columns import Columns
from ._icons import icon_of
from ._messages import show_problem
from ._open_menu import OpenMenu
from ._panels import Offered, offered
from ._theme import theme_colour

if TYPE_CHECKING:
    import napari

LETTERS = 12  # of a name in one line below its picture
ICON = 20  # pixels
STYLE = """
QToolBar {{ background: {background}; border: none; padding: 1px 4px; spacing: 1px; }}
QToolButton {{ font-size: 9pt; color: {text}; background: transparent; border: none;
  border-radius: 4px; padding: 2px 5px; }}
QToolButton:hover {{ background: {foreground}; }}
QToolButton:checked {{ background: {current}; }}
QToolButton:disabled {{ color: {primary}; }}
QToolButton::menu-indicator {{ image: none; }}
"""
ROLES = ("background", "text", "foreground", "current", "primary")


class PanelBar(QToolBar):
    """Shows a panel at a click, and takes it away at another one.

    The first panel is made at once. The others are made when they are asked for, or by `rest` one
    after the other.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

    def __init__(self, viewer: napari.viewer.Viewer):
        super().__init__("Panels")
        self.setObjectName("cmr_panels")
        self.setMovable(False)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
        self.columns = Columns(viewer)
        self.columns.changed.connect(self._mark)
        self.open_menu = OpenMenu(viewer)
        self.export_button = QToolButton()
        self.export_button.setText("Export")
        self.export_button.setToolTip("Save layers as NIfTI, DICOM, DICOM SEG, nnU-Net or PNG")
        self.export_button.clicked.connect(self._export)
        self._dialog: QWidget | None = None
        self.addWidget(self.open_menu)
        self.addWidget(self.export_button)
        self.addSeparator()
        self.buttons: dict[str, QToolButton] = {}
        self._offered: dict[str, Offered] = {}
        self._docks: dict[str, QDockWidget | None] = {}
        for panel in offered(viewer):
            self._add(panel)
        for button in (self.open_menu, self.export_button, *self.buttons.values()):
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
            button.setIconSize(QSize(ICON, ICON))
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # the keys stay with the picture
        self._paint()

    def start(self) -> None:
        """Show the first panel, and the one beside it, if there is room for one."""
        titles = list(self.buttons)
        for title in [*self.columns.besides(titles), *titles[:1]]:
            self.show_panel(title)

    def rest(self) -> Iterator[Callable[[], object]]:
        """What makes each of the other panels, behind those in front."""
        for title in self.buttons:
            if title not in self._docks:
                yield partial(self._open, title)

    def show_panel(self, title: str) -> QDockWidget | None:
        """Bring a panel to the front of its column.

        Parameters
        ----------
        title : str
            As under its picture, on one line.

        Returns
        -------
        QDockWidget or None
            None if it cannot be made; the reason is shown.
        """
        dock = self._open(title)
        if dock is not None:
            self.columns.show(dock)
        return dock

    def open_all(self) -> None:
        """Make every panel now that is not there yet; what is in front stays so."""
        for title in self.buttons:
            self._open(title)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt's name)
        """Paint again in the colours of another theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_docks"):
            self._paint()

    def _add(self, panel: Offered) -> None:
        button = QToolButton()
        button.setText(textwrap.fill(panel.title, LETTERS, break_long_words=False))
        button.setToolTip(panel.title)
        button.setAccessibleName(panel.title)
        button.setCheckable(True)
        button.clicked.connect(lambda on, title=panel.title: self._on_click(title, on))
        self.addWidget(button)
        self.buttons[panel.title] = button
        self._offered[panel.title] = panel

    def _export(self, *_: object) -> None:
        from .export.dialog import ExportDialog

        dialog = ExportDialog(self.open_menu.viewer, self.window())
        dialog.finished.connect(lambda *_: setattr(self, "_dialog", None))
        self._dialog = dialog  # while it is open, for Python would let go of it
        dialog.show()

    def _on_click(self, title: str, on: bool) -> None:
        if on:
            self.show_panel(title)
            return
        dock = self._docks.get(title)
        if dock is not None and isalive(dock):
            dock.hide()

    def _open(self, title: str) -> QDockWidget | None:
        known = self._docks.get(title)
        if known is not None and isalive(known):
            return known
        button = self.buttons[title]
        window = self.window()
        window.setUpdatesEnabled(False)  # a dock is shown where napari puts it, for a moment
        try:
            dock = self._offered[title].open()
            self.columns.add(dock)
        except Exception as error:  # the other panels work without it
            show_problem(error)
            button.setChecked(False)
            button.setEnabled(False)
            button.setToolTip(f"{title}: cannot be opened ({error})")
            self._docks[title] = None
            return None
        finally:
            window.setUpdatesEnabled(True)
        self._docks[title] = dock
        return dock

    def _mark(self) -> None:
        """Press the buttons of those that are shown."""
        for title, dock in self._docks.items():
            there = dock is not None and isalive(dock) and not dock.isHidden()
            self.buttons[title].setChecked(there)

    def _paint(self) -> None:
        ink = theme_colour("text")
        style = STYLE.format(**{role: theme_colour(role) for role in ROLES})
        if style != self.styleSheet():
            self.setStyleSheet(style)
        self.open_menu.setIcon(icon_of("Open", ink, ICON))
        self.export_button.setIcon(icon_of("Export", ink, ICON))
        for title, button in self.buttons.items():
            button.setIcon(icon_of(title, ink, ICON))
