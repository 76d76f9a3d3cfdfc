"""A heart as radii about the LV's centre: endocardium, epicardium and the RV's far side.

Radii are kept squared, because their differences are areas: between two outlines at u1 and u2 = r^2
lies half of the integral of u2 - u1 over the angle. Angles are those of `measurements`: from the
positive x axis towards the positive y axis, clockwise on the screen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import LV, MYO, RV, is_heart, scar_as_myocardium
from cmr_synth.anatomy.measurements import anterior_insertion_angle
from cmr_synth.errors import InputError

ANGLES = 120
"""How many directions there are, 3 degrees each."""

STEP = 2 * np.pi / ANGLES
_SMOOTH = 1.5  # standard deviation over the angle, in steps: outlines are staircases of pixels
_SAMPLE = 0.25  # of a pixel, along a ray


@dataclass(frozen=True, eq=False)
class Outlines:
    """Outlines of every slice of a stack.

    Parameters
    ----------
    spacing : (z, y, x) in mm
    centres : (n, 2) array
        Of the LV, (y, x) in mm from the centre of the first pixel; slices without LV have that of
        the nearest one with it.
    endo, epi, rv : (n, ANGLES) arrays
        Squared radii in mm^2. Slices without LV have `endo` and `epi` of the nearest one with it;
        where there is no RV, `rv` equals `epi`.
    has_lv : (n,) bool array
    z : (n,) array
        Between base, 0, and apex, 1; beyond both where there is no LV.
    insertion : (n,) array or None
        Anterior insertion of the RV in radians; None where no slice shows it.
    """

    spacing: tuple[float, float, float]
    centres: NDArray[np.float64]
    endo: NDArray[np.float64]
    epi: NDArray[np.float64]
    rv: NDArray[np.float64]
    has_lv: NDArray[np.bool_]
    z: NDArray[np.float64]
    insertion: NDArray[np.float64] | None

    @property
    def base_first(self) -> bool:
        """Whether the first slice with LV is the most basal one."""
        inside = np.flatnonzero(self.has_lv)
        return bool(self.z[inside[0]] <= self.z[inside[-1]])

    @property
    def thickness(self) -> NDArray[np.float64]:
        """Of the wall along each ray, (n, ANGLES) in mm."""
        return np.asarray(np.sqrt(self.epi) - np.sqrt(self.endo))

    def travelled(self, k: int) -> NDArray[np.float64]:
        """Angles of a slice from the anterior insertion through the septum, (ANGLES,).

        Zero is the positive x axis where the insertion is not known.
        """
        start = 0.0 if self.insertion is None else float(self.insertion[k])
        return np.asarray((start - np.arange(ANGLES) * STEP) % (2 * np.pi))


def outlines(
    labels: NDArray[np.uint8], spacing: tuple[float, float, float], *, name: str = "mask"
) -> Outlines:
    """Find the outlines of a stack.

    Parameters
    ----------
    labels : (z, y, x) uint8 array
        Engine labels in the canonical radiological display.
    spacing : (z, y, x) in mm
    name : str
        What messages call the mask.

    Raises
    ------
    InputError
        If there is no LV.
    """
    stack = scar_as_myocardium(labels)
    has_lv = (stack == LV).any(axis=(1, 2))
    drawn = np.flatnonzero(has_lv)
    if not drawn.size:
        what = "is empty" if not is_heart(stack).any() else "has no LV blood pool"
        raise InputError(f"{name}: {what}; dials need an LV to turn about. Draw it first.")
    nearest = drawn[np.abs(drawn[None] - np.arange(len(stack))[:, None]).argmin(axis=1)]
    size = np.array(spacing[1:])
    centres = np.stack([np.argwhere(stack[k] == LV).mean(axis=0) * size for k in nearest])
    endo, epi, rv = (np.empty((len(stack), ANGLES)) for _ in range(3))
    for k, of in enumerate(nearest):
        inner = _radii(stack[of] == LV, centres[k], size)
        outer = np.maximum(_radii(np.isin(stack[of], (LV, MYO)), centres[k], size), inner)
        far = _radii(stack[k] == RV, centres[k], size)
        endo[k], epi[k] = inner**2, outer**2
        rv[k] = np.maximum(far, outer) ** 2
    return Outlines(
        spacing=spacing,
        centres=centres,
        endo=endo,
        epi=epi,
        rv=rv,
        has_lv=has_lv,
        z=_positions(stack, drawn),
        insertion=_insertions(stack, spacing),
    )


def _radii(
    region: NDArray[np.bool_], centre: NDArray[np.float64], size: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Distance to the last point of a region along each ray, 0 where it is not met."""
    from scipy.ndimage import gaussian_filter1d, map_coordinates

    if not region.any():
        return np.zeros(ANGLES)
    corners = np.argwhere(region) * size - centre
    reach = float(np.hypot(corners[:, 0], corners[:, 1]).max()) + 2 * float(size.max())
    radius = np.arange(0, reach, _SAMPLE * float(size.min()))
    angle = np.arange(ANGLES)[:, None] * STEP
    at = np.stack([centre[0] + radius * np.sin(angle), centre[1] + radius * np.cos(angle)])
    share = map_coordinates(region.astype(np.float32), at / size[:, None, None], order=1)
    inside = share >= 0.5
    last = inside.shape[1] - 1 - inside[:, ::-1].argmax(axis=1)
    found = np.where(inside.any(axis=1), radius[last], 0.0)
    return np.asarray(gaussian_filter1d(found, _SMOOTH, mode="wrap"))


def _positions(stack: NDArray[np.uint8], drawn: NDArray[np.intp]) -> NDArray[np.float64]:
    """0 at the most basal slice with LV, 1 at the most apical one; the larger end is the base."""
    first, last = int(drawn[0]), int(drawn[-1])
    if first == last:
        return np.full(len(stack), 0.5)
    position = (np.arange(len(stack)) - first) / (last - first)
    area = np.isin(stack, (LV, MYO, RV)).sum(axis=(1, 2))
    half = (last - first + 1) // 2
    if area[first : first + half].sum() < area[last - half + 1 : last + 1].sum():
        position = 1 - position
    return np.asarray(position)


def _insertions(
    stack: NDArray[np.uint8], spacing: tuple[float, float, float]
) -> NDArray[np.float64] | None:
    """Of every slice; one that shows none has that of the nearest that does."""
    found: dict[int, float] = {}
    for k, plane in enumerate(stack):
        if (plane == RV).any() and (plane == LV).any() and (plane == MYO).any():
            try:
                found[k] = anterior_insertion_angle(plane, spacing[1:])
            except InputError:  # an RV that does not reach the septum here
                continue
    if not found:
        return None
    known = np.array(list(found))
    of = known[np.abs(known[None] - np.arange(len(stack))[:, None]).argmin(axis=1)]
    return np.array([found[int(k)] for k in of])
