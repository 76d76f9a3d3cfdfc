"""Tissues around the heart, told apart by grey level and distance: a map beside the mask.

A mask says nothing of the chest, so that a generator has to guess it and its estimates blur there.
With labels of more tissues pictures come out sharper and follow a given body (Amirrajab et al.
2022, doi:10.1016/j.compmedimag.2022.102123; Al Khalil et al. 2023,
doi:10.1016/j.compbiomed.2023.106973). Nobody drew them, so they are clustered: grey levels of
hearts are comparable (`cmr_synth.imaging.normalise.around_heart`), and how far from the heart a
pixel lies tells a lung from the air before the chest.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import BACKGROUND, LV, MYO, SCAR, is_heart

OPEN = 0
"""Where a map says nothing: inside the heart, and where nobody knows."""
TISSUES = ("air", "lung", "organs", "by the heart", "blood", "fat")
"""What mostly lies where a map has 1, 2, ...: see `CENTRES`."""
CENTRES = ((0.04, 54.0), (0.09, 21.0), (0.21, 52.0), (0.27, 19.0), (0.46, 43.0), (0.73, 45.0))
"""Grey level in [0, 1] and distance from the heart in mm of each tissue, which
`tools/fit_tissues.py` clusters in the training patients of all cohorts."""
BLUR_MM = 2.25
"""Standard deviation of the Gaussian that grey levels are taken from: grain is none of a map's."""
FAR_MM = 60.0
"""Beyond it all is far."""
MM_PER_GREY = 250.0
"""Distance that sets two pixels as far apart as black and white."""


def grey_and_distance(
    pixels: NDArray[np.floating], labels: NDArray[np.uint8], spacing: float
) -> NDArray[np.float64]:
    """What tissues are told apart by, at every pixel.

    Parameters
    ----------
    pixels : (y, x) array in [0, 1]
        Normalised around the heart.
    labels : (y, x) uint8 array
        Engine labels. Blood and wall of the heart give nothing to the grey level beside them.
    spacing : float
        Pixel size in mm.

    Returns
    -------
    (y, x, 2) array
        Grey level of the pixel's neighbourhood, and distance from the heart in mm, at most
        `FAR_MM`; all are far on a slice without a heart.
    """
    from scipy.ndimage import distance_transform_edt, gaussian_filter

    around = (labels == BACKGROUND).astype(np.float64)
    blur = BLUR_MM / spacing
    weight = gaussian_filter(around, blur)
    grey = gaussian_filter(np.asarray(pixels, np.float64) * around, blur) / np.maximum(weight, 1e-6)
    heart = is_heart(labels)
    far = np.full(labels.shape, FAR_MM)
    distance = np.minimum(distance_transform_edt(~heart) * spacing, far) if heart.any() else far
    return np.stack([grey, distance], axis=-1)


def tissues_around(
    pixels: NDArray[np.floating],
    labels: NDArray[np.uint8],
    *,
    spacing: float,
    structures: Collection[str] = ("LV", "MYO", "RV"),
) -> NDArray[np.uint8]:
    """The tissue map of a slice.

    Parameters
    ----------
    pixels, labels, spacing
        As for `grey_and_distance`.
    structures : collection of str
        What is told apart in the heart. Where the RV is not, nobody drew it: it is blood among the
        surroundings, as is all else beside the LV and its wall.

    Returns
    -------
    (y, x) uint8 array
        1 to the number of `TISSUES`; `OPEN` inside the heart and where nothing was drawn.
    """
    if "RV" not in structures:
        drawn = (LV, MYO, *SCAR.values())
        labels = np.where(np.isin(labels, drawn), labels, np.uint8(BACKGROUND))
    seen = grey_and_distance(pixels, labels, spacing)[..., None, :]
    apart = (seen - np.array(CENTRES)) / np.array([1.0, MM_PER_GREY])
    nearest = (apart**2).sum(axis=-1).argmin(axis=-1)
    return np.where(labels == BACKGROUND, nearest + 1, OPEN).astype(np.uint8)
