"""Which masks hold work that is in no file, and the question about them when the window is closed.

What a mask looked like when it was opened or saved last is kept as a checksum, so that painting and
taking it back is no work lost. Synthetic pictures are not asked about: mask, seed and settings make
them again.
"""

from __future__ import annotations

import weakref
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QMessageBox

from ._masks import OVERLAY, unwrapped

Save = Callable[[Any, Any, list[Any]], object]

MOST_NAMES = 4  # of masks that the question lists

_saved: weakref.WeakKeyDictionary[Any, int | None] = weakref.WeakKeyDictionary()
"""Checksum of each mask as it is on disk or in the package; None for what came from neither."""
_watched: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()


def watch(viewer: Any, save: Save) -> None:
    """Ask before a window is closed by its user while masks are unsaved.

    Closing by a program (`viewer.close()`) asks nothing, as napari does it.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Watched once, however often this is called; one without a window is left alone.
    save : callable
        Takes viewer, window and masks, and lets the user save them.
    """
    viewer = unwrapped(viewer)
    window = getattr(getattr(viewer, "window", None), "_qt_window", None)
    if window is None or _watched.get(id(viewer)) is viewer:
        return
    _watched[id(viewer)] = viewer
    for layer in viewer.layers:
        _note_opened(layer)
    viewer.layers.events.inserted.connect(lambda event: _note_opened(event.value))
    _Guard(viewer, window, save)


def note_saved(layers: Sequence[Any], *, as_written: Sequence[Any] | None = None) -> None:
    """Remember that layers are in a file.

    Parameters
    ----------
    layers : sequence of layers
    as_written : sequence of array, optional
        What was written of each, where it may have been painted on since; by default its voxels as
        they are now.
    """
    written = [layer.data for layer in layers] if as_written is None else as_written
    for layer, voxels in zip(layers, written, strict=True):
        if _can_hold_work(layer):
            _saved[layer] = _checksum(voxels)


def unsaved_masks(viewer: Any) -> list[Any]:
    """Labels layers with voxels that no file has, in the order of the layer list."""
    return [layer for layer in unwrapped(viewer).layers if _is_unsaved(layer)]


class _Guard(QObject):
    """Looks at the window's close events, and at napari's entries Close and Exit."""

    def __init__(self, viewer: Any, window: Any, save: Save):
        super().__init__()  # without a parent, which would keep it, and by it the window, for ever
        self._viewer = weakref.ref(viewer)
        self._window = weakref.ref(window)
        self._save = save
        window.installEventFilter(self)
        window.close = self._asked_close  # what napari's menu calls with `confirm_need`

    def _asked_close(self, quit_app: bool = False, confirm_need: bool = False) -> Any:
        window = self._window()
        if window is None:
            return None
        agreed = self._ask(window) if confirm_need else None
        if agreed is False:
            return None
        confirm = confirm_need and not agreed  # napari would ask a second time
        return type(window).close(window, quit_app=quit_app, confirm_need=confirm)

    def eventFilter(self, watched: Any, event: Any) -> bool:  # noqa: N802 (Qt's name)
        """Ask where the close event came from the window's frame, that is, from the user."""
        if event.type() != QEvent.Type.Close or not event.spontaneous():
            return False
        agreed = self._ask(watched)
        if agreed is None:
            return False
        event.ignore()
        if agreed:  # napari would ask a second time
            QTimer.singleShot(0, self._asked_close)
        return True

    def _ask(self, window: Any) -> bool | None:
        """Whether the user agrees to close; None if there is nothing to ask."""
        viewer = self._viewer()
        masks = [] if viewer is None else unsaved_masks(viewer)
        if not masks:
            return None
        choice = _question(window, masks)
        if choice == QMessageBox.StandardButton.Save:
            self._save(viewer, window, masks)
            return not unsaved_masks(viewer)
        return bool(choice == QMessageBox.StandardButton.Discard)


def _question(window: Any, masks: list[Any]) -> Any:
    names = ", ".join(layer.name for layer in masks[:MOST_NAMES])
    names += f" and {len(masks) - MOST_NAMES} more" if len(masks) > MOST_NAMES else ""
    box = QMessageBox(window)
    box.setObjectName("unsaved_masks")
    box.setIcon(QMessageBox.Icon.Warning)
    box.setWindowTitle("Unsaved masks")
    box.setText(f"{names}: not saved since {'they were' if len(masks) > 1 else 'it was'} edited.")
    box.setInformativeText("Save before the window is closed?")
    buttons = QMessageBox.StandardButton
    box.setStandardButtons(buttons.Save | buttons.Discard | buttons.Cancel)
    box.setDefaultButton(buttons.Save)
    return box.exec()


def _note_opened(layer: Any) -> None:
    """What comes from a file or a sample is there again; what was made here is not."""
    if not _can_hold_work(layer) or layer in _saved:
        return
    source = layer.source
    opened = source.path is not None or source.sample is not None
    _saved[layer] = _checksum(layer.data) if opened else None


def _is_unsaved(layer: Any) -> bool:
    if not _can_hold_work(layer):
        return False
    known = _saved.get(layer)
    return bool(layer.data.any()) if known is None else _checksum(layer.data) != known


def _can_hold_work(layer: Any) -> bool:
    """Labels that can be painted on; an overlay can be made again, voxels in a file are there."""
    from napari.layers import Labels

    return (
        isinstance(layer, Labels)
        and not layer.metadata.get(OVERLAY)
        and isinstance(layer.data, np.ndarray)
    )


def _checksum(voxels: Any) -> int:
    return zlib.crc32(np.ascontiguousarray(voxels).view(np.uint8).data)
