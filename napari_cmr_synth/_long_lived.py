"""What lasts as long as the program is left out of Python's search for garbage.

napari searches for it whenever a layer is removed, and looks at every object of every library for
that: with torch and all panels there it holds the window for 0.6 s.
"""

from __future__ import annotations

import gc
from typing import Any

from qtpy.QtCore import QTimer

from ._masks import unwrapped


def spare_long_lived(viewer: Any) -> None:
    """Search no more through what is there now, libraries and window, or soon.

    While there are layers, which come and go, it waits until there is none. Only for a program
    whose window lasts as long as it does: what is spared is freed by its count of references alone.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """
    layers = unwrapped(viewer).layers

    def spare(event: Any = None) -> None:
        if not layers:
            layers.events.removed.disconnect(soon)
            gc.freeze()

    def soon(event: Any = None) -> None:
        QTimer.singleShot(0, spare)  # napari is still busy with the one that was removed

    layers.events.removed.connect(soon)
    spare()
