"""An infarct in the wall: from the endocardium outward, as far as it is transmural."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.dials.outlines import ANGLES, STEP, Outlines
from cmr_synth.anatomy.dials.settings import Regional
from cmr_synth.anatomy.dials.shaping import Shaped, weight_of
from cmr_synth.anatomy.labels import INFARCT, MYO

_INSIDE = 0.5  # of the weight, from which a place belongs to the infarct


def with_scar(
    labels: NDArray[np.uint8], heart: Outlines, shaped: Shaped, scars: tuple[Regional, ...]
) -> NDArray[np.uint8]:
    """Label the infarcted part of the wall.

    Ischaemic injury spreads from the endocardium outward (Reimer and Jennings 1979), which is why
    the transmurality of a scar says how deep it reaches from there.

    Parameters
    ----------
    labels : (z, y, x) uint8 array
        Engine labels after the dials were turned.
    heart, shaped : Outlines, Shaped
        Before and after.
    scars : tuple of Regional
        Transmurality, 0 to 1, by region.

    Returns
    -------
    (z, y, x) uint8 array
        A new array.
    """
    out = labels.copy()
    weights = [(one.amount, weight_of(heart, one) >= _INSIDE) for one in scars if one.amount]
    dz, dy, dx = heart.spacing
    for k, plane in enumerate(labels):
        rows, columns = np.nonzero(plane == MYO)
        if not len(rows):
            continue
        level = int(np.clip(round(shaped.warp.source_depth(k * dz) / dz), 0, len(labels) - 1))
        y, x = rows * dy - heart.centres[level, 0], columns * dx - heart.centres[level, 1]
        of = np.rint(np.arctan2(y, x) / STEP).astype(int) % ANGLES
        inner, outer = np.sqrt(shaped.endo[level, of]), np.sqrt(shaped.epi[level, of])
        depth = (np.hypot(y, x) - inner) / np.maximum(outer - inner, 1e-6)
        for transmurality, inside in weights:
            hurt = inside[level, of] & (depth <= transmurality)
            out[k, rows[hurt], columns[hurt]] = INFARCT
    return out
