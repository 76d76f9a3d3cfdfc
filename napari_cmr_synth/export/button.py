"""The button that opens the export dialog, the same in every panel that shows layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from qtpy.QtWidgets import QPushButton, QWidget


def save_masks(viewer: Any, window: QWidget, masks: list[Any]) -> None:
    """Let masks be saved before a window is closed; comes back when the dialog is closed."""
    from .dialog import ExportDialog

    ExportDialog(viewer, window, chosen=masks).exec()


def export_button(
    viewer: Any,
    chosen: Callable[[], Iterable[Any]] | None = None,
    parent: QWidget | None = None,
) -> QPushButton:
    """Make the button.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    chosen : callable, optional
        Layers to begin with; by default those selected in the viewer.
    parent : QWidget, optional
    """
    button = QPushButton("Export...", parent)
    button.setToolTip("Save layers as NIfTI, DICOM, DICOM SEG, nnU-Net or PNG")

    def show() -> None:
        from .dialog import ExportDialog

        dialog = ExportDialog(
            viewer, button.window(), chosen=None if chosen is None else list(chosen())
        )
        button.dialog = dialog  # while it is open, for Python would let go of it
        dialog.finished.connect(lambda *_: setattr(button, "dialog", None))
        dialog.show()

    button.clicked.connect(lambda *_: show())
    return button
