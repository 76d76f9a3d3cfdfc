"""What the user is told: one line a message, in napari's own notifications."""

from __future__ import annotations

import logging
import sys

from cmr_synth.errors import InputError

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
    from napari.utils.notifications import show_error

    if isinstance(error, str | InputError):
        show_error(str(error))
        return
    LOGGER.error("%s", type(error).__name__, exc_info=error)
    if is_out_of_memory(error):
        show_error(
            "The memory is full. Make fewer images at once (a smaller batch), fewer variants, or "
            "close other programs."
        )
        return
    reason = str(error).strip().splitlines()
    what = f"{type(error).__name__}: {reason[0]}" if reason else type(error).__name__
    show_error(f"Something unexpected went wrong ({what}); the log has details.")


def show_note(text: str) -> None:
    """Say something that is worth knowing and no problem.

    Parameters
    ----------
    text : str
        One sentence or two.
    """
    from napari.utils.notifications import show_info

    show_info(text)


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
