"""The desktop app: napari with the plugin's panels in place, and something to start with."""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt

from ._canvas import guard_removal
from ._idle import WhileIdle
from ._long_lived import spare_long_lived
from ._models import load_ahead
from ._panel_bar import PanelBar
from ._pictures import tell_of_pictures
from ._welcome import StartHere

if TYPE_CHECKING:
    import napari

TITLE = "CMR Synth"
WINDOW = (1760, 1000)  # pixels: the picture, and what is beside it
SHARE_OF_SCREEN = 0.95


def open_app(*, lasting: bool = False) -> napari.viewer.Viewer:
    """Open the window; what is heavy is loaded behind it, or when it is used.

    Parameters
    ----------
    lasting : bool
        Whether it is open as long as the program runs; see `_long_lived`.

    Returns
    -------
    napari.viewer.Viewer
        Call `napari.run()` to let it work. A panel that cannot be opened is left out, and the
        reason shown.
    """
    import napari

    from .files.reader import prefer_in_napari

    _spare_the_notice()
    viewer = napari.Viewer(title=TITLE)
    guard_removal(viewer)
    prefer_in_napari()
    tell_of_pictures(viewer)
    _enlarge(viewer)
    bar = PanelBar(viewer)
    viewer.window._qt_window.addToolBar(Qt.ToolBarArea.TopToolBarArea, bar)
    bar.start()
    StartHere(viewer, bar.show_panel)
    last = [partial(spare_long_lived, viewer)] if lasting else []
    WhileIdle(chain(bar.rest(), [load_ahead], last), bar)
    return viewer


def _spare_the_notice() -> None:
    """Leave out napari's word on the end of PyQt5, which whoever installs the app decides about."""
    from napari._qt import qt_main_window

    if hasattr(qt_main_window, "SHOW_QT_WARNING"):
        qt_main_window.SHOW_QT_WARNING = False


def _enlarge(viewer: napari.viewer.Viewer) -> None:
    """Give the panels room, as far as the screen has it; a larger window stays as it is."""
    window = viewer.window._qt_window
    room = window.screen().availableGeometry()
    width = max(window.width(), min(WINDOW[0], int(SHARE_OF_SCREEN * room.width())))
    height = max(window.height(), min(WINDOW[1], int(SHARE_OF_SCREEN * room.height())))
    window.resize(width, height)
