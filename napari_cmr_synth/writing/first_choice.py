"""napari's own Save offers NIfTI first where scans are open, and tells what loses the spacing.

napari lists the writers of a layer in the order in which plugins were found, its own first: Ctrl+S
on a mask would offer TIFF, which keeps neither spacing nor place. There is no setting for that
order, so the two functions that save are wrapped once; with layers of other kinds they do what they
did.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from .._manifest import PLUGIN
from .._messages import in_a_window, show_note
from .._unsaved import note_saved

NIFTI = ".nii.gz"
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif")
"""What shows a mask and does not keep it."""

_WRAPPED = "_cmr_synth_wrapped"


def offer_nifti_first() -> None:
    """Put the plugin's writers first from now on; does nothing the second time."""
    from napari.plugins import _npe2

    for name, wrap in (
        ("file_extensions_string_for_layers", _ours_first),
        ("write_layers", _told),
    ):
        known = getattr(_npe2, name)
        if not hasattr(known, _WRAPPED):
            wrapped = wrap(known)
            setattr(wrapped, _WRAPPED, known)
            setattr(_npe2, name, wrapped)


def hold_scans(layers: Sequence[Any]) -> bool:
    """Whether one of the layers is a scan or a mask on a grid in mm, as this plugin makes them."""
    from .._layers import GRID, GUESS
    from .._masks import CONVENTION
    from .._results import RECORD

    keys = {GRID, GUESS, CONVENTION, RECORD}
    return any(keys & set(layer.metadata) for layer in layers)


def _ours_first(list_writers: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(list_writers)
    def listed(layers: Sequence[Any]) -> Any:
        kinds, writers = list_writers(layers)
        if not kinds or not hold_scans([*layers, *_open_layers()]):
            return kinds, writers
        entries = sorted(
            zip(kinds.split(";;"), writers, strict=True), key=lambda entry: _rank(entry[1])
        )
        return ";;".join(kind for kind, _ in entries), [writer for _, writer in entries]

    return listed


def _rank(writer: Any) -> int:
    """0 for NIfTI, 1 for the plugin's other formats, 2 for those of others."""
    if not writer.command.startswith(f"{PLUGIN}."):
        return 2
    return 0 if NIFTI in writer.filename_extensions else 1


def _told(write: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(write)
    def written(path: Any, layers: list[Any], *args: Any, **options: Any) -> Any:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            files, plugin = write(path, layers, *args, **options)
        if not files or not in_a_window():
            for warning in said:
                warnings.warn_explicit(
                    warning.message, warning.category, warning.filename, warning.lineno
                )
            return files, plugin
        ours = plugin == PLUGIN
        for text in dict.fromkeys(str(warning.message) for warning in said if ours):
            show_note(text)  # napari's dialog drops warnings
        name = os.path.basename(os.fspath(files[0]))
        if not name.lower().endswith(PICTURES):
            note_saved(layers)
        if not ours and hold_scans(layers):
            show_note(
                f"{name}: holds no spacing and no place in the patient; save it as NIfTI "
                f"({NIFTI}) to keep them."
            )
        return files, plugin

    return written


def _open_layers() -> Sequence[Any]:
    import napari

    viewer = napari.current_viewer()
    return () if viewer is None else list(viewer.layers)
