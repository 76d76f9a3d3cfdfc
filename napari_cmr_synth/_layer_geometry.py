"""How large the voxels of a layer are and which way they run, from everything that napari keeps.

Programs state that in different places: in `scale`, in `affine` (napari-nifti), with a minus sign
where a picture is flipped, in centimetres or micrometres. What counts is where a voxel is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.errors import InputError

PARTS = ("scale", "translate", "rotate", "shear", "affine", "units")
"""Attributes of a layer that say where it is shown."""

FLAT = 1e-6  # mm^3; a voxel of less has lost an axis


def attributes_of(layer: Any) -> dict[str, Any]:
    """Name, metadata and geometry of a layer, as napari hands them to a writer."""
    found = {"name": layer.name, "metadata": layer.metadata}
    return found | {part: getattr(layer, part) for part in PARTS if hasattr(layer, part)}


def shown_at(attributes: Mapping[str, Any], n_axes: int) -> NDArray[np.float64]:
    """Where the voxels of a layer are shown, in mm.

    Parameters
    ----------
    attributes : mapping
        Of the layer; what is missing changes nothing.
    n_axes : int
        Of its array, 2 to 4.

    Returns
    -------
    (4, 4) array
        From voxel (z, y, x) to the viewer's (z, y, x); a slice is 1 mm thick.

    Raises
    ------
    InputError
        If a voxel has no size, or one that is no number.
    """
    from napari.utils.transforms import Affine

    parts = {
        name: last
        for name in ("scale", "translate", "rotate", "shear")
        if (last := _last_axes(attributes.get(name), n_axes, name)) is not None
    }
    matrix = np.array(Affine(**parts, ndim=n_axes).affine_matrix, dtype=float)
    further = _last_axes(attributes.get("affine"), n_axes + 1, "affine")
    if further is not None:
        matrix = further @ matrix
    lengths = _millimetres(attributes.get("units"), n_axes)
    matrix[:-1] *= lengths[:, None]
    placed = np.eye(4)
    own = min(n_axes, 3)  # the last of (t, z, y, x)
    rows = [*range(n_axes - own, n_axes), n_axes]
    placed[3 - own :, 3 - own :] = matrix[np.ix_(rows, rows)]
    if not np.isfinite(placed).all() or abs(np.linalg.det(placed[:3, :3])) < FLAT:
        raise InputError(
            f"{attributes.get('name', 'layer')}: its scale or affine leaves a voxel no size; set "
            "the layer's scale in mm."
        )
    return placed


def spacing_of(placed: NDArray[np.float64]) -> tuple[float, float, float]:
    """Distance between voxel centres along (z, y, x), of a matrix from `shown_at`."""
    z, y, x = (float(step) for step in np.linalg.norm(placed[:3, :3], axis=0))
    return z, y, x


def _last_axes(value: Any, n: int, name: str) -> NDArray[np.float64] | None:
    """A part of the geometry for the last axes: a frame of a cine comes with those of the cine."""
    if value is None:
        return None
    found = np.asarray(getattr(value, "affine_matrix", value), dtype=float)
    if name == "shear" and found.ndim == 1:  # the upper triangle of a matrix
        return found if len(found) == n * (n - 1) // 2 else None
    if name in ("scale", "translate"):
        found = np.atleast_1d(found)
        return found[-n:] if len(found) >= n else None
    return found[-n:, -n:] if found.ndim == 2 and len(found) >= n else None


def _millimetres(units: Any, n_axes: int) -> NDArray[np.float64]:
    """How many mm a unit of each axis is; pixels, and what is no length, count as they are."""
    lengths = np.ones(n_axes)
    if units is None:
        return lengths
    import pint

    registry = pint.get_application_registry()
    every = [units] * n_axes if isinstance(units, str) else list(units)
    for axis, unit in enumerate(every[-n_axes:]):
        try:
            lengths[axis] = registry.Quantity(1, str(unit)).to("mm").magnitude
        except (pint.errors.PintError, ValueError, AttributeError):
            continue
    return lengths
