"""From a shape's numbers to the outlines of its slices: where cavity, wall and RV end.

Every outline is a positive radius over the angle around one centre, the epicardium is the
endocardium and a positive thickness, and the RV a positive depth outside of the epicardium: so no
outline crosses itself or another one, whatever the numbers are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.measurements import DENSITY_G_PER_ML
from cmr_synth.anatomy.shapes import layout
from cmr_synth.anatomy.shapes.parameters import ShapeParameters

ANGLES = 128
LARGEST_MM = 150.0  # no radius or depth is larger
LOGS = (-4.0, float(np.log(LARGEST_MM)))  # exponents are kept in
BELOW_BASE_MM = 22.0  # at which every RV has begun: 20 at most in ACDC
BEYOND_APEX_MM = 10.0  # by which no RV outlasts the left ventricle
WIDEST = 0.85 * np.pi  # half the angle that an RV may take
_DISCS = 40  # that volumes are summed of


@dataclass(frozen=True, eq=False)
class Outlines:
    """Outlines of n slices of one phase, in mm.

    Attributes
    ----------
    centre : (n, 2) array
        (y, x) from the middle of the centre line.
    tilt : float
        Angle of the septum's middle below the picture's left.
    endo, epi : (n, `ANGLES`) arrays
        Radii at `angles()`; 0 where there is none.
    rv_inner, rv_outer : (n, `ANGLES`) arrays
        Where the RV begins and ends on a ray; equal where there is none.
    """

    centre: NDArray[np.float64]
    tilt: float
    endo: NDArray[np.float64]
    epi: NDArray[np.float64]
    rv_inner: NDArray[np.float64]
    rv_outer: NDArray[np.float64]


def angles() -> NDArray[np.float64]:
    """The angles of outlines, (`ANGLES`,) radians from -pi."""
    return -np.pi + 2 * np.pi * np.arange(ANGLES) / ANGLES


@lru_cache(maxsize=1)
def _series() -> NDArray[np.float64]:
    return layout.fourier(angles())


def extent_mm(parameters: ShapeParameters, phase: str) -> tuple[float, float]:
    """Where the LV with its wall begins and ends, mm below the base of end-diastole."""
    length, cap = (_exp(parameters.block(name, phase)) for name in ("length", "cap"))
    top = float(parameters.block("descent", phase))
    return top, top + float(length + cap)


def rv_extent_mm(parameters: ShapeParameters, phase: str) -> tuple[float, float]:
    """Where the RV begins and ends, mm below the base of end-diastole."""
    base, apex = extent_mm(parameters, phase)
    top = min(float(parameters.block("rv_top", phase)), base + BELOW_BASE_MM)
    end = top + float(_exp(parameters.block("rv_length", phase)))
    return top, max(min(end, apex + BEYOND_APEX_MM), top + 1.0)


def left_ventricle(
    parameters: ShapeParameters, phase: str, depth_mm: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Centre (n, 2), endocardium and epicardium (n, `ANGLES`) at some depths below the base of ED.

    Above the base of the phase and below its apex the epicardium is the one nearest to it, on
    which an RV that reaches farther may lie; `outlines` takes it away.
    """
    top, end = extent_mm(parameters, phase)
    length = float(_exp(parameters.block("length", phase)))
    of_cavity, of_wall = (depth_mm - top) / length, (depth_mm - top) / (end - top)
    series = _series()
    radius = _exp(
        layout.between(of_cavity, layout.LEVELS) @ parameters.block("endo", phase) @ series.T
    )
    thickness = _exp(
        layout.between(of_wall, layout.LEVELS) @ parameters.block("wall", phase) @ series.T
    )
    endo = radius * layout.closing(of_cavity)[:, None]
    epi = endo + thickness * layout.wall_closing(of_wall)[:, None]
    centre = layout.between(of_wall, layout.LEVELS) @ parameters.block("centre", phase)
    return centre, endo, epi


def right_ventricle(
    parameters: ShapeParameters,
    phase: str,
    depth_mm: NDArray[np.float64],
    epi: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Inner and outer radius (n, `ANGLES`) of the RV at some depths; equal where there is none."""
    top, end = rv_extent_mm(parameters, phase)
    level = (depth_mm - top) / (end - top)
    weights = layout.between(level, layout.RV_LEVELS)
    middle = weights @ parameters.block("rv_middle", phase)
    half = limited(_exp(weights @ parameters.block("rv_width", phase)))
    turned = (angles()[None] - middle[:, None] + np.pi) % (2 * np.pi) - np.pi
    share = (turned / half[:, None] + 1) / 2
    inside = (share > 0) & (share < 1) & (level > 0)[:, None] & (level < 1)[:, None]
    waves = layout.cosines(np.clip(share, 0, 1))
    gap = np.einsum("nw,naw->na", weights @ parameters.block("rv_gap", phase), waves)
    depth = np.einsum("nw,naw->na", weights @ parameters.block("rv_depth", phase), waves)
    away = np.maximum(_exp(gap) - 1, 0) * layout.off_septum(share)
    inner = epi + np.where(inside, away, 0)
    return inner, inner + np.where(inside, _exp(depth) * layout.rounding(share), 0)


def outlines(parameters: ShapeParameters, phase: str, depth_mm: NDArray[np.float64]) -> Outlines:
    """Outlines of the slices at some depths.

    Parameters
    ----------
    parameters : ShapeParameters
    phase : str
        "ED" or "ES".
    depth_mm : (n,) array
        Of the middle of each slice below the base of end-diastole.
    """
    depth_mm = np.asarray(depth_mm, np.float64)
    centre, endo, epi = left_ventricle(parameters, phase, depth_mm)
    inner, outer = right_ventricle(parameters, phase, depth_mm, epi)
    top, end = extent_mm(parameters, phase)
    there = ((depth_mm > top) & (depth_mm < end))[:, None]
    return Outlines(
        centre,
        float(parameters.block("tilt")),
        np.where(there, endo, 0),
        np.where(there, epi, 0),
        inner,
        outer,
    )


def limited(half: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half the angle of an RV, kept below `WIDEST`."""
    return np.asarray(WIDEST * np.tanh(half / WIDEST))


def unlimited(half: float) -> float:
    """The inverse of `limited`."""
    return float(WIDEST * np.arctanh(min(half / WIDEST, 0.999)))


def function_of_shape(parameters: ShapeParameters) -> dict[str, float]:
    """Volumes, ejection fractions and mass of a shape, from its outlines and so from no grid.

    Forty discs are summed up. A stack of thick slices measures the same but for what a slice more
    or less at the base adds.

    Returns
    -------
    dict
        The keys of `reference.NORMAL`: mL, shares and g.
    """
    volumes: dict[str, dict[str, float]] = {}
    share = (np.arange(_DISCS, dtype=np.float64) + 0.5) / _DISCS
    for phase in layout.PHASES:
        (top, end), (rv_top, rv_end) = extent_mm(parameters, phase), rv_extent_mm(parameters, phase)
        left = outlines(parameters, phase, top + (end - top) * share)
        right = outlines(parameters, phase, rv_top + (rv_end - rv_top) * share)
        scale = np.pi / ANGLES / 1000 / _DISCS  # half a radius squared, over angle and length
        cavity, whole = ((part**2).sum() * scale * (end - top) for part in (left.endo, left.epi))
        rv = (right.rv_outer**2 - right.rv_inner**2).sum() * scale * (rv_end - rv_top)
        volumes[phase] = {"LV": float(cavity), "MYO": float(whole - cavity), "RV": float(rv)}
    measured = {"lv_mass_g": volumes["ED"]["MYO"] * DENSITY_G_PER_ML}
    for side, structure in (("lv", "LV"), ("rv", "RV")):
        edv, esv = volumes["ED"][structure], volumes["ES"][structure]
        measured |= {f"{side}_edv_ml": edv, f"{side}_esv_ml": esv, f"{side}_stroke_ml": edv - esv}
        measured[f"{side}_ef"] = 1 - esv / max(edv, 1e-3)
    return measured


def _exp(logarithm: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.exp(np.clip(logarithm, *LOGS)))
