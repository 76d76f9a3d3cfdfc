"""The panels in the window: those of the manifest, then those of other packages.

Another package adds one as an entry point of the group `cmr_synth.panels`, a title and a widget
that takes the viewer. A widget may state in `tab` a shorter word for its tab.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QDockWidget, QWidget

from cmr_synth import extensions

from ._manifest import PLUGIN, panels
from ._messages import show_problem

if TYPE_CHECKING:
    import napari

GROUP = "cmr_synth.panels"
WHAT = "panel"


def open_panels(viewer: napari.viewer.Viewer) -> list[QDockWidget]:
    """Open every panel; one that cannot be opened is left out, and the reason shown.

    Parameters
    ----------
    viewer : napari.viewer.Viewer

    Returns
    -------
    list of QDockWidget
        In the order of the manifest, then of the entry points.
    """
    own, docks = panels(), []
    for title, entry in _entries().items():
        try:
            if title in own:
                dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, title)
            else:
                dock, widget = _open_theirs(viewer, entry)
        except Exception as error:  # the other panels work without it
            show_problem(error)
            continue
        # napari adds the plugin's name, too long for a tab
        dock.setWindowTitle(getattr(widget, "tab", title))
        docks.append(dock)
    return docks


def _entries() -> dict[str, EntryPoint]:
    try:
        return extensions.declared(GROUP, panels(), what=WHAT)
    except ValueError as error:  # two of one title: ours are there all the same
        show_problem(str(error))
        return {title: EntryPoint(title, place, GROUP) for title, place in panels().items()}


def _open_theirs(viewer: napari.viewer.Viewer, entry: EntryPoint) -> tuple[QDockWidget, QWidget]:
    make = extensions.load(
        entry, what=WHAT, fault=lambda found: None if callable(found) else "it is no widget"
    )
    try:
        widget: Any = make(viewer)
    except Exception as error:  # whatever somebody else's widget does
        raise extensions.refusal(entry, WHAT, extensions.reason_of(error)) from error
    if not isinstance(widget, QWidget):
        raise extensions.refusal(entry, WHAT, f"it makes a {type(widget).__name__}, no widget")
    return viewer.window.add_dock_widget(widget, name=entry.name, area="right"), widget
