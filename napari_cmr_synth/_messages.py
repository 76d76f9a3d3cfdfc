"""What the user is told: one line a message, each once.

A message stands in the panel that it concerns, where that has a line for it and is in view;
otherwise napari's own notification shows it. The same words twice within a moment are one message.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

from cmr_synth.errors import InputError

ONCE_S = 4.0
"""As long as napari shows a notification."""

_last: dict[str, Any] = {}
"""What was said last, in which window, and when."""

LOGGER = logging.getLogger("napari_cmr_synth")


def show_problem(error: BaseException | str) -> None:
    """Say what went wrong in one line; the traceback of a fault of ours goes to the log.

    Parameters
    ----------
    error : exception or str
        An `InputError` and a text are shown as they are. Running out of memory is told in plain
        words. Any other exception is named, and its traceback written to the logger
        `napari_cmr_synth`.
    """
    if isinstance(error, str | InputError):
        _show(str(error), problem=True)
        return
    LOGGER.error("%s", type(error).__name__, exc_info=error)
    if is_out_of_memory(error):
        _show(
            "The memory is full. Make fewer images at once (a smaller batch), fewer variants, or "
            "close other programs.",
            problem=True,
        )
        return
    reason = str(error).strip().splitlines()
    what = f"{type(error).__name__}: {reason[0]}" if reason else type(error).__name__
    _show(f"Something unexpected went wrong ({what}); the log has details.", problem=True)


def show_note(text: str) -> None:
    """Say something that is worth knowing and no problem.

    Parameters
    ----------
    text : str
        One sentence or two.
    """
    _show(text, problem=False)


def _show(text: str, *, problem: bool) -> None:
    from napari.utils.notifications import show_error, show_info

    window, now = _window(), time.monotonic()
    again = _last.get("text") == (id(window), text) and now - _last["at"] < ONCE_S
    _last.update(text=(id(window), text), at=now)
    if not again and not _stands_in_a_panel(window, text):
        (show_error if problem else show_info)(text)


def _window() -> Any:
    """The napari window, if there is one; imports no napari to find out."""
    napari = sys.modules.get("napari")
    viewer = napari.current_viewer() if napari is not None else None
    return getattr(getattr(viewer, "window", None), "_qt_window", None)


def _stands_in_a_panel(window: Any, text: str) -> bool:
    """Whether a line of a panel in view says these very words."""
    if window is None:
        return False
    from napari._qt.dialogs.qt_notification import NapariQtNotification
    from qtpy.QtWidgets import QLabel

    others = {
        id(label)
        for notification in window.findChildren(NapariQtNotification)
        for label in notification.findChildren(QLabel)
    }
    return any(
        label.text() == text and not label.visibleRegion().isEmpty()
        for label in window.findChildren(QLabel)
        if label.isVisible() and id(label) not in others
    )


def in_a_window() -> bool:
    """Whether a napari window is there to show a message in; imports no napari to find out."""
    napari = sys.modules.get("napari")
    viewer = napari.current_viewer() if napari is not None else None
    return getattr(viewer, "window", None) is not None


def is_out_of_memory(error: BaseException | None) -> bool:
    """Tell whether an exception means that memory ran out.

    Parameters
    ----------
    error : exception, optional
        From NumPy (`MemoryError`) or torch, which raises subclasses of `RuntimeError` on a GPU
        and plain ones on a CPU.

    Returns
    -------
    bool
    """
    if isinstance(error, MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(
        words in text for words in ("out of memory", "not enough memory", "can't allocate memory")
    )
