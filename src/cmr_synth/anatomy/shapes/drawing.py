"""From outlines to label maps: which pixels of a slice lie in which structure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import BACKGROUND, LV, MYO, RV
from cmr_synth.anatomy.pieces import enclosed
from cmr_synth.anatomy.shapes.outlines import ANGLES, Outlines

SMALLEST_MM2 = {LV: 12.0, MYO: 40.0, RV: 25.0}
"""Nobody draws less in a slice."""

ALONE_MM2 = 200.0
"""Nor an RV in a slice beyond the left ventricle, unless it is as large as a dilated one's."""

_FINE = 1024  # angles of the table that pixels are looked up in: 0.2 mm apart at most


def draw(
    outlines: Outlines,
    *,
    shape: tuple[int, int],
    spacing: tuple[float, float],
    centre: tuple[float, float] | None = None,
) -> NDArray[np.uint8]:
    """Label the pixels of every slice.

    Where pixels are so large that a thin wall would fall between them, it is drawn thick enough to
    close around the cavity.

    Parameters
    ----------
    outlines : Outlines
    shape : (y, x)
        Pixels.
    spacing : (y, x) in mm
        Pixel size.
    centre : (y, x) in mm
        Of the LV's centre line from the middle of the picture.

    Returns
    -------
    (n, y, x) uint8 array
        Engine labels.
    """
    centre = centre if centre is not None else centred(outlines)
    thinnest = np.hypot(1, 1) * max(spacing)
    stack = np.full((len(outlines.endo), *shape), BACKGROUND, np.uint8)
    rows = (np.arange(shape[0]) - (shape[0] - 1) / 2) * spacing[0]
    columns = (np.arange(shape[1]) - (shape[1] - 1) / 2) * spacing[1]
    for k, labels in enumerate(stack):
        epi, endo = outlines.epi[k], outlines.endo[k]
        inner, outer = outlines.rv_inner[k], outlines.rv_outer[k]
        reach = max(float(epi.max()) + thinnest, float(outer.max()))
        y, x = rows - centre[0] - outlines.centre[k, 0], columns - centre[1] - outlines.centre[k, 1]
        window = np.ix_(np.flatnonzero(np.abs(y) <= reach), np.flatnonzero(np.abs(x) <= reach))
        y, x = np.meshgrid(y[window[0].ravel()], x[window[1].ravel()], indexing="ij")
        radius = np.hypot(y, x)
        angle = np.arctan2(y, -x) - outlines.tilt
        found = _labelled(radius, angle, endo, epi, inner, outer, thinnest)
        _tidy(found, spacing[0] * spacing[1])
        labels[window] = found
    return stack


def centred(outlines: Outlines) -> tuple[float, float]:
    """Where the centre line has to lie for both ventricles to be in the middle, (y, x) mm."""
    angle = _angles() + outlines.tilt
    reach = np.maximum(outlines.epi, np.where(_has_rv(outlines), outlines.rv_outer, 0))
    there = reach.max(axis=1) > 0
    if not there.any():
        return 0.0, 0.0
    y = (outlines.centre[:, :1] + reach * np.sin(angle))[there]
    x = (outlines.centre[:, 1:] - reach * np.cos(angle))[there]
    return -float(y.min() + y.max()) / 2, -float(x.min() + x.max()) / 2


def _has_rv(outlines: Outlines) -> NDArray[np.bool_]:
    return np.asarray(outlines.rv_outer > outlines.rv_inner)


def _angles() -> NDArray[np.float64]:
    return -np.pi + 2 * np.pi * np.arange(ANGLES) / ANGLES


def _labelled(
    radius: NDArray[np.float64],
    angle: NDArray[np.float64],
    endo: NDArray[np.float64],
    epi: NDArray[np.float64],
    inner: NDArray[np.float64],
    outer: NDArray[np.float64],
    thinnest: float,
) -> NDArray[np.uint8]:
    epi = np.where(endo > 0, np.maximum(epi, endo + thinnest), epi)
    fine = 2 * np.pi * np.arange(_FINE) / _FINE
    place = np.round(angle * (_FINE / (2 * np.pi))).astype(np.int32) % _FINE
    at_endo, at_epi, at_inner, at_outer = (
        np.interp(fine, _angles(), values, period=2 * np.pi)[place]
        for values in (endo, epi, np.maximum(inner, epi), np.maximum(outer, epi))
    )
    labels = np.full(radius.shape, BACKGROUND, np.uint8)
    labels[(radius >= at_inner) & (radius < at_outer)] = RV
    labels[radius < at_epi] = MYO
    labels[radius < at_endo] = LV
    return labels


def _tidy(labels: NDArray[np.uint8], pixel_mm2: float) -> None:
    """Keep one piece of each structure, fill pockets at the septum, drop what is too small."""
    from scipy.ndimage import label

    for value, beyond in ((LV, MYO), (MYO, BACKGROUND), (RV, BACKGROUND)):
        pieces, count = label(labels == value)
        if not count:
            continue
        sizes = np.bincount(pieces.ravel())[1:]
        keep = 1 + int(sizes.argmax())
        if sizes.max() * pixel_mm2 < SMALLEST_MM2[value]:
            keep = 0
        labels[(pieces > 0) & (pieces != keep)] = beyond
    if not (labels == MYO).any():
        labels[labels == LV] = BACKGROUND
        if (labels == RV).sum() * pixel_mm2 < ALONE_MM2:
            labels[labels == RV] = BACKGROUND
    labels[enclosed(labels == BACKGROUND)] = RV
