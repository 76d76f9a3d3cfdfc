"""The panels in the window: those of the manifest, then those of other packages.

Another package adds one as an entry point of the group `cmr_synth.panels`, a title and a widget
that takes the viewer.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QDockWidget, QWidget

from cmr_synth import extensions

from ._manifest import PLUGIN, panels
from ._masks import unwrapped
from ._messages import show_problem

if TYPE_CHECKING:
    import napari

GROUP = "cmr_synth.panels"
WHAT = "panel"


@dataclass(frozen=True)
class Offered:
    """A panel that can be opened.

    Attributes
    ----------
    title : str
        Under its picture in the bar, and of its dock.
    open : callable
        Gives the dock, which is made the first time and after it was closed; raises whatever its
        widget raises.
    """

    title: str
    open: Callable[[], QDockWidget]


def offered(viewer: napari.viewer.Viewer) -> list[Offered]:
    """Every panel, in the order of the manifest, then of the entry points; none is made yet.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """
    own = panels()
    known: Callable[[], Any] = weakref.ref(unwrapped(viewer))  # the window outlives no viewer
    return [
        Offered(
            title,
            partial(_open_ours, known, title)
            if title in own
            else partial(_open_theirs, known, entry),
        )
        for title, entry in _entries().items()
    ]


def _entries() -> dict[str, EntryPoint]:
    try:
        return extensions.declared(GROUP, panels(), what=WHAT)
    except ValueError as error:  # two of one title: ours are there all the same
        show_problem(str(error))
        return {title: EntryPoint(title, place, GROUP) for title, place in panels().items()}


def _open_ours(known: Callable[[], Any], title: str) -> QDockWidget:
    viewer = known()
    dock: QDockWidget = viewer.window.add_plugin_dock_widget(PLUGIN, title)[0]
    dock.setWindowTitle(title)  # napari adds the plugin's name, too long for a narrow panel
    dock.title.title.setText(title)
    return dock


def _open_theirs(known: Callable[[], Any], entry: EntryPoint) -> QDockWidget:
    viewer = known()
    for dock in viewer.window._qt_window.findChildren(QDockWidget):
        if dock.property(GROUP) == entry.name:
            return dock
    make = extensions.load(
        entry, what=WHAT, fault=lambda found: None if callable(found) else "it is no widget"
    )
    try:
        widget: Any = make(viewer)
    except Exception as error:  # whatever somebody else's widget does
        raise extensions.refusal(entry, WHAT, extensions.reason_of(error)) from error
    if not isinstance(widget, QWidget):
        raise extensions.refusal(entry, WHAT, f"it makes a {type(widget).__name__}, no widget")
    dock = viewer.window.add_dock_widget(widget, name=entry.name, area="right")
    dock.setProperty(GROUP, entry.name)
    return dock
