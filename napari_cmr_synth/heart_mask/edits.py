"""A tool applied to a mask layer: in the layer's own numbers, and as one step of its undo history.

Only the voxels that a tool changes are written, through `data_setitem`: assigning `layer.data`
would clear the history, and writing into the array would bypass it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.editing import copy_slice, draw_contour, fill_between
from cmr_synth.anatomy.labels import ConventionGuess
from cmr_synth.errors import InputError
from cmr_synth.imaging.scan import Scan, require_same_grid

from .._layers import GUESS, labels_layer
from .._mask_layer import (
    check_editable,
    grid_of,
    place,
    spacing_of,
    to_engine,
    to_own,
    write,
)
from .._masks import ENGINE, convention_of, guess, structure_numbers

if TYPE_CHECKING:
    from napari.layers import Labels

Tool = Callable[[NDArray[np.uint8], tuple[float, float, float]], NDArray[np.uint8]]
"""Takes engine labels, ([z,] y, x), and the spacing (z, y, x) in mm; gives new ones."""


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
