"""A mask layer from the inside: its slices and its place, and voxels set in its own numbers.

Only the voxels that change are written, through `data_setitem`: assigning `layer.data` would clear
the history, and writing into the array would bypass it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import (
    BACKGROUND,
    NUMBERS,
    SCAR,
    STRUCTURES,
    UNLABELLED,
    scar_as_myocardium,
)
from cmr_synth.errors import InputError
from cmr_synth.imaging.orientation import Orientation, in_plane_orientation
from cmr_synth.imaging.scan import Scan

from . import _layer_geometry
from ._layer_geometry import attributes_of
from ._layers import GRID
from ._masks import unwrapped

if TYPE_CHECKING:
    from napari.layers import Labels

Edit = tuple[tuple[int, ...], NDArray[Any]]
"""Leading indices into a layer's data, and the values that shall stand there."""


def write(layer: Labels, edits: Sequence[Edit]) -> int:
    """Set the voxels that differ, as one step that `layer.undo()` takes back.

    Parameters
    ----------
    layer : napari Labels layer
    edits : sequence of (leading indices, values)

    Returns
    -------
    int
        How many voxels changed; with 0 the history stays as it is.
    """
    found: list[tuple[NDArray[np.intp], ...]] = []
    values: list[NDArray[Any]] = []
    for lead, wanted in edits:
        changed = np.nonzero(np.asarray(layer.data[lead]) != wanted)
        found.append((*(np.full(len(changed[0]), i, np.intp) for i in lead), *changed))
        values.append(wanted[changed])
    count = sum(len(some) for some in values)
    if count:
        indices = tuple(np.concatenate(axis) for axis in zip(*found, strict=True))
        layer.data_setitem(indices, np.concatenate(values))
    return count


def to_engine(array: NDArray[Any], numbers: Mapping[str, int]) -> NDArray[np.uint8]:
    """Engine labels of a layer's numbers; numbers that are no structure count as unlabelled.

    Scar is the wall that it is part of, which is all that tools and measurements know.
    """
    labels = np.where(array == 0, np.uint8(BACKGROUND), np.uint8(UNLABELLED))
    for structure, number in numbers.items():
        labels[array == number] = NUMBERS[structure]
    return scar_as_myocardium(labels)


def to_own(
    labels: NDArray[np.uint8], before: NDArray[Any], numbers: Mapping[str, int]
) -> NDArray[Any]:
    """A layer's numbers of engine labels; where they are unlabelled, what stood there before.

    Scar stays where the wall does.
    """
    own = before.copy()
    own[labels == BACKGROUND] = 0
    for structure in STRUCTURES:
        own[labels == STRUCTURES[structure]] = numbers[structure]
    for structure in SCAR.keys() & numbers.keys():
        number = numbers[structure]
        own[(labels == STRUCTURES["MYO"]) & (before == number)] = number
        own[labels == SCAR[structure]] = number
    return own


def place(viewer: Any, layer: Any) -> tuple[int, ...]:
    """Indices of the slice shown: () of a single slice, (z,) of a stack, (t, z) of a cine.

    Raises
    ------
    InputError
        If the viewer shows something else than one slice of this layer.
    """
    dims = unwrapped(viewer).dims
    if layer.ndim == 2:
        return ()
    if dims.ndisplay != 2:
        raise InputError("The view is in 3D, so there is no slice to work on. Switch to 2D.")
    if sorted(dims.displayed) != [dims.ndim - 2, dims.ndim - 1]:
        raise InputError(
            "The view cuts across the slices. Roll the axes back (Ctrl+E) until it shows one."
        )
    at = np.rint(layer.world_to_data(np.asarray(dims.point))[: layer.ndim - 2]).astype(int)
    if any(not 0 <= i < n for i, n in zip(at, layer.data.shape, strict=False)):
        raise InputError(
            f"{layer.name}: the view is at a place where this layer has no slice. "
            "Move the sliders, or choose another mask."
        )
    return tuple(int(i) for i in at)


def go_to(viewer: Any, layer: Any, index: int, frame: int | None = None) -> None:
    """Show a slice, and a frame if one is named; the other sliders stay."""
    dims = unwrapped(viewer).dims
    point = np.array(layer.world_to_data(np.asarray(dims.point)), dtype=np.float64)
    first = dims.ndim - layer.ndim
    wanted = {layer.ndim - 3: index} if layer.ndim >= 3 else {}
    if frame is not None and layer.ndim == 4:
        wanted[0] = frame
    for axis, value in wanted.items():
        point[axis] = value
    world = layer.data_to_world(point)
    for axis in wanted:
        dims.set_point(first + axis, world[axis])


def spacing_of(layer: Any) -> tuple[float, float, float]:
    """(z, y, x) in mm: of the layer's grid, else as shown; 1 along z for a slice of its own."""
    grid = grid_of(layer)
    if grid is not None:
        return grid.spacing
    return _layer_geometry.spacing_of(_layer_geometry.shown_at(attributes_of(layer), layer.ndim))


def grid_of(layer: Any) -> Scan | None:
    """The grid in the patient that a layer lies on, if it is known and fits."""
    grid = layer.metadata.get(GRID)
    shape = (1, *layer.data.shape)[-3:]
    return grid if isinstance(grid, Scan) and grid.shape[-3:] == shape else None


def orientation_of(layer: Any) -> Orientation:
    """How a layer's slices get into radiological display; as they are if nothing is known."""
    grid = grid_of(layer)
    return Orientation() if grid is None else in_plane_orientation(grid.affine)


def check_editable(layer: Any) -> None:
    """Raise InputError if the voxels of a mask cannot be set one by one."""
    if not isinstance(layer.data, np.ndarray) or not layer.data.flags.writeable:
        raise InputError(
            f"{layer.name}: its voxels cannot be changed (they lie in a file). "
            "Duplicate the layer with a right click on it and edit the copy."
        )
    if not layer.editable:
        raise InputError(f"{layer.name}: is locked. Unlock it in the layer list to edit it.")
