"""Distances in mm between the outlines of two masks, slice by slice.

Conventions, because libraries differ:

- Outlines are the pixels of a structure that touch its outside by an edge (4-neighbourhood), as in
  MedPy and scipy; positions are pixel centres.
- HD95 is the 95th percentile of both directed sets of distances pooled, as in MedPy and the ACDC
  challenge's evaluation. MONAI and DeepMind's surface-distance take the larger of the two directed
  percentiles, which is never smaller than the pooled one: `hd95_directed` gives that.
- ASD is the mean of the pooled distances (average symmetric surface distance).
- Surface Dice is the share of both outlines within a tolerance of the other (Nikolov et al. 2021,
  doi:10.2196/26151), counted in outline pixels and not weighted by their length.
- A structure that one mask has and the other has not is *missed*: it has no distance, and is
  counted, never dropped without a word.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cmr_synth.anatomy.labels import STRUCTURES, UNLABELLED


@dataclass(frozen=True)
class SurfaceDistances:
    """Distances of one structure on one slice.

    Parameters
    ----------
    hd, hd95, hd95_directed, asd : float
        In mm; NaN where the structure is missed, or neither mask shows it.
    surface_dice : float
        In [0, 1]; 0 where it is missed, NaN where neither mask shows it.
    missed : bool
        Whether only one of the masks shows it.
    """

    hd: float
    hd95: float
    hd95_directed: float
    asd: float
    surface_dice: float
    missed: bool


def surface_distances(
    found: NDArray[np.bool_],
    truth: NDArray[np.bool_],
    spacing: tuple[float, float],
    *,
    tolerance_mm: float = 2.0,
) -> SurfaceDistances:
    """Distances between the outlines of two shapes.

    Parameters
    ----------
    found, truth : (y, x) bool arrays
    spacing : (y, x) in mm
    tolerance_mm : float
        Of the surface Dice.

    Raises
    ------
    ValueError
        If the shapes differ, are not 2D, or a spacing is not positive.
    """
    if found.shape != truth.shape or found.ndim != 2:
        raise ValueError(f"two masks of (y, x) pixels are needed, got {found.shape}, {truth.shape}")
    if len(spacing) != 2 or not all(np.isfinite(side) and side > 0 for side in spacing):
        raise ValueError(f"spacing must be two positive numbers in mm, got {spacing}")
    shown = bool(found.any()), bool(truth.any())
    nan = float("nan")
    if not all(shown):
        one = any(shown)
        return SurfaceDistances(nan, nan, nan, nan, 0.0 if one else nan, missed=one)
    one_way = _to_outline(found, truth, spacing)
    other_way = _to_outline(truth, found, spacing)
    both = np.concatenate([one_way, other_way])
    return SurfaceDistances(
        hd=float(both.max()),
        hd95=float(np.percentile(both, 95)),
        hd95_directed=float(max(np.percentile(one_way, 95), np.percentile(other_way, 95))),
        asd=float(both.mean()),
        surface_dice=float((both <= tolerance_mm).mean()),
        missed=False,
    )


def distances_by_slice(
    found: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    spacing: tuple[float, float],
    *,
    tolerance_mm: float = 2.0,
) -> dict[str, list[SurfaceDistances]]:
    """Distances of every structure on every slice.

    Parameters
    ----------
    found, truth : (n, y, x) uint8 arrays
        Engine labels; pixels with 255 in `truth` are left out of both.
    spacing : (y, x) in mm

    Returns
    -------
    dict
        Structure to one result a slice.
    """
    if found.shape != truth.shape or found.ndim != 3:
        raise ValueError(f"two stacks (n, y, x) are needed, got {found.shape}, {truth.shape}")
    known = truth != UNLABELLED
    return {
        structure: [
            surface_distances(
                (f == label) & k, (t == label) & k, spacing, tolerance_mm=tolerance_mm
            )
            for f, t, k in zip(found, truth, known, strict=True)
        ]
        for structure, label in STRUCTURES.items()
    }


def _to_outline(
    of: NDArray[np.bool_], to: NDArray[np.bool_], spacing: tuple[float, float]
) -> NDArray[np.float64]:
    """Distance of every outline pixel of one shape to the outline of the other."""
    away = ndimage.distance_transform_edt(~_outline(to), sampling=spacing)
    distances: NDArray[np.float64] = away[_outline(of)]
    return distances


def _outline(shape: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels of a shape with an edge to its outside; the border of the array is outside."""
    inside = ndimage.binary_erosion(shape, ndimage.generate_binary_structure(2, 1))
    outline: NDArray[np.bool_] = shape & ~inside
    return outline
