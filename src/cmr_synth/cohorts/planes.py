"""Which plane a stack lies in: short axis or another, by its name and by its direction in space.

The short axis is oblique in everybody, and yet about the same: over patients its normal turns by
some 25 degrees around the mean direction, and the normals of long-axis views are perpendicular to
it.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from cmr_synth.imaging.orientation import AXIS_PARALLEL

# Toward the right, the back and the head, or the other way: about the mean of the short-axis series
# of a Siemens, a GE and some published examinations, (0.48, -0.62, 0.62) and (0.63, -0.66, 0.41).
TYPICAL = np.array([0.56, -0.65, 0.51])  # RAS
FAR = 50.0  # degrees beyond which a plane is no short axis; long-axis views are at 65 to 90

_LONG_AXIS = re.compile(
    r"la|lax|long|longaxis|[234]ch(amber)?|[234]c|ch[234]|hla|vla|lvot|rvot|ax|axial|cor|sag",
    re.IGNORECASE,
)


def names_another_plane(stem: str) -> str | None:
    """The part of a file's name that says that it is no short-axis view; None if none does."""
    parts = re.split(r"[\W_]+", stem)
    return next((part for part in parts if _LONG_AXIS.fullmatch(part)), None)


def degrees_off(affine: NDArray[np.floating]) -> float | None:
    """Angle between a stack and the usual short axis, 0 to 90.

    Parameters
    ----------
    affine : (4, 4) array
        Voxel (x, y, z) to RAS mm, of slices stored as (y, x).

    Returns
    -------
    float or None
        None where the affine has lost the direction: it is degenerate or parallel to the axes of
        the scanner, as in published files of which the directions were dropped.
    """
    steps = np.asarray(affine, dtype=np.float64)[:3, :3]
    normal = np.cross(steps[:, 0], steps[:, 1])
    length = np.linalg.norm(normal)
    if length == 0 or _is_axis_parallel(steps):
        return None
    cosine = abs(float(normal @ TYPICAL)) / float(length * np.linalg.norm(TYPICAL))
    return float(np.degrees(np.arccos(min(cosine, 1.0))))


def plane_of(affine: NDArray[np.floating] | None) -> str:
    """The plane in words: "short axis", "another plane" or "not told"."""
    off = None if affine is None else degrees_off(affine)
    if off is None:
        return "not told"
    return "short axis" if off <= FAR else "another plane"


def _is_axis_parallel(steps: NDArray[np.float64]) -> bool:
    directions = np.abs(steps / np.linalg.norm(steps, axis=0))
    return bool(np.all(np.sort(directions, axis=0)[1] <= AXIS_PARALLEL))
