"""Files and samples opened as layers, with the heart in view."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QFileDialog, QWidget

from ._manifest import PLUGIN
from ._masks import unwrapped
from ._messages import show_problem

KINDS = "Scans and masks (*.nii *.nii.gz *.dcm);;All files (*)"


def open_sample(viewer: Any, key: str) -> list[Any]:
    """Open sample data, and look at the middle of the heart; a problem is shown."""
    viewer = unwrapped(viewer)
    try:
        layers = list(viewer.open_sample(PLUGIN, key))
    except Exception as error:  # a sample that is made may fail as any synthesis
        show_problem(error)
        return []
    look_at(viewer, layers)
    return layers


def open_paths(viewer: Any, paths: Sequence[str | Path]) -> list[Any]:
    """Open files or folders, and look at the middle of the heart; a problem is shown."""
    viewer = unwrapped(viewer)
    try:
        layers = list(viewer.open([str(path) for path in paths], plugin=PLUGIN))
    except Exception as error:  # a reader's InputError among them; shown as one line
        show_problem(error)
        return []
    look_at(viewer, layers)
    return layers


def ask_for_files(viewer: Any, parent: QWidget) -> list[Any]:
    """Let the user choose files, and open them."""
    paths, _ = QFileDialog.getOpenFileNames(parent, "Open scans or masks", "", KINDS)
    return open_paths(viewer, paths) if paths else []


def ask_for_a_folder(viewer: Any, parent: QWidget) -> list[Any]:
    """Let the user choose the folder of one examination, and open it."""
    folder = QFileDialog.getExistingDirectory(parent, "Open a folder of DICOM files")
    return open_paths(viewer, [folder]) if folder else []


def look_at(viewer: Any, layers: Sequence[Any]) -> None:
    """Show the middle slice; papillary level, where LV, myocardium and RV are all seen."""
    if not layers:
        return
    viewer, layer = unwrapped(viewer), layers[-1]
    viewer.layers.selection.active = layer
    if layer.ndim > 2:
        first, last = layer.extent.world[:, -3]
        viewer.dims.set_point(viewer.dims.ndim - 3, (first + last) / 2)
    viewer.reset_view()
