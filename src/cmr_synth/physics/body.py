"""A drawn chest around a heart: what a short axis shows beside it, in plain shapes.

Fat on the pericardium, the liver under the diaphragm, lungs, chest wall of muscle and fat. No
anatomy is claimed; it gives a pipeline edges, dark lungs and bright fat where it will meet them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import HEART, SCAR, STRUCTURES, is_heart

NAMES = {number: name for name, number in {**STRUCTURES, **SCAR}.items()}
"""Tissue of each label of the heart."""

AROUND = ("air", "fat", "muscle", "liver", "lung")
"""Tissues around it, whose numbers follow the labels of the heart."""

_FIRST = max(HEART) + 1
NUMBERS = NAMES | {_FIRST + k: name for k, name in enumerate(AROUND) if name != "air"}
"""Tissue of each number of `chest`; air, which has none, gives no signal."""

_PERICARDIUM_MM = 4.0
_CHEST_MM = (95.0, 120.0)  # half axes, up and to the side, of the inside of the chest
_WALL_MM = (10.0, 12.0)  # muscle, then fat
_BELOW_MM = 18.0  # from the heart's centre down to the dome of the diaphragm


def chest(
    labels: NDArray[np.integer],
    spacing: tuple[float, float],
    *,
    centre: tuple[float, float] | None = None,
) -> NDArray[np.uint8]:
    """Return a slice with the chest drawn around the heart, tissues by number (`NUMBERS`).

    Parameters
    ----------
    labels : (rows, columns) array
        Engine labels; anterior is up and the patient's right on the left, as scans are shown.
    spacing : (row, column) in mm
    centre : (row, column), optional
        Of the heart, in pixels: the same for the slices of a stack, whose chest is one. By default
        that of this slice, or its middle.

    Returns
    -------
    (rows, columns) uint8 array
        The labels where there is a heart.
    """
    from scipy.ndimage import distance_transform_edt

    number = {name: _FIRST + k for k, name in enumerate(AROUND)}
    heart = is_heart(labels)
    rows, columns = np.indices(labels.shape, dtype=float)
    centre = middle_of(heart) if centre is None else centre
    down = (rows - centre[0]) * spacing[0]
    right = (columns - centre[1]) * spacing[1]
    # The heart lies left of the chest's middle, in front: on the right of the picture, high up.
    y, x = down - 25, right + 30
    radius = np.hypot(y / _CHEST_MM[0], x / _CHEST_MM[1])
    outside = (radius - 1) * np.mean(_CHEST_MM)
    tissue = np.full(labels.shape, number["lung"], np.uint8)
    dome = _BELOW_MM + 8 * np.cos(np.clip((right + 20) / 90, -1.5, 1.5) * 2)
    tissue[down > 30 + dome * 0.6] = number["liver"]
    tissue[outside > 0] = number["muscle"]
    tissue[outside > _WALL_MM[0]] = number["fat"]
    tissue[outside > sum(_WALL_MM)] = number["air"]
    if heart.any():
        away = distance_transform_edt(~heart, sampling=spacing)
        tissue[(away <= _PERICARDIUM_MM) & ~heart] = number["fat"]
    tissue[heart] = labels[heart]
    return tissue


def middle_of(heart: NDArray[np.bool_]) -> tuple[float, float]:
    """(row, column) of the middle of what is drawn on (..., rows, columns), or of the picture."""
    if not heart.any():
        return (heart.shape[-2] - 1) / 2, (heart.shape[-1] - 1) / 2
    rows, columns = np.nonzero(heart)[-2:]
    return float(rows.mean()), float(columns.mean())
