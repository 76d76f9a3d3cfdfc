"""How near slices are to the patients of an archive, in the spaces that copies are looked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cmr_synth.errors import InputError
from cmr_synth.privacy.pixels import MOVES, moved, project
from cmr_synth.privacy.search import closest_by_patient, nearest_and_ratio

if TYPE_CHECKING:
    from cmr_synth.privacy.archive import Archive
    from cmr_synth.privacy.copy_detector import CopyDetector

STATISTICS = {
    "embedding": "distance to the nearest patient between descriptors of whole slices",
    "embedding ratio": "the same over the distance to the next other patient",
    "windows": "smallest ratio among descriptors of 25 windows: copies of a part",
    "pixels": "distance to the nearest patient between principal components of pixels",
}
"""What is measured of a slice; the smaller, the more alike."""
NEAREST = 5


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Where slices stand among the patients of an archive.

    Parameters
    ----------
    statistics : (n, 4) float32 array
        In the order of `STATISTICS`.
    nearest : (n, k) int64 array
        Patients of the archive by number, the nearest first.
    distances : (n, k) float32 array
        To them, between descriptors.
    by_window : (n,) int64 array
        The patient to whom a part of the slice is nearest.
    """

    statistics: NDArray[np.float32]
    nearest: NDArray[np.int64]
    distances: NDArray[np.float32]
    by_window: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.nearest)


def neighbours(
    images: NDArray[np.floating], archive: Archive, detector: CopyDetector, *, batch: int = 64
) -> Neighbours:
    """Search the whole archive for every slice.

    Turned over slices are found as well: queries are compared in four reflections as wholes, and
    with small shifts and rotations as pixels.

    Parameters
    ----------
    images : (n, 128, 128) array in [0, 1]
        At the spacing of the archive, in canonical orientation.
    archive : Archive
    detector : CopyDetector
        That the archive was made with.

    Raises
    ------
    InputError
        If slices are on another grid, hold no numbers, or the detector is another one.
    """
    images = np.asarray(images)
    if images.ndim != 3 or images.shape[1:] != archive.shape:
        raise InputError(
            f"slices of {' x '.join(map(str, images.shape[1:]))} pixels were given, and the "
            f"archive holds {' x '.join(map(str, archive.shape))}; bring them to its grid."
        )
    if not np.isfinite(images).all() or images.size and (images.min() < 0 or images.max() > 1):
        raise InputError("pixels are to be numbers from 0 to 1; normalise the slices.")
    archive.require_detector(detector)
    found = [
        _batch(images[first : first + batch], archive, detector)
        for first in range(0, len(images), batch)
    ]
    if not found:
        raise InputError("no slices were given; there is nothing to search for.")
    return Neighbours(*(np.concatenate(part) for part in zip(*found, strict=True)))


def _batch(
    images: NDArray[np.floating], archive: Archive, detector: CopyDetector
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    starts = archive.starts
    count = len(images)
    turned = [images, images[:, ::-1], images[:, :, ::-1], images[:, ::-1, ::-1]]
    whole, windows = detector.descriptors(np.concatenate(turned))
    as_whole = closest_by_patient(whole, archive.whole, starts)
    as_whole = as_whole.reshape(4, count, -1).min(axis=0)
    _, distance, ratio = nearest_and_ratio(as_whole)
    best = np.full(count, np.inf, np.float32)
    by_window = np.zeros(count, np.int64)
    for place in range(windows.shape[1]):
        apart = closest_by_patient(windows[:count, place], archive.windows[:, place], starts)
        who, _, share = nearest_and_ratio(apart)
        better = share < best
        best[better], by_window[better] = share[better], who[better]
    views = np.concatenate([moved(image) for image in images])
    pixels = closest_by_patient(project(views, archive.basis), archive.pca, starts)
    pixel = pixels.reshape(count, len(MOVES), -1).min(axis=(1, 2))
    k = min(NEAREST, len(starts))
    order = np.argsort(as_whole, axis=1, kind="stable")[:, :k]
    return (
        np.stack([distance, ratio, best, pixel], axis=1).astype(np.float32),
        order,
        np.take_along_axis(as_whole, order, axis=1),
        by_window,
    )
