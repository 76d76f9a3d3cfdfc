"""Layers that are there for the cells of a grid only, and go with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari.layers import Image

CELL = "cmr_cell"
"""Key of `layer.metadata`: this layer is a cell of a comparison and goes with it."""


def cell(
    like: Any, data: NDArray[Any], name: str, limits: tuple[float, float] = (0.0, 1.0)
) -> Image:
    """A grey picture that lies where another layer does.

    Parameters
    ----------
    like : napari layer
        Gives the place.
    data : array
        As large as it; not copied.
    name : str
        Stands above the cell.
    limits : (low, high)
        Of the contrast.
    """
    from napari.layers import Image

    return Image(
        data,
        name=name,
        contrast_limits=limits,
        colormap="gray",
        metadata={CELL: True},
        **place_of(like),
    )


def place_of(layer: Any) -> dict[str, Any]:
    """Where a layer lies, as arguments of another one."""
    names = ("scale", "translate", "rotate", "shear", "affine", "axis_labels", "units")
    return {name: getattr(layer, name) for name in names}
