"""Which plane of the heart or the body a stack lies in, told by its geometry.

The long axis of the left ventricle points to the left, the front and the feet; it varies by some
20 degrees among adults. A short-axis plane stands across it, every long-axis view contains it, and
the planes of the body lie in between: each is more than 50 degrees away from the short axis.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

Plane = Literal["short axis", "long axis", "axial", "coronal", "sagittal", "oblique"]

LONG_AXIS = np.array([-0.6, 0.6, -0.53])  # base to apex, RAS; between the stacks of public data
LONG_AXIS = LONG_AXIS / np.linalg.norm(LONG_AXIS)
SHORT = 0.75  # cosine of 41 degrees: within it of the long axis the normal of a short-axis plane is
LONG = 0.45  # cosine of 63 degrees: beyond it the normal of a long-axis plane
PARALLEL = 0.02  # sine of 1 degree; planes of the heart are oblique in every patient

_OF_THE_BODY: tuple[Plane, Plane, Plane] = ("sagittal", "coronal", "axial")


def plane_of(affine: npt.NDArray[np.floating]) -> Plane:
    """Name the plane of the slices.

    Parameters
    ----------
    affine : (4, 4) array
        Voxel (x, y, z) to RAS mm, of slices stored as (y, x).

    Returns
    -------
    str
        "oblique" is what may be either axis of the heart: a heart that lies unusually.
    """
    steps = np.asarray(affine, dtype=np.float64)[:3, :3]
    normal = np.cross(steps[:, 0], steps[:, 1])
    normal = normal / np.linalg.norm(normal)
    if np.sort(np.abs(normal))[1] <= PARALLEL:
        return _OF_THE_BODY[int(np.argmax(np.abs(normal)))]
    across = abs(float(normal @ LONG_AXIS))
    if across >= SHORT:
        return "short axis"
    return "long axis" if across <= LONG else "oblique"
