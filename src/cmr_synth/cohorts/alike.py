"""Pictures that are the same under two names: small, heart-centred, compared slice with slice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import is_heart
from cmr_synth.cohorts.examination import Examination
from cmr_synth.imaging.grid import Placement, WorkingGrid, place

_THUMBNAIL = WorkingGrid(shape=(32, 32), spacing=4.0)


def closest_pairs(
    patients: Sequence[str], pictures: Sequence[NDArray[np.float32]]
) -> dict[tuple[str, str], float]:
    """How alike every two patients are at their most alike.

    Two stacks are as alike as the median, over the slices of the shorter one, of the best
    correlation with a slice of the other: the order and the number of slices do not matter.

    Parameters
    ----------
    patients : sequence of str
        Of each stack; patients may have several.
    pictures : sequence of (slices, pixels) arrays
        Those of `thumbnails`, a stack each.

    Returns
    -------
    dict of (patient, patient) to float
        Names in order. Patients without any textured slice are in no pair.
    """
    own = [i for i, stack in enumerate(pictures) if len(stack)]
    if not own:
        return {}
    lengths = np.array([len(pictures[i]) for i in own])
    starts = np.r_[0, np.cumsum(lengths)[:-1]]
    together = np.concatenate([pictures[i] for i in own])
    closest: dict[tuple[str, str], float] = {}
    for k, i in enumerate(own):
        best = np.maximum.reduceat(pictures[i] @ together.T, starts, axis=1)
        alike = np.median(best, axis=0)
        for other in np.flatnonzero(lengths >= lengths[k]).tolist():
            pair = tuple(sorted((patients[i], patients[own[other]])))
            if pair[0] != pair[1]:
                key = (pair[0], pair[1])
                closest[key] = max(closest.get(key, -1.0), float(alike[other]))
    return closest


def thumbnails(examination: Examination) -> NDArray[np.float32]:
    """Small heart-centred pictures, (slices, pixels), zero mean and unit length; none if flat.

    Centring and scaling make them equal for the same pictures cropped, resampled, or stretched in
    brightness in another way.
    """
    spacing = examination.spacing[1:]
    drawn = is_heart(examination.labels)
    rows, columns = drawn.shape[1:]
    middle = Placement(
        shape=(rows, columns),
        spacing=spacing,
        centre=((rows - 1) / 2, (columns - 1) / 2),
        grid=_THUMBNAIL,
    )
    placement = (
        place(drawn, spacing, grid=_THUMBNAIL, name=examination.patient, must_fit=False)
        if drawn.any()
        else middle
    )
    small = placement.image_to_grid(examination.image).reshape(len(drawn), -1)
    small = small - small.mean(axis=1, keepdims=True)
    length = np.linalg.norm(small, axis=1)
    textured = length > 1e-3 * max(float(length.max(initial=0.0)), 1e-12)
    return (small[textured] / length[textured, None]).astype(np.float32)
