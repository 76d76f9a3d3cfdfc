"""From dials to outlines: where every outline of a heart goes, and the warp that takes it there.

With u = r^2 along each ray: the cavity is scaled by the change of its area and the wall keeps its
own, then the wall gets thicker or thinner, and what is outside moves along; the RV is scaled beside
the new wall. What lies further out is pushed without a change of area, less and less, until nothing
moves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.dials.outlines import ANGLES, STEP, Outlines
from cmr_synth.anatomy.dials.settings import Dials, Regional
from cmr_synth.anatomy.dials.warp import Warp

FLATTENED = np.deg2rad(50)
"""Half of the arc over which a septum gets straight, at most."""

_LEAST_MM2 = 1e-3  # between two knots, so that none meet
_ROOM_MM = 25.0  # beyond the heart in which the move fades out
_GENTLE = 4.0  # times the largest push, of area, that it takes to fade out
_DEEP_MM = 6.0  # of an RV that takes all of what a flat septum leaves


@dataclass(frozen=True, eq=False)
class Shaped:
    """Outlines after the dials were turned.

    Parameters
    ----------
    endo, epi, rv : (n, ANGLES) arrays
        Squared radii in mm^2.
    warp : Warp
    stretch : float
        Length of the ventricle as a share of what it was.
    """

    endo: NDArray[np.float64]
    epi: NDArray[np.float64]
    rv: NDArray[np.float64]
    warp: Warp
    stretch: float


def shape(heart: Outlines, dials: Dials, *, wall_area: float | NDArray[np.float64] = 1.0) -> Shaped:
    """Turn the dials of a heart.

    Parameters
    ----------
    heart : Outlines
    dials : Dials
    wall_area : float or (n, 1) array
        Area of the wall as a share of what it was, before hypertrophy and thinning.
    """
    endo, epi = _flattened(heart, dials.septal_flattening)
    wall = wall_area * np.maximum(epi - endo, 0)
    new_endo = (1 + dials.dilation) * endo
    thick = np.sqrt(new_endo + wall) - np.sqrt(new_endo)
    thick *= _factor(heart, dials.hypertrophy, 1.0) * _factor(heart, dials.thinning, -1.0)
    new_epi = (np.sqrt(new_endo) + thick) ** 2
    depth = np.sqrt(heart.rv) - np.sqrt(heart.epi)
    # what a flat septum leaves is the RV's, where there is one
    filled = (heart.epi - epi) * np.clip(depth / _DEEP_MM, 0, 1)
    new_rv = new_epi + (1 + dials.rv_dilation) * (heart.rv - heart.epi + filled)
    before = _knots(heart.endo, heart.epi, heart.rv)
    after = _knots(new_endo, new_epi, new_rv)
    push = float(np.abs(after[..., -1] - before[..., -1]).max())
    outermost = float(max(before.max(), after.max()))
    far = np.full((*heart.endo.shape, 1), (np.sqrt(outermost) + _ROOM_MM) ** 2 + _GENTLE * push)
    z_before, z_after = _ends(heart, dials)
    return Shaped(
        endo=new_endo,
        epi=new_epi,
        rv=new_rv,
        warp=Warp(
            spacing=heart.spacing,
            centres=heart.centres,
            before=np.concatenate([before, far], axis=-1),
            after=np.concatenate([after, far], axis=-1),
            z_before=z_before,
            z_after=z_after,
        ),
        stretch=1 + dials.apical_displacement - dials.basal_shift,
    )


def weight_of(heart: Outlines, one: Regional) -> NDArray[np.float64]:
    """How much of an effect each direction of each slice gets, (n, ANGLES)."""
    z = np.clip(heart.z, 0, 1)
    return np.stack([one.region.weight(heart.travelled(k), z[k]) for k in range(len(z))])


def septal_angle(heart: Outlines) -> NDArray[np.float64]:
    """Direction of the middle of the septum in each slice, (n,); NaN without RV."""
    depth = np.sqrt(heart.rv) - np.sqrt(heart.epi)
    turn = np.exp(1j * np.arange(ANGLES) * STEP)
    towards = np.sum(np.where(depth > 2.0, depth, 0.0) * turn, axis=1)
    angle = np.where(np.abs(towards) > 0, np.angle(towards), np.nan)
    known = np.flatnonzero(np.isfinite(angle))
    if not known.size:
        return angle
    nearest = known[np.abs(known[None] - np.arange(len(angle))[:, None]).argmin(axis=1)]
    return np.asarray(angle[nearest])


def _factor(heart: Outlines, amounts: tuple[Regional, ...], sign: float) -> NDArray[np.float64]:
    factor = np.ones_like(heart.endo)
    for one in amounts:
        factor *= 1 + sign * one.amount * weight_of(heart, one)
    return factor


def _flattened(heart: Outlines, amount: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Endocardium and epicardium with the septum drawn towards the chord between its ends."""
    from scipy.ndimage import gaussian_filter1d

    if not amount:
        return heart.endo, heart.epi
    outer = np.sqrt(heart.epi)
    angle = np.arange(ANGLES) * STEP
    apart = (angle[None] - septal_angle(heart)[:, None] + np.pi) % (2 * np.pi) - np.pi
    within = np.abs(apart) < FLATTENED
    ends = [_at(outer, septal_angle(heart) + side * FLATTENED) for side in (-1, 1)]
    # the chord from one end to the other, in polar coordinates about the centre
    middle = np.cos(FLATTENED)
    slope = (ends[1] - ends[0]) / (ends[1] + ends[0]) / np.tan(FLATTENED)
    distance = 2 * ends[0] * ends[1] / (ends[0] + ends[1]) * middle
    chord = distance[:, None] / np.maximum(np.cos(apart) - slope[:, None] * np.sin(apart), 0.2)
    inward = np.where(within, amount * np.maximum(outer - chord, 0), 0.0)
    inward = gaussian_filter1d(inward, 2.0, axis=1, mode="wrap")
    inner = np.sqrt(heart.endo)
    inward = np.minimum(inward, 0.8 * inner)  # something is left of the cavity
    return (inner - inward) ** 2, (outer - inward) ** 2


def _at(radii: NDArray[np.float64], angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """Radius of each slice in its own direction, (n,)."""
    at = (angle / STEP) % ANGLES
    low = at.astype(int) % ANGLES
    share = at - np.floor(at)
    rows = np.arange(len(radii))
    return np.asarray((1 - share) * radii[rows, low] + share * radii[rows, (low + 1) % ANGLES])


def _knots(
    endo: NDArray[np.float64], epi: NDArray[np.float64], rv: NDArray[np.float64]
) -> NDArray[np.float64]:
    """0 and the three outlines, none of which meet."""
    inner = np.maximum(endo, _LEAST_MM2)
    outer = np.maximum(epi, inner + _LEAST_MM2)
    return np.stack([np.zeros_like(inner), inner, outer, np.maximum(rv, outer + _LEAST_MM2)], -1)


def _ends(heart: Outlines, dials: Dials) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Depths of both ends of the LV in mm, before and after; slices reach half-way outward."""
    inside = np.flatnonzero(heart.has_lv)
    dz = heart.spacing[0]
    first, last = (inside[0] - 0.5) * dz, (inside[-1] + 0.5) * dz
    length = last - first
    base, apex = dials.basal_shift * length, dials.apical_displacement * length
    if heart.base_first:
        moved = (first + base, last + apex)
    else:
        moved = (first - apex, last - base)
    return np.array([first, last]), np.array(moved)
