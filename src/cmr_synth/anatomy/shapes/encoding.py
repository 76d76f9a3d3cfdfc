"""From masks to a shape's numbers: outlines along rays, then series over angle and level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import LV, MYO, RV, UNLABELLED, scar_as_myocardium
from cmr_synth.anatomy.shapes import layout
from cmr_synth.anatomy.shapes.outlines import (
    ANGLES,
    LARGEST_MM,
    angles,
    left_ventricle,
    unlimited,
)
from cmr_synth.anatomy.shapes.parameters import ShapeParameters
from cmr_synth.errors import InputError

FEWEST = 3
"""Slices with LV that a phase needs."""

_RAY_MM = 0.5
_THINNEST_MM = 1.0  # walls and radii below are taken for as much
_BEYOND_MM = 2.0  # by which the wall outlasts a cavity that ends with it
_ROUGH = 0.02  # weight of second differences between levels against the slices
_STEEP = 1e-3  # and of first ones, which decide where slices are too few


@dataclass(frozen=True, eq=False)
class _Phase:
    """One phase's slices, base first; which of them have what; and where each begins."""

    labels: NDArray[np.uint8]
    spacing: tuple[float, float, float]
    lv: tuple[int, int]  # first and last slice
    wall: tuple[int, int]
    rv: tuple[int, int] | None
    centres: NDArray[np.float64]  # (z, 2) mm from the middle of the picture


def encode(
    mask_ed: NDArray[Any], mask_es: NDArray[Any], spacing: tuple[float, float, float]
) -> ShapeParameters:
    """Describe a heart by the numbers of a shape.

    Parameters
    ----------
    mask_ed, mask_es : (z, y, x) integer arrays
        Engine labels at end-diastole and end-systole on one grid, in the canonical radiological
        display; the base may be first or last.
    spacing : (z, y, x) in mm
        Distance between slices, then pixel size.

    Returns
    -------
    ShapeParameters
        `decode` with the same grid gives the masks back, but for what outlines cannot show: base
        first, holes filled, the wall closed.

    Raises
    ------
    InputError
        If the masks do not fit together, one has unlabelled pixels, no RV, or fewer than three
        slices with LV and myocardium.
    """
    ed, es = _checked(mask_ed, "ED", spacing), _checked(mask_es, "ES", spacing)
    if ed.shape != es.shape:
        raise InputError(
            f"the masks of ED and ES have {ed.shape} and {es.shape} pixels; give both phases of "
            "one stack."
        )
    if _base_is_last(ed):
        ed, es = ed[::-1], es[::-1]
    phases = {"ED": _looked_at(ed, "ED", spacing), "ES": _looked_at(es, "ES", spacing)}
    first = phases["ED"].lv[0]
    tilt = _tilt(phases["ED"])
    centre = phases["ED"].centres[slice(first, phases["ED"].wall[1] + 1)].mean(axis=0)
    blocks: dict[str, Any] = {"tilt": tilt}
    for name, phase in phases.items():
        blocks |= {f"{name} {key}": v for key, v in _left(phase, tilt, centre, first).items()}
        blocks |= {f"{name} {key}": v for key, v in _right_blank().items()}
    without_rv = ShapeParameters(vector=layout.joined(blocks))
    for name, phase in phases.items():
        found = _right(phase, name, without_rv, tilt, centre, first)
        blocks |= {f"{name} {key}": v for key, v in found.items()}
    return ShapeParameters(
        vector=layout.joined(blocks),
        centre=(float(centre[0]), float(centre[1])),
        first_slice_mm=(0.5 - first) * spacing[0],
    )


def _checked(
    labels: NDArray[Any], phase: str, spacing: tuple[float, float, float]
) -> NDArray[np.uint8]:
    labels = np.asarray(labels)
    if labels.ndim != 3 or len(spacing) != 3:
        raise InputError(f"{phase}: a shape is that of a stack (z, y, x) with three spacings.")
    if not all(np.isfinite(s) and s > 0 for s in spacing):
        raise InputError(f"{phase}: spacing {tuple(spacing)} mm; expected three positive numbers.")
    if (labels == UNLABELLED).any():
        raise InputError(f"{phase}: the mask has unlabelled pixels; a shape needs all of them.")
    return scar_as_myocardium(labels.astype(np.uint8))


def _base_is_last(labels: NDArray[np.uint8]) -> bool:
    area = (labels > 0).sum(axis=(1, 2))
    drawn = np.flatnonzero(area)
    if len(drawn) < 2:
        return False
    half = len(drawn) // 2
    return bool(area[drawn[:half]].sum() < area[drawn[-half:]].sum())


def _looked_at(labels: NDArray[np.uint8], name: str, spacing: tuple[float, float, float]) -> _Phase:
    lv = _ends(((labels == LV).any(axis=(1, 2))) & (labels == MYO).any(axis=(1, 2)))
    if lv is None or lv[1] - lv[0] + 1 < FEWEST:
        count = 0 if lv is None else lv[1] - lv[0] + 1
        raise InputError(
            f"{name}: {count} slices with LV and myocardium; a shape needs at least {FEWEST}."
        )
    wall = _ends((labels == MYO).any(axis=(1, 2)))
    assert wall is not None
    rv = _ends((labels == RV).any(axis=(1, 2)))
    if rv is None:
        raise InputError(f"{name}: no RV, which the shape of a heart includes; draw it.")
    middle = (np.array(labels.shape[1:]) - 1) / 2
    heart = np.isin(labels, (LV, MYO))
    known = [k for k in range(lv[0], wall[1] + 1) if heart[k].any()]
    places = np.array([np.argwhere(heart[k]).mean(axis=0) - middle for k in known])
    every = np.arange(len(labels))
    centres = np.stack(
        [np.interp(every, known, places[:, axis]) * spacing[1 + axis] for axis in (0, 1)], axis=1
    )
    return _Phase(labels, spacing, lv, (lv[0], max(wall[1], lv[1])), rv, centres)


def _ends(there: NDArray[np.bool_]) -> tuple[int, int] | None:
    found = np.flatnonzero(there)
    return (int(found[0]), int(found[-1])) if found.size else None


def _tilt(phase: _Phase) -> float:
    """Direction of the RV as seen from the LV, at the levels that have both."""
    y, x = _offsets(phase)
    rv = phase.labels == RV
    rv[: phase.lv[0]], rv[phase.wall[1] + 1 :] = False, False
    return float(np.arctan2(y[rv].sum(), -x[rv].sum()))


def _offsets(phase: _Phase) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(z, y, x) distances of pixels from the centre of their slice, down and right, mm."""
    shape = phase.labels.shape
    rows = (np.arange(shape[1]) - (shape[1] - 1) / 2) * phase.spacing[1]
    columns = (np.arange(shape[2]) - (shape[2] - 1) / 2) * phase.spacing[2]
    y = rows[None, :, None] - phase.centres[:, :1, None]
    x = columns[None, None, :] - phase.centres[:, 1:, None]
    return np.broadcast_to(y, shape), np.broadcast_to(x, shape)


def _left(phase: _Phase, tilt: float, centre: NDArray[np.float64], first: int) -> dict[str, Any]:
    dz = phase.spacing[0]
    (top, last), end = phase.lv, phase.wall[1]
    length = (last - top + 1) * dz
    cap = (end - last) * dz + _BEYOND_MM
    whole = length + cap
    slices = list(range(top, end + 1))
    depth = (np.array(slices, np.float64) - top + 0.5) * dz
    endo, wall, of_cavity = [], [], depth / length
    for k, t in zip(slices, depth / whole, strict=True):
        inside = _area_radius(phase, k, phase.labels[k] == LV, tilt)
        outside = _area_radius(phase, k, np.isin(phase.labels[k], (LV, MYO)), tilt)
        inside = np.clip(inside, _THINNEST_MM, None) if k <= last else np.zeros(ANGLES)
        thick = np.clip(outside - inside, _THINNEST_MM, None)
        wall.append(np.log(thick / layout.wall_closing(np.array([t]))[0]))
        if k <= last:
            level = np.array([(k - top + 0.5) * dz / length])
            endo.append(np.log(inside / layout.closing(level)[0]))
    series = layout.fourier(angles())
    project = np.linalg.pinv(series).T  # (angles, orders)
    cavity_levels, wall_levels = of_cavity[: len(endo)], depth / whole
    return {
        "length": np.log(length),
        "cap": np.log(cap),
        "descent": (top - first) * dz,
        "centre": _at_knots(wall_levels, phase.centres[slices] - centre, layout.LEVELS),
        "endo": _at_knots(cavity_levels, np.array(endo) @ project, layout.LEVELS),
        "wall": _at_knots(wall_levels, np.array(wall) @ project, layout.LEVELS),
    }


def _right_blank() -> dict[str, Any]:
    shapes = {
        name.removeprefix("ED "): shape
        for name, shape in layout.BLOCKS.items()
        if name.startswith("ED rv_")
    }
    return {name: np.zeros(shape) for name, shape in shapes.items()}


def _right(
    phase: _Phase,
    name: str,
    left: ShapeParameters,
    tilt: float,
    centre: NDArray[np.float64],
    first: int,
) -> dict[str, Any]:
    assert phase.rv is not None
    dz = phase.spacing[0]
    top, last = phase.rv
    length = (last - top + 1) * dz
    slices = [k for k in range(top, last + 1) if (phase.labels[k] == RV).any()]
    depth = (np.array(slices, np.float64) - first + 0.5) * dz
    at, _, epi = left_ventricle(left, name, depth)
    rows: dict[str, list[Any]] = {"rv_middle": [], "rv_width": [], "rv_gap": [], "rv_depth": []}
    for i, k in enumerate(slices):
        mask = phase.labels[k] == RV
        moved = at[i] + centre  # of the model, which smooths the centre line a little
        found = _rv_of_slice(phase, mask, moved, tilt, epi[i])
        for key, value in zip(rows, found, strict=True):
            rows[key].append(value)
    levels = (np.array(slices, np.float64) - top + 0.5) * dz / length
    fitted = {
        key: _at_knots(levels, np.array(values), layout.RV_LEVELS) for key, values in rows.items()
    }
    return {"rv_top": (top - first) * dz, "rv_length": np.log(length), **fitted}


def _rv_of_slice(
    phase: _Phase,
    mask: NDArray[np.bool_],
    centre: NDArray[np.float64],
    tilt: float,
    epi: NDArray[np.float64],
) -> tuple[float, float, NDArray[np.float64], NDArray[np.float64]]:
    """Middle, log half width, gap and depth of the RV in one slice."""
    share, places = _along_rays(phase, mask, centre, tilt)
    there = share.max(axis=1) >= 0.5
    there = _longest_run(there) if there.any() else share.max(axis=1) >= share.max()
    at = np.flatnonzero(there)
    known = angles()
    step = 2 * np.pi / ANGLES
    low, high = known[at[0]] - step / 2, known[at[-1]] + step / 2
    middle, half = (low + high) / 2, (high - low) / 2
    inner = places[(share[at] >= 0.5).argmax(axis=1)] - _RAY_MM / 2
    gone = np.where(places[None] < inner[:, None], 0, share[at])
    outer = np.sqrt(np.maximum(inner, 0) ** 2 + 2 * (gone * places).sum(axis=1) * _RAY_MM)
    at_share = ((known[at] - middle) / half + 1) / 2
    waves = layout.cosines(at_share)
    gap = np.maximum(inner - epi[at], 0)
    gap_series = _wave_fit(waves, np.log1p(gap), 0.05 + layout.off_septum(at_share))
    away = np.maximum(np.exp(waves @ gap_series) - 1, 0) * layout.off_septum(at_share)
    deep = np.maximum(outer - epi[at] - away, _THINNEST_MM)
    rounded = np.maximum(layout.rounding(at_share), 0.15)
    depth_series = _wave_fit(waves, np.log(deep / rounded), deep)
    area = float(mask.sum() * phase.spacing[1] * phase.spacing[2])
    deep = np.exp(waves @ depth_series) * layout.rounding(at_share)
    depth_series[0] += np.log(_scale_to(area, epi[at] + away, deep))
    return float(middle), float(np.log(unlimited(half))), gap_series, depth_series


def _scale_to(area_mm2: float, inner: NDArray[np.float64], depth: NDArray[np.float64]) -> float:
    """By how much a depth has to grow for the RV to have its area; the root of a quadratic."""
    step = 2 * np.pi / ANGLES
    a, b = step * (depth**2).sum() / 2, step * (inner * depth).sum()
    return float(np.clip((np.sqrt(b * b + 4 * a * area_mm2) - b) / (2 * a), 0.5, 2.0))


def _wave_fit(
    waves: NDArray[np.float64], values: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    weights = weights / weights.mean()
    scaled = waves * weights[:, None]
    damping = len(values) * np.diag(1e-6 + 2e-3 * np.arange(layout.WAVES) ** 2)
    return np.asarray(np.linalg.solve(scaled.T @ waves + damping, scaled.T @ values))


def _longest_run(there: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from scipy.ndimage import label

    pieces, _ = label(there)
    return np.asarray(pieces == 1 + np.bincount(pieces)[1:].argmax())


def _area_radius(
    phase: _Phase, k: int, region: NDArray[np.bool_], tilt: float
) -> NDArray[np.float64]:
    """Radius at each angle of the region that reaches from the centre and has the same area."""
    share, places = _along_rays(phase, region, phase.centres[k], tilt)
    return np.asarray(np.sqrt(2 * (share * places).sum(axis=1) * _RAY_MM))


def _along_rays(
    phase: _Phase, region: NDArray[np.bool_], centre: NDArray[np.float64], tilt: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How much of a region lies at each place of each ray, (angles, places); places in mm."""
    from scipy.ndimage import map_coordinates

    inside = np.argwhere(region)
    middle = (np.array(region.shape) - 1) / 2
    step = np.asarray(phase.spacing[1:])
    if not len(inside):
        return np.zeros((ANGLES, 1)), np.zeros(1)
    reach = np.hypot(*((inside - middle) * step - centre).T).max() + 2 * step.max()
    places = np.arange(_RAY_MM / 2, min(float(reach), 2 * LARGEST_MM), _RAY_MM)
    direction = np.stack([np.sin(angles() + tilt), -np.cos(angles() + tilt)])
    at = centre[:, None, None] + direction[:, :, None] * places  # (2, angles, places) mm
    pixel = at / step[:, None, None] + middle[:, None, None]
    share = map_coordinates(region.astype(np.float32), pixel, order=1, cval=0.0)
    return np.asarray(share, np.float64), places


def _at_knots(
    levels: NDArray[np.float64], values: NDArray[np.float64], knots: int
) -> NDArray[np.float64]:
    """Values at the knots that give those at the slices, and are smooth where slices are few."""
    weights = layout.between(levels, knots)
    first = np.diff(np.eye(knots), axis=0)
    second = np.diff(first, axis=0)
    system = weights.T @ weights + _ROUGH * second.T @ second + _STEEP * first.T @ first
    flat = values.reshape(len(values), -1)
    found = np.linalg.solve(system, weights.T @ flat)
    return np.asarray(found.reshape(knots, *values.shape[1:]))
