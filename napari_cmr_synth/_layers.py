"""What a scan looks like as a napari layer, and how a layer becomes a scan again.

A layer is shown in slice space: axes (z, y, x) or (t, z, y, x), `scale` in mm, nothing rotated,
however oblique the stack lies in the patient. The true geometry travels along in
`layer.metadata["cmr_scan"]`, a `Scan` of the same grid without its pixels.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import UNLABELLED, meaning_of
from cmr_synth.errors import InputError
from cmr_synth.imaging.scan import Scan

from ._layer_geometry import attributes_of, shown_at, spacing_of

if TYPE_CHECKING:
    from cmr_synth.anatomy.labels import ConventionGuess

GRID = "cmr_scan"
"""Key of `layer.metadata`: the `Scan` whose grid the layer lies on, its pixels left out."""

GUESS = "cmr_label_guess"
"""Key of `layer.metadata`: which convention the numbers seem to follow, a `ConventionGuess`."""

DESCRIPTION = "cmr_description"
"""Key of `layer.metadata`: what a file written from the layer says about itself."""

COLOURS = {
    "LV": "#d55e00",
    "MYO": "#f0e442",
    "RV": "#0072b2",
    "infarct": "#cc79a7",
    "no-reflow": "#009e73",
}
"""A structure has one colour whatever its number; apart for colour-blind eyes (Okabe and Ito)."""

SURE_ENOUGH = 0.5
"""Confidence of a guess below which structures are left unnamed."""

LayerData = tuple[NDArray[Any], dict[str, Any], str]


def image_layer(scan: Scan, *, description: str = "") -> LayerData:
    """Show pixels as an image layer.

    Parameters
    ----------
    scan : Scan
        ([t,] z, y, x) pixels.
    description : str
        What a file written from the layer says about itself.

    Returns
    -------
    (data, attributes, "image")
        Contrast limits leave out the brightest half percent, which is fat near the coil.
    """
    attributes = _attributes(scan, description)
    some: NDArray[Any] = scan.array[..., ::2, ::2]
    low, high = np.percentile(some, (0.5, 99.5))
    if high > low:
        attributes["contrast_limits"] = (float(low), float(high))
    return scan.array, attributes, "image"


def labels_layer(
    scan: Scan, *, guess: ConventionGuess | None = None, description: str = ""
) -> LayerData:
    """Show a mask as a labels layer, with the numbers that it has.

    Parameters
    ----------
    scan : Scan
        ([t,] z, y, x) label numbers; none is changed.
    guess : ConventionGuess, optional
        What the numbers seem to mean. Where it is sure enough, structures are coloured by it and
        named in the status bar under the pointer.
    description : str
        What a file written from the layer says about itself.

    Returns
    -------
    (data, attributes, "labels")
    """
    attributes = _attributes(scan, description)
    if guess is not None:
        attributes["metadata"][GUESS] = guess
    if guess is not None and guess.confidence >= SURE_ENOUGH:
        meaning = meaning_of(guess.convention)
        attributes["colormap"] = {
            None: "#999999",
            0: "transparent",
            UNLABELLED: "#99999966",
            **{number: COLOURS[structure] for number, structure in meaning.items()},
        }
        attributes["features"] = {
            "index": [0, *meaning, UNLABELLED],
            "structure": ["background", *meaning.values(), "unlabelled"],
        }
    return scan.array, attributes, "labels"


def scan_of_layer(
    data: Any, attributes: Mapping[str, Any], *, beside: Sequence[Mapping[str, Any]] = ()
) -> Scan:
    """Turn a layer back into a scan with its place in the patient.

    Parameters
    ----------
    data : ([t,] [z,] y, x) array
        Pixels or labels of the layer.
    attributes : mapping
        Name, metadata and geometry of the layer, as napari hands them to a writer.
    beside : sequence of mappings
        The same of the layers that are saved together with it.

    Returns
    -------
    Scan
        On the grid in the layer's metadata; else on that of a layer beside it, or else an open
        one, of the same size and scale, as when a mask was painted over a scan; else at an
        assumed place, with a warning.

    Raises
    ------
    InputError
        If the layer is no slice, stack or cine in grey values.
    """
    name = str(attributes.get("name", "layer"))
    if attributes.get("rgb") or attributes.get("multiscale"):
        raise InputError(
            f"{name}: is a colour or multiscale picture, a scan has one grey value a voxel. "
            "Convert the layer first."
        )
    array = np.asarray(data)
    if array.ndim not in (2, 3, 4):
        raise InputError(
            f"{name}: has {array.ndim} axes, a scan has 2 to 4 ([t,] [z,] y, x). "
            "Save one slice, stack or cine."
        )
    placed = shown_at(attributes, array.ndim)
    if array.ndim == 2:
        array = array[None]  # (y, x) -> (z, y, x)
    spacing = np.array(spacing_of(placed))

    grid = (attributes.get("metadata") or {}).get(GRID)
    if not _fits(grid, array):
        together = ((other.get("metadata"), other) for other in beside)
        grid = _grid_of(together, array, spacing) or _grid_of_open_layer(array, spacing)
    if grid is None:
        warnings.warn(
            f"{name}: where it lies in the patient is not known; the file says that it lies "
            "axially at the origin. Measurements in mm hold, overlays on other scans do not.",
            stacklevel=2,
        )
        return scan_as_shown(array, placed, name)
    return replace(grid.with_array(array), name=name)


def scan_without_place(array: NDArray[Any], spacing: tuple[float, float, float], name: str) -> Scan:
    """Make a scan of an array whose place in the patient nobody knows.

    Parameters
    ----------
    array : ([t,] z, y, x) array
        Pixels or labels, in radiological display.
    spacing : (z, y, x) in mm
        Distance between voxel centres.
    name : str
        For messages.

    Returns
    -------
    Scan
        Columns run toward the patient's left and rows toward posterior, as on the screen; the
        first voxel is at the origin.
    """
    affine = np.diag([-spacing[2], -spacing[1], spacing[0], 1.0])  # x and y point left, posterior
    return Scan(array=array, spacing=spacing, affine=affine, name=name)


def scan_as_shown(array: NDArray[Any], placed: NDArray[np.float64], name: str) -> Scan:
    """Make a scan that lies in the patient as it is shown on the screen.

    Parameters
    ----------
    array : ([t,] z, y, x) array
    placed : (4, 4) array
        From `shown_at`.
    name : str
        For messages.

    Returns
    -------
    Scan
        To the right on the screen is the patient's left, downward is posterior; where the first
        voxel is counts from the viewer's origin.
    """
    to_ras = np.diag([-1.0, -1.0, 1.0, 1.0])  # of (x, y, z) on the screen
    order = [2, 1, 0, 3]  # (z, y, x) -> (x, y, z)
    affine = to_ras @ placed[np.ix_(order, order)]
    return Scan(array=array, spacing=spacing_of(placed), affine=affine, name=name)


def _attributes(scan: Scan, description: str) -> dict[str, Any]:
    axes = ("t", "z", "y", "x")[-scan.array.ndim :]
    pixels_left_out = np.broadcast_to(np.zeros((), scan.array.dtype), scan.shape)  # one element
    metadata: dict[str, Any] = {GRID: scan.with_array(pixels_left_out)}
    if description:
        metadata[DESCRIPTION] = description
    return {
        "name": scan.stem,
        "scale": (1.0, *scan.spacing)[-len(axes) :],
        "axis_labels": axes,
        "units": ("pixel", "mm", "mm", "mm")[-len(axes) :],
        "metadata": metadata,
    }


def _fits(grid: Any, array: NDArray[Any]) -> bool:
    return isinstance(grid, Scan) and grid.shape[-3:] == array.shape[-3:]


def _grid_of_open_layer(array: NDArray[Any], spacing: NDArray[np.float64]) -> Scan | None:
    """Grid of the open layers that this one was drawn over."""
    import napari

    viewer = napari.current_viewer()
    layers = viewer.layers if viewer is not None else ()
    return _grid_of(((layer.metadata, attributes_of(layer)) for layer in layers), array, spacing)


def _grid_of(
    layers: Iterable[tuple[Any, Any]], array: NDArray[Any], spacing: NDArray[np.float64]
) -> Scan | None:
    """Grid of those layers (metadata, attributes) as large, if they agree on where it is."""
    grids = [
        metadata[GRID]
        for metadata, attributes in layers
        if metadata and _fits(metadata.get(GRID), array) and _same_scale(attributes, spacing)
    ]
    if not grids or not all(np.allclose(g.affine, grids[0].affine, atol=1e-3) for g in grids):
        return None
    return grids[0]


def _same_scale(attributes: Mapping[str, Any], spacing: NDArray[np.float64]) -> bool:
    """Whether a layer has this spacing along the axes that it has: a slice has no z."""
    if attributes.get("scale") is None:
        return False
    n_axes = len(attributes["scale"])
    try:
        own = np.array(spacing_of(shown_at(attributes, n_axes)))[-n_axes:]
    except InputError:  # its own trouble
        return False
    return bool(np.allclose(own, spacing[-len(own) :], rtol=1e-3))
