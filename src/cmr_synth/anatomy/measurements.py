"""What a clinician reads off a contour: areas, ratios, wall thickness, volumes, EF and mass.

All functions take engine labels in the canonical radiological display and a spacing in mm, in the
order of the array's axes. A structure that a slice lacks measures 0, unless the slice has
unlabelled pixels (255): then nobody knows whether it is there, and the number is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import LV, MYO, RV, STRUCTURES, UNLABELLED
from cmr_synth.errors import InputError

DENSITY_G_PER_ML = 1.05  # myocardium; Schulz-Menger et al. 2020, doi:10.1186/s12968-020-00610-6

SMOOTHED_FROM = 8  # frames of a cine; with fewer, neighbours are other phases

SECTORS: tuple[str, ...] = (
    "anterior",
    "anteroseptal",
    "inferoseptal",
    "inferior",
    "inferolateral",
    "anterolateral",
)
"""Sectors of 60 degrees in the order of the AHA's segments 1 to 6 and 7 to 12 (Cerqueira et al.
2002, doi:10.1161/hc0402.102975); here the apex has six as well."""


def areas_mm2(labels: NDArray[Any], spacing: tuple[float, float]) -> dict[str, float]:
    """Area of each structure in one slice.

    Parameters
    ----------
    labels : (y, x) integer array
        Engine labels.
    spacing : (y, x) in mm
        Pixel size.

    Returns
    -------
    dict
        From "LV", "MYO" and "RV" to square millimetres.

    Raises
    ------
    InputError
        If the array is not 2D or the spacing is not two positive numbers.
    """
    _check(labels, spacing, 2)
    unknown = bool((labels == UNLABELLED).any())
    areas = {}
    for structure, label in STRUCTURES.items():
        pixels = int((labels == label).sum())
        areas[structure] = (
            float("nan") if unknown and not pixels else pixels * float(spacing[0] * spacing[1])
        )
    return areas


def lv_to_myocardium_ratio(labels: NDArray[Any]) -> float:
    """Area of the LV blood pool over that of the myocardium: low in hypertrophy, high in dilation.

    Parameters
    ----------
    labels : (y, x) integer array
        Engine labels. The pixel size cancels.

    Returns
    -------
    float
        NaN if the slice has no myocardium, or if either is unknown.
    """
    return _ratio(labels, "LV", "MYO")


def rv_to_lv_ratio(labels: NDArray[Any]) -> float:
    """Area of the RV blood pool over that of the LV blood pool.

    Parameters
    ----------
    labels : (y, x) integer array
        Engine labels. The pixel size cancels.

    Returns
    -------
    float
        NaN if the slice has no LV, or if either is unknown.
    """
    return _ratio(labels, "RV", "LV")


def volumes_ml(labels: NDArray[Any], spacing: tuple[float, float, float]) -> dict[str, float]:
    """Volume of each structure by Simpson's rule, which in cardiac MR means a sum of discs.

    Parameters
    ----------
    labels : (z, y, x) integer array
        Engine labels of a short-axis stack in one phase.
    spacing : (z, y, x) in mm
        Distance between slices (thickness plus gap), then pixel size.

    Returns
    -------
    dict
        From "LV", "MYO" and "RV" to millilitres.

    Raises
    ------
    InputError
        If the array is not 3D or the spacing is not three positive numbers.
    """
    _check(labels, spacing, 3)
    slices = [areas_mm2(labels_2d, (spacing[1], spacing[2])) for labels_2d in labels]
    return {
        structure: sum(areas[structure] for areas in slices) * float(spacing[0]) / 1000
        for structure in STRUCTURES
    }


def ejection_fraction(ed_volume_ml: float, es_volume_ml: float) -> float:
    """Share of the end-diastolic volume that a ventricle ejects.

    Parameters
    ----------
    ed_volume_ml, es_volume_ml : float
        Volumes of the same ventricle at end-diastole and end-systole.

    Returns
    -------
    float
        A fraction, 0.6 for 60 %. Negative if the ventricle is larger at end-systole: the phases
        are then probably swapped.

    Raises
    ------
    InputError
        If the end-diastolic volume is not positive or the end-systolic one is negative.
    """
    if not ed_volume_ml > 0 or not es_volume_ml >= 0:
        raise InputError(
            f"no ejection fraction from {ed_volume_ml:g} mL at ED and {es_volume_ml:g} mL at ES; "
            "both phases need a segmented ventricle."
        )
    return (ed_volume_ml - es_volume_ml) / ed_volume_ml


def ed_and_es(lv_ml: Sequence[float] | NDArray[np.floating]) -> tuple[int, int] | None:
    """Frames of end-diastole and end-systole: the largest and the smallest LV.

    Of a cine of `SMOOTHED_FROM` frames or more, each volume is first replaced by the median of
    itself and its two neighbours around the cycle, so that one frame that was drawn badly is
    neither.

    Parameters
    ----------
    lv_ml : (frames,) sequence of float
        Volumes of the LV blood pool. Where it is not drawn the volume is 0 or NaN.

    Returns
    -------
    (int, int) or None
        None if fewer than two frames show the LV, or all show the same volume.
    """
    volumes = np.asarray(lv_ml, np.float64)
    drawn = np.flatnonzero(volumes > 0)
    if drawn.size < 2:
        return None
    if drawn.size == volumes.size >= SMOOTHED_FROM:
        volumes = np.median([np.roll(volumes, step) for step in (-1, 0, 1)], axis=0)
    ed, es = int(drawn[volumes[drawn].argmax()]), int(drawn[volumes[drawn].argmin()])
    return None if ed == es else (ed, es)


def mass_g(labels: NDArray[Any], spacing: tuple[float, float, float]) -> float:
    """Mass of the left-ventricular wall.

    Parameters
    ----------
    labels : (z, y, x) integer array
        Engine labels of a stack, by custom at end-diastole.
    spacing : (z, y, x) in mm
        Distance between slices (thickness plus gap), then pixel size.

    Returns
    -------
    float
        Grams, at 1.05 g/mL.

    Raises
    ------
    InputError
        If the array is not 3D or the spacing is not three positive numbers.
    """
    return volumes_ml(labels, spacing)["MYO"] * DENSITY_G_PER_ML


def wall_thickness_mm(
    labels: NDArray[Any],
    spacing: tuple[float, float],
    *,
    anterior_insertion: float | None = None,
) -> dict[str, float]:
    """Mean thickness of the myocardium in six sectors of one slice.

    The thickness at a point of the endocardium is its distance to the nearest point of the
    epicardium; both outlines run between pixels and are smoothed over one pixel along the arc.

    Parameters
    ----------
    labels : (y, x) integer array
        Engine labels.
    spacing : (y, x) in mm
        Pixel size.
    anterior_insertion : float, optional
        Where the anteroseptal sector begins, as `anterior_insertion_angle` gives it. By default
        it is found from the RV of this slice; pass that of another slice where there is no RV.

    Returns
    -------
    dict
        From each of `SECTORS` to millimetres; NaN where the sector has no wall.

    Raises
    ------
    InputError
        If the slice lacks LV or myocardium, or has no RV at the septum and no angle is given.
    """
    _check(labels, spacing, 2)
    if not (labels == LV).any() or not (labels == MYO).any():
        raise InputError(
            "wall thickness needs both the LV blood pool and the myocardium in the slice; "
            "choose a slice that has them."
        )
    if anterior_insertion is None:
        anterior_insertion = anterior_insertion_angle(labels, spacing)

    # The anteroseptal sector, the second in the list, starts at the insertion.
    travelled, thickness = wall_points(labels, spacing, anterior_insertion)
    sector = (1 + (travelled // (np.pi / 3)).astype(int)) % 6
    return {name: _mean(thickness[sector == number]) for number, name in enumerate(SECTORS)}


def wall_points(
    labels: NDArray[Any], spacing: tuple[float, float], anterior_insertion: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Thickness of the wall at points of the endocardium, every 0.1 mm or so.

    Parameters
    ----------
    labels : (y, x) integer array
        Engine labels of a slice with LV and myocardium.
    spacing : (y, x) in mm
    anterior_insertion : float
        As `anterior_insertion_angle` gives it.

    Returns
    -------
    (n,) float64 array, (n,) float64 array
        Direction from the centre of the LV, in radians that are travelled from the insertion
        through the septum (counter-clockwise on the screen, which is falling angle), in
        [0, 2 pi); and millimetres to the nearest point of the epicardium, NaN where the outlines
        coincide.
    """
    from scipy.spatial import KDTree

    endocardium = _outline_mm(labels == LV, spacing)
    epicardium = _outline_mm((labels == LV) | (labels == MYO), spacing)
    thickness, _ = KDTree(epicardium).query(endocardium)
    thickness[thickness < min(spacing) / 2] = np.nan  # there is no wall
    offset = endocardium - _centre_mm(labels, spacing)
    travelled = (anterior_insertion - np.arctan2(offset[:, 0], offset[:, 1])) % (2 * np.pi)
    return travelled, thickness


def anterior_insertion_angle(labels: NDArray[Any], spacing: tuple[float, float]) -> float:
    """Direction from the centre of the LV to where the RV's anterior wall meets the septum.

    The septum is the arc over which the RV borders on the wall. Of its two ends the anterior one is
    reached clockwise on the screen, which holds for any rotation of the heart but not for a
    mirrored picture.

    Parameters
    ----------
    labels : (y, x) integer array
        Engine labels in the canonical radiological display.
    spacing : (y, x) in mm
        Pixel size.

    Returns
    -------
    float
        Radians, from the positive x axis towards the positive y axis (clockwise on the screen),
        in (-pi, pi].

    Raises
    ------
    InputError
        If the RV does not touch the myocardium or there is no LV.
    """
    _check(labels, spacing, 2)
    from scipy.ndimage import binary_dilation

    # Within two pixels, because a line of background between the two is common in drawn masks.
    near_wall = binary_dilation(labels == MYO, np.ones((3, 3)), iterations=2)
    septum = np.argwhere((labels == RV) & near_wall)
    if not len(septum) or not (labels == LV).any():
        raise InputError(
            "no RV beside the septum, so the sectors have no anchor; pass the anterior "
            "insertion of a slice that shows the RV."
        )
    offset = septum * np.asarray(spacing) - _centre_mm(labels, spacing)
    angles = np.sort(np.arctan2(offset[:, 0], offset[:, 1]))
    gaps = np.diff(angles, append=angles[0] + 2 * np.pi)
    return float(angles[np.argmax(gaps)])  # the largest gap is the free wall; it starts here


def _ratio(labels: NDArray[Any], of: str, to: str) -> float:
    areas = areas_mm2(labels, (1.0, 1.0))
    return areas[of] / areas[to] if areas[to] else float("nan")


def _centre_mm(labels: NDArray[Any], spacing: tuple[float, float]) -> NDArray[np.float64]:
    return np.argwhere(labels == LV).mean(axis=0) * np.asarray(spacing)


def _outline_mm(region: NDArray[np.bool_], spacing: tuple[float, float]) -> NDArray[np.float64]:
    """Points every 0.1 mm or so along the longest outline of a region, (n, 2), (y, x)."""
    from scipy.ndimage import gaussian_filter1d
    from skimage.measure import find_contours

    contours = find_contours(np.pad(region, 1).astype(np.float64), 0.5)
    corners = (max(contours, key=len)[:-1] - 1) * np.asarray(spacing)
    length = np.linalg.norm(np.diff(corners, axis=0, append=corners[:1]), axis=1)
    arc = np.concatenate([[0.0], np.cumsum(length)])
    count = max(16, int(np.ceil(arc[-1] / 0.1)))
    at = np.linspace(0, arc[-1], count, endpoint=False)
    closed = np.vstack([corners, corners[:1]])
    points = np.stack([np.interp(at, arc, closed[:, axis]) for axis in (0, 1)], axis=1)
    one_pixel = float(np.mean(spacing)) / (arc[-1] / count)
    return gaussian_filter1d(points, one_pixel, axis=0, mode="wrap")


def _mean(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def _check(labels: NDArray[Any], spacing: tuple[float, ...], dimensions: int) -> None:
    if np.ndim(labels) != dimensions:
        what = "one slice (y, x)" if dimensions == 2 else "a stack (z, y, x)"
        raise InputError(f"labels have {np.ndim(labels)} dimensions, expected {what}.")
    if len(spacing) != dimensions or not all(np.isfinite(s) and s > 0 for s in spacing):
        raise InputError(
            f"spacing {tuple(spacing)} mm; expected {dimensions} positive numbers, one per axis."
        )
