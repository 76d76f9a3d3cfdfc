"""One in-plane orientation for the networks: radiological display.

Columns increase toward the patient's left and rows toward posterior and inferior, as a short-axis
picture hangs on a reading screen: the right ventricle lies on its left side. Any picture gets there
by one of eight moves (transpose or not, flip rows or not, flip columns or not), chosen from the
affine where it can be believed. It cannot where it is parallel to the scanner's axes: the short
axis of a heart is oblique in every patient, so such an affine has lost the direction.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from cmr_synth.errors import InputError

AXIS_PARALLEL = 0.02  # sine of the angle, about 1 degree, up to which an axis counts as parallel
CLEAR = 0.2  # difference of the two best moves below which the plane is turned by about 45 degrees

# In RAS: where columns and rows should increase to. The smaller second part decides in planes that
# the first does not reach, and makes pure axial, coronal and sagittal planes hang as usual.
_COLUMNS_TOWARD = np.array([-1.0, -0.5, 0.0])  # left, then posterior
_ROWS_TOWARD = np.array([0.0, -0.5, -1.0])  # inferior, then posterior

_Any = TypeVar("_Any", bound=np.generic)


@dataclass(frozen=True, kw_only=True)
class Orientation:
    """The move from stored slices to canonical ones: transpose, then flip.

    Parameters
    ----------
    transpose : bool
        Exchange rows and columns.
    flip_rows, flip_columns : bool
        Reverse the order of rows or columns, after the transposition.
    trustworthy : bool
        Whether it was derived from the affine; otherwise it is a convention or an assumption.
    reason : str
        How it was found, in one sentence.
    """

    transpose: bool = False
    flip_rows: bool = False
    flip_columns: bool = False
    trustworthy: bool = False
    reason: str = ""


CONVENTIONS = {
    # Directions were dropped (affines are diagonal); arrays read as (y, x) hang as on the scanner.
    "acdc": Orientation(reason="ACDC stores slices in radiological display."),
}


def in_plane_orientation(
    affine: npt.NDArray[np.floating], *, convention: str | None = None
) -> Orientation:
    """Find the move that brings slices into radiological display.

    Parameters
    ----------
    affine : (4, 4) array
        Voxel (x, y, z) to RAS mm, of slices stored as (y, x).
    convention : str, optional
        Cohort whose convention holds where the affine has lost the direction.

    Returns
    -------
    Orientation
        Without a convention and without a believable affine the slices are taken as they are,
        and `reason` says so: then check that the right ventricle lies on the left.

    Raises
    ------
    InputError
        If the convention is unknown.
    """
    if convention is not None and convention not in CONVENTIONS:
        raise InputError(
            f"orientation convention {convention!r} is unknown; known: {', '.join(CONVENTIONS)}."
        )
    doubt = _doubt(np.asarray(affine, dtype=np.float64))
    if doubt and convention is not None:
        known = CONVENTIONS[convention]
        return Orientation(
            transpose=known.transpose,
            flip_rows=known.flip_rows,
            flip_columns=known.flip_columns,
            reason=f"{doubt} {known.reason}",
        )
    if doubt:
        return Orientation(
            reason=f"{doubt} Slices are assumed to be in radiological display as stored: "
            "check that the right ventricle lies on the left."
        )
    return _best_move(np.asarray(affine, dtype=np.float64)[:3, :3])


def apply(orientation: Orientation, array: npt.NDArray[_Any]) -> npt.NDArray[_Any]:
    """Bring stored slices into canonical orientation.

    Parameters
    ----------
    orientation : Orientation
    array : (..., y, x) array

    Returns
    -------
    (..., rows, columns) array
        A contiguous copy.
    """
    if orientation.transpose:
        array = array.swapaxes(-1, -2)
    return np.ascontiguousarray(_flipped(orientation, array))


def undo(orientation: Orientation, array: npt.NDArray[_Any]) -> npt.NDArray[_Any]:
    """Bring canonical slices back to how they were stored; the inverse of `apply`.

    Parameters
    ----------
    orientation : Orientation
    array : (..., rows, columns) array

    Returns
    -------
    (..., y, x) array
        A contiguous copy.
    """
    array = _flipped(orientation, array)
    if orientation.transpose:
        array = array.swapaxes(-1, -2)
    return np.ascontiguousarray(array)


def apply_to_spacing(
    orientation: Orientation, spacing: tuple[float, float, float]
) -> tuple[float, float, float]:
    """Return the spacing of canonical slices; it is its own inverse.

    Parameters
    ----------
    orientation : Orientation
    spacing : (z, y, x) in mm

    Returns
    -------
    (z, rows, columns) in mm
    """
    z, y, x = spacing
    return (z, x, y) if orientation.transpose else (z, y, x)


def _flipped(orientation: Orientation, array: npt.NDArray[_Any]) -> npt.NDArray[_Any]:
    rows = slice(None, None, -1 if orientation.flip_rows else 1)
    columns = slice(None, None, -1 if orientation.flip_columns else 1)
    return array[..., rows, columns]


def _doubt(affine: npt.NDArray[np.float64]) -> str:
    """Why the affine cannot be believed, or nothing."""
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        return "The affine is not a finite 4 x 4 matrix."
    steps = affine[:3, :3]
    lengths = np.linalg.norm(steps, axis=0)
    if lengths.min() == 0 or abs(np.linalg.det(steps / lengths)) < 1e-3:
        return "The affine is degenerate."
    directions = np.abs(steps / lengths)
    if np.all(np.sort(directions, axis=0)[1] <= AXIS_PARALLEL):
        return "The affine is parallel to the scanner's axes, which no short-axis plane is."
    return ""


def _best_move(steps: npt.NDArray[np.float64]) -> Orientation:
    x, y = (steps[:, axis] / np.linalg.norm(steps[:, axis]) for axis in (0, 1))
    scored = []
    for transpose, flip_rows, flip_columns in product((False, True), repeat=3):
        columns, rows = (y, x) if transpose else (x, y)
        score = (-1 if flip_columns else 1) * columns @ _COLUMNS_TOWARD + (
            -1 if flip_rows else 1
        ) * rows @ _ROWS_TOWARD
        scored.append((float(score), (transpose, flip_rows, flip_columns)))
    # The least move among equals, so that the result does not depend on rounding.
    scored.sort(key=lambda entry: (-round(entry[0], 6), sum(entry[1])))
    (best, (transpose, flip_rows, flip_columns)), (second, _) = scored[:2]
    reason = "From the affine."
    if best - second < CLEAR:
        reason += " The plane is turned by about 45 degrees, so two ways to hang it are near equal."
    return Orientation(
        transpose=transpose,
        flip_rows=flip_rows,
        flip_columns=flip_columns,
        trustworthy=True,
        reason=reason,
    )
