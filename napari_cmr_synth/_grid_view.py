"""Pictures side by side in napari's grid, with one camera and one contrast, and the way back."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal
from superqt.utils import QSignalDebouncer

from ._cells import CELL
from ._masks import unwrapped

if TYPE_CHECKING:
    from napari.layers import Image, Labels

LINKED = ("contrast_limits", "gamma", "colormap", "interpolation2d")
"""What one of the pictures and all the others change together."""

IN_A_ROW = 3  # more than these are easier to compare in a block

_GRID = ("enabled", "stride", "shape", "spacing")
_CAMERA = ("center", "zoom", "angles")


@dataclass(frozen=True)
class _View:
    """What a person sees of a viewer, apart from the layers themselves."""

    visible: dict[Any, bool]  # by layer
    grid: dict[str, Any]
    camera: dict[str, Any]


class GridView(QObject):
    """Shows some layers alone, side by side, each with its name; then gives the old view back.

    All cells share napari's camera, so that they are panned and zoomed together. Turning the grid
    off with napari's own button leaves it as well.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

    left = Signal()
    """After the old view is back."""

    def __init__(self, viewer: Any, parent: QObject | None = None):
        super().__init__(parent)
        self._viewer = unwrapped(viewer)
        self._before: _View | None = None
        self._shown: list[Image] = []
        self._linked: list[Image] = []
        self._soon = QSignalDebouncer(parent=self)
        self._soon.triggered.connect(self._leave_if_told)

    @property
    def active(self) -> bool:
        """Whether the viewer shows the pictures side by side."""
        return self._before is not None

    @property
    def layers(self) -> list[Image]:
        """The pictures that are still in the viewer."""
        return [layer for layer in self._shown if layer in self._viewer.layers]

    def show(
        self, layer: Image, *, of: int, linked: bool = True, over: Labels | None = None
    ) -> None:
        """Put a picture into the next cell; the first one hides what was there before.

        Parameters
        ----------
        layer : napari Image layer
            In the viewer already.
        of : int
            How many there will be, so that the cells do not move as they are filled.
        linked : bool
            Whether it shares contrast and colours with the others.
        over : Labels, optional
            Lies over the picture in its cell, such as outlines. In every cell or in none; both
            layers stand together in the list, at the beginning of it.
        """
        first = not self.active
        cell = [layer] if over is None else [layer, over]
        if first:
            self._enter(cell, of)
        self._shown += cell
        for part in cell:
            part.visible = True
        _name(layer, shown=True)
        if linked:
            self._linked.append(layer)
        alike = [shown for shown in self._linked if shown in self._viewer.layers]
        if linked and len(alike) > 1:
            for name in LINKED:
                setattr(layer, name, getattr(alike[0], name))
            self._viewer.layers.link_layers(alike, LINKED)
        if first:
            self._viewer.reset_view()

    def leave(self, *, keep: bool) -> None:
        """Give the old view back; does nothing if it is there.

        Parameters
        ----------
        keep : bool
            Leave the pictures among the layers, each on its own again, but for those that are
            there for the cells only (`_cells.CELL`); else all are removed.
        """
        before, self._before = self._before, None
        if before is None:
            return
        pictures, self._shown = self.layers, []
        viewer = self._viewer
        grid_of_cells(viewer).events.enabled.disconnect(self._on_grid)
        viewer.layers.events.removed.disconnect(self._on_removed)
        viewer.layers.events.inserted.disconnect(self._on_inserted)
        with _one_rebuild(viewer):
            # in this order: napari 0.9 crashes when it draws a grid that has lost all it showed
            for name, value in before.grid.items():
                setattr(grid_of_cells(viewer), name, value)
            for layer, visible in before.visible.items():
                layer.visible = visible  # one that was deleted meanwhile does not mind
            alike = [layer for layer in self._linked if layer in pictures]
            self._linked = []
            if len(alike) > 1:
                viewer.layers.unlink_layers(alike)
            for picture in pictures:
                if keep and CELL not in picture.metadata:
                    _name(picture, shown=False)
                else:
                    viewer.layers.remove(picture)
        for name, value in before.camera.items():
            setattr(_camera(viewer), name, value)
        self.left.emit()

    def _enter(self, cell: list[Any], cells: int) -> None:
        viewer = self._viewer
        grid, camera = grid_of_cells(viewer), _camera(viewer)
        self._before = before = _View(
            visible={other: other.visible for other in viewer.layers if other not in cell},
            grid={name: getattr(grid, name) for name in _GRID},
            camera={name: getattr(camera, name) for name in _CAMERA},
        )
        with _one_rebuild(viewer):
            for other in before.visible:
                other.visible = False
            grid.stride = len(cell)
            # said outright: napari fits the view to what is there, which is one cell so far
            grid.shape = _rows_and_columns(cells)
            grid.spacing = 2  # pixels of the screen
            grid.enabled = True
        grid.events.enabled.connect(self._on_grid)
        viewer.layers.events.removed.connect(self._on_removed)
        viewer.layers.events.inserted.connect(self._on_inserted)

    def _on_grid(self, event: Any) -> None:
        if not event.value:
            self.leave(keep=True)

    def _on_removed(self, event: Any) -> None:
        if event.value in self._shown:
            self._soon.throttle()  # the list may be busy removing more than this one

    def _on_inserted(self, event: Any) -> None:
        self._soon.throttle()  # it may be the next of ours

    def _leave_if_told(self) -> None:
        """Leave when nothing is left, or another layer came, which would stand under a name."""
        if not self.active:
            return
        ours = self.layers
        if not ours or any(layer.visible and layer not in ours for layer in self._viewer.layers):
            self.leave(keep=True)


@contextmanager
def _one_rebuild(viewer: Any) -> Iterator[None]:
    """Let napari put its views together once, not at every change of what is inside.

    It makes the views of all layers again, hidden ones too, whenever one is shown, hidden or
    removed, and collects garbage each time; `benchmarks/grid_view.py` says what that takes.
    """
    batched = getattr(viewer.layers, "batched_update", nullcontext)  # not before napari 0.9
    with batched():
        yield


def grid_of_cells(viewer: Any) -> Any:
    """The grid of a viewer, which napari 0.9 moved."""
    return viewer.canvas.grid if hasattr(viewer, "canvas") else viewer.grid


def _camera(viewer: Any) -> Any:
    """The camera of a viewer, which napari 0.9 moved."""
    return viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera


def _rows_and_columns(cells: int) -> tuple[int, int]:
    columns = cells if cells <= IN_A_ROW else math.ceil(math.sqrt(cells))
    return math.ceil(cells / columns), columns


def _name(layer: Image, *, shown: bool) -> None:
    """Write a layer's name on its picture, where napari can."""
    if hasattr(layer, "name_overlay"):
        layer.name_overlay.visible = shown
