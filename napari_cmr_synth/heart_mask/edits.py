"""A tool applied to a mask layer: in the layer's own numbers, and as one step of its undo history.

Only the voxels that a tool changes are written, through `data_setitem`: assigning `layer.data`
would clear the history, and writing into the array would bypass it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.editing import copy_slice, draw_contour, fill_between
from cmr_synth.anatomy.labels import BACKGROUND, STRUCTURES, UNLABELLED, ConventionGuess
from cmr_synth.errors import InputError
from cmr_synth.imaging.orientation import Orientation, in_plane_orientation
from cmr_synth.imaging.scan import Scan, require_same_grid

from .. import _layer_geometry
from .._layer_geometry import attributes_of
from .._layers import GRID, GUESS, labels_layer
from .._masks import ENGINE, convention_of, guess, structure_numbers, unwrapped

if TYPE_CHECKING:
    from napari.layers import Labels

Tool = Callable[[NDArray[np.uint8], tuple[float, float, float]], NDArray[np.uint8]]
"""Takes engine labels, ([z,] y, x), and the spacing (z, y, x) in mm; gives new ones."""

Edit = tuple[tuple[int, ...], NDArray[Any]]
"""Leading indices into a layer's data, and the values that shall stand there."""


def edit(viewer: Any, layer: Labels, tool: Tool, *, whole_stack: bool = False) -> int:
    """Apply a tool to the slice shown, or to the stack of the frame shown.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Its sliders say which slice and frame.
    layer : napari Labels layer
        ([t,] [z,] y, x).
    tool : callable
        See `Tool`.
    whole_stack : bool
        Hand the tool (z, y, x) instead of (y, x); a single slice is a stack of one.

    Returns
    -------
    int
        How many voxels changed.

    Raises
    ------
    InputError
        If the layer cannot be edited, the viewer shows no slice of it, or the tool refuses.
    """
    check_editable(layer)
    where = place(viewer, layer)
    numbers = structure_numbers(layer)
    lead = where[:-1] if whole_stack else where
    before = np.asarray(layer.data[lead])
    labels = to_engine(before, numbers)
    single = whole_stack and labels.ndim == 2
    after = tool(labels[np.newaxis] if single else labels, spacing_of(layer))
    return write(layer, [(lead, to_own(after[0] if single else after, before, numbers))])


def copy_from(viewer: Any, layer: Labels, step: int) -> int:
    """Copy the slice `step` slices away to the one shown; -1 is the one above.

    Numbers that are no structure are copied as they are.

    Raises
    ------
    InputError
        As `edit`, or if there is no such slice, or nothing is drawn in it.
    """
    check_editable(layer)
    where = place(viewer, layer)
    if not where:
        raise InputError(f"{layer.name}: is a single slice, so there is none above or below it.")
    stack = np.asarray(layer.data[where[:-1]])
    target = where[-1]
    if not 0 <= target + step < len(stack):
        end = "first" if step < 0 else "last"
        raise InputError(f"{layer.name}: slice {target} is the {end} one, nothing to copy from.")
    copy_slice(to_engine(stack, structure_numbers(layer)), target + step, target)  # may refuse
    return write(layer, [(where, stack[target + step])])


def fill_slices(viewer: Any, layer: Labels) -> int:
    """Draw the slices left out between drawn ones; see `fill_between`."""
    if layer.ndim == 2:
        raise InputError(f"{layer.name}: is a single slice, so no slice lies between others.")
    return edit(viewer, layer, fill_between, whole_stack=True)


def draw_contours(
    layer: Labels, contours: Sequence[tuple[tuple[int, ...], str, NDArray[np.float64]]]
) -> int:
    """Turn contours, on any slices, into structures: one step of the history, all or nothing.

    Parameters
    ----------
    layer : napari Labels layer
    contours : sequence of (leading indices, kind, (n, 2) points)
        In the order in which they shall count; points as for `rasterise`.

    Returns
    -------
    int
        How many voxels changed.

    Raises
    ------
    InputError
        If the layer cannot be edited, or a contour lies on no slice of it or encloses nothing.
    """
    check_editable(layer)
    numbers = structure_numbers(layer)
    planes: dict[tuple[int, ...], NDArray[np.uint8]] = {}
    for where, kind, points in contours:
        if not all(0 <= i < n for i, n in zip(where, layer.data.shape[:-2], strict=True)):
            raise InputError(f"{layer.name}: a contour lies on no slice of this mask. Delete it.")
        before = planes.get(where)
        if before is None:
            before = to_engine(np.asarray(layer.data[where]), numbers)
        try:
            planes[where] = draw_contour(before, points, kind)
        except InputError as error:
            slice_name = f"slice {where[-1]}, " if where else ""
            raise InputError(f"{slice_name}{kind}: {error}") from error
    edits = [
        (where, to_own(after, np.asarray(layer.data[where]), numbers))
        for where, after in planes.items()
    ]
    return write(layer, edits)


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
    """Engine labels of a layer's numbers; numbers that are no structure count as unlabelled."""
    labels = np.where(array == 0, np.uint8(BACKGROUND), np.uint8(UNLABELLED))
    for structure, number in numbers.items():
        labels[array == number] = STRUCTURES[structure]
    return labels


def to_own(
    labels: NDArray[np.uint8], before: NDArray[Any], numbers: Mapping[str, int]
) -> NDArray[Any]:
    """A layer's numbers of engine labels; where they are unlabelled, what stood there before."""
    own = before.copy()
    own[labels == BACKGROUND] = 0
    for structure, number in numbers.items():
        own[labels == STRUCTURES[structure]] = number
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


def different_grids(mask: Any, image: Any) -> str:
    """Say how a mask and an image lie on different grids, or nothing if they fit."""
    sizes = [(1, *layer.data.shape)[-3:] for layer in (mask, image)]
    if sizes[0] != sizes[1]:
        shown = [" x ".join(str(n) for n in size) for size in sizes]
        return (
            f"{mask.name} is {shown[0]} (slices x rows x columns), {image.name} is {shown[1]}: "
            "they lie on different grids."
        )
    axes = min(mask.ndim, image.ndim, 3)
    for what in ("scale", "translate"):
        ours, theirs = (np.asarray(getattr(layer, what))[-axes:] for layer in (mask, image))
        if not np.allclose(ours, theirs, rtol=1e-3, atol=1e-3):
            return f"{mask.name} and {image.name} differ in {what}: they lie on different grids."
    grids = grid_of(mask), grid_of(image)
    if grids[0] is not None and grids[1] is not None:
        try:
            require_same_grid(grids[1], grids[0])
        except InputError as error:
            return str(error)
    return ""


def check_editable(layer: Any) -> None:
    """Raise InputError if the voxels of a mask cannot be set one by one."""
    if not isinstance(layer.data, np.ndarray) or not layer.data.flags.writeable:
        raise InputError(
            f"{layer.name}: its voxels cannot be changed (they lie in a file). "
            "Duplicate the layer with a right click on it and edit the copy."
        )
    if not layer.editable:
        raise InputError(f"{layer.name}: is locked. Unlock it in the layer list to edit it.")


def name_structures(layer: Any) -> None:
    """Give a mask's structures their names and colours if it shows none yet.

    An empty mask is from now on read by the engine's own numbers, so that the first stroke does
    not have to be guessed.
    """
    from napari.utils.colormaps import DirectLabelColormap

    convention = convention_of(layer)
    if convention is None and guess(layer) is None and not np.any(layer.data):
        convention = ENGINE
        layer.metadata[GUESS] = ConventionGuess(
            ENGINE, 1.0, "Painted with the engine's own numbers: 1 LV, 2 MYO, 3 RV."
        )
    if convention is None or "structure" in layer.features:
        return
    known = ConventionGuess(convention, 1.0, "")
    voxel = Scan(
        array=np.zeros((1, 1, 1), np.uint8), spacing=(1.0, 1.0, 1.0), affine=np.eye(4), name="mask"
    )
    _, attributes, _ = labels_layer(voxel, guess=known)
    layer.colormap = DirectLabelColormap(color_dict=attributes["colormap"])
    layer.features = attributes["features"]
