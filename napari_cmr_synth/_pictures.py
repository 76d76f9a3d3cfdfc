"""PNG and JPEG pictures dropped on the window: opened as they are, and said to have no geometry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ._layers import GRID
from ._masks import unwrapped
from ._messages import show_note

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff")


def tell_of_pictures(viewer: Any) -> None:
    """Say of every picture that is opened from now on that nothing can be measured in it.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """
    unwrapped(viewer).layers.events.inserted.connect(_on_inserted)


def _on_inserted(event: Any) -> None:
    layer = event.value
    path = layer.source.path
    if path is None or not str(path).lower().endswith(SUFFIXES) or GRID in layer.metadata:
        return
    path = Path(str(path))
    synthetic = _says_synthetic(path)
    if synthetic and not layer.name.lower().startswith("synthetic"):
        layer.name = f"synthetic {layer.name}"
    said = " It says that it is synthetic." if synthetic else ""
    show_note(
        f"{path.name}: opened as a picture without geometry. A pixel counts as 1 mm, so that no "
        f"size measured in it is true; open the scan as DICOM or NIfTI for that.{said}"
    )


def _says_synthetic(path: Path) -> bool:
    """Whether a PNG has the text chunk of `cmr_synth.reports.png`."""
    from PIL import Image, UnidentifiedImageError

    if path.suffix.lower() != ".png":
        return False
    try:
        with Image.open(path) as picture:
            return picture.info.get("Synthetic") == "YES"
    except (OSError, UnidentifiedImageError):
        return False
