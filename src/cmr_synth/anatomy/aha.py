"""Wall thickness in the 16 segments of the American Heart Association: the bull's-eye.

Segments are those of Cerqueira et al. 2002 (doi:10.1161/hc0402.102975) without the apical cap (17),
which short-axis slices do not show: rings of six at the base and the middle, a ring of four at the
apex, counted from the anterior wall over the septum. Where the septum begins the RV says: its
anterior insertion lies between segments 1 and 2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import LV, MYO
from cmr_synth.anatomy.measurements import SECTORS, anterior_insertion_angle, wall_points
from cmr_synth.errors import InputError

APICAL = ("anterior", "septal", "inferior", "lateral")
SEGMENTS: tuple[str, ...] = (
    *(f"basal {sector}" for sector in SECTORS),
    *(f"mid {sector}" for sector in SECTORS),
    *(f"apical {sector}" for sector in APICAL),
)
"""Names of segments 1 to 16."""

INSERTION = 120.0  # degrees, counter-clockwise from the right, of the insertion in a bull's-eye
WHOLE = 0.95  # share of the endocardium with a wall; rings that are open belong to no segment


def segment_of(level: int, travelled: NDArray[np.floating]) -> NDArray[np.int64]:
    """Segments, counted from 0, of directions seen from the centre of the LV.

    Parameters
    ----------
    level : int
        0 base, 1 middle, 2 apex.
    travelled : array
        Radians from the anterior insertion through the septum, in [0, 2 pi).
    """
    degrees = np.degrees(travelled) + INSERTION
    if level == 2:
        return np.asarray(12 + ((degrees - 45) // 90).astype(np.int64) % 4)
    return np.asarray(6 * level + ((degrees - 60) // 60).astype(np.int64) % 6)


def wedges() -> list[tuple[int, float, float]]:
    """Ring (0 base, outermost) and both ends, in degrees, of each segment in a bull's-eye.

    Degrees run counter-clockwise from the right, as in mathematics: anterior is up, septal left.
    """
    six = [(ring, 60.0 + 60 * k, 120.0 + 60 * k) for ring in (0, 1) for k in range(6)]
    return six + [(2, 45.0 + 90 * k, 135.0 + 90 * k) for k in range(4)]


def aha_levels(labels: NDArray[Any], spacing: tuple[float, float, float]) -> NDArray[np.int64]:
    """The ring that each slice belongs to: 0 base, 1 middle, 2 apex; -1 for none.

    Slices whose wall is closed are cut into thirds between base and apex, and the end with the
    larger heart is the base.

    Parameters
    ----------
    labels : (z, y, x) integer array
        Engine labels.
    spacing : (z, y, x) in mm
    """
    in_plane = (spacing[1], spacing[2])
    closed = np.array([i for i in range(len(labels)) if _is_closed(labels[i], in_plane)], np.int64)
    found = np.full(len(labels), -1)
    area = np.isin(labels[closed], (LV, MYO)).sum(axis=(1, 2))
    half = len(area) // 2
    if area[:half].sum() < area[len(area) - half :].sum():
        closed = closed[::-1]
    found[closed] = (3 * (np.arange(len(closed)) + 0.5) // max(len(closed), 1)).astype(np.int64)
    return found


def aha_thickness_mm(
    labels: NDArray[Any], spacing: tuple[float, float, float]
) -> NDArray[np.float64]:
    """Mean wall thickness in each segment.

    Parameters
    ----------
    labels : (z, y, x) integer array
        Engine labels of one phase, in the canonical radiological display.
    spacing : (z, y, x) in mm

    Returns
    -------
    (16,) float64 array
        Millimetres, in the order of `SEGMENTS`: means over the points of the endocardium, see
        `wall_thickness_mm`. NaN where there is no closed wall.

    Raises
    ------
    InputError
        If no slice shows where the RV meets the septum.
    """
    in_plane = (spacing[1], spacing[2])
    insertions = _insertions(labels, in_plane)
    levels = aha_levels(labels, spacing)
    sums, counts = np.zeros(len(SEGMENTS)), np.zeros(len(SEGMENTS))
    for index in np.flatnonzero(levels >= 0):
        nearest = min(insertions, key=lambda other: abs(other - index))
        travelled, thickness = wall_points(labels[index], in_plane, insertions[nearest])
        known = np.isfinite(thickness)
        segment = segment_of(int(levels[index]), travelled[known])
        sums += np.bincount(segment, thickness[known], minlength=len(SEGMENTS))
        counts += np.bincount(segment, minlength=len(SEGMENTS))
    return np.divide(sums, counts, out=np.full(len(SEGMENTS), np.nan), where=counts > 0)


def _insertions(labels: NDArray[Any], spacing: tuple[float, float]) -> dict[int, float]:
    """The anterior insertion of each slice that shows it."""
    found = {}
    for index, plane in enumerate(labels):
        try:
            found[index] = anterior_insertion_angle(plane, spacing)
        except InputError:  # no RV in that slice
            continue
    if not found:
        raise InputError(
            "no slice shows the RV beside the septum, so the segments have no anchor; draw the RV "
            "in one slice."
        )
    return found


def _is_closed(plane: NDArray[Any], spacing: tuple[float, float]) -> bool:
    if not (plane == LV).any() or not (plane == MYO).any():
        return False
    _, thickness = wall_points(plane, spacing, 0.0)
    return bool(np.isfinite(thickness).mean() >= WHOLE)
