"""How near slices are to the patients of an archive, in the spaces that copies are looked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cmr_synth.errors import InputError
from cmr_synth.privacy.pixels import moved, project
from cmr_synth.privacy.search import closest_by_patient, nearest_and_ratio

if TYPE_CHECKING:
    from cmr_synth.judges.copy_detector import CopyDetector
    from cmr_synth.privacy.archive import Archive

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


@dataclass(frozen=True, eq=False)
class Queries:
    """What is searched for: slices described in every way in which they are compared.

    Parameters
    ----------
    whole : (n, 4, d) array
        In four reflections: turned over slices are found as well.
    windows : (n, 25, w) array
    views : (n, m, 64) array
        Principal components of pixels, with small shifts and rotations.
    """

    whole: NDArray[np.floating]
    windows: NDArray[np.floating]
    views: NDArray[np.floating]

    def __len__(self) -> int:
        return len(self.whole)

    def take(self, rows: slice | NDArray[np.int64]) -> Queries:
        """Some of them."""
        return Queries(self.whole[rows], self.windows[rows], self.views[rows])


def described(
    images: NDArray[np.floating],
    detector: CopyDetector,
    basis: NDArray[np.float32],
    *,
    as_they_are: bool = False,
) -> Queries:
    """Describe slices.

    Parameters
    ----------
    images : (n, 128, 128) array in [0, 1]
    detector : CopyDetector
    basis : (64, 1024) array
        Of the archive.
    as_they_are : bool
        For an archive: one view and no reflection.
    """
    count = len(images)
    turned, views = [images], [images]
    if not as_they_are:
        turned += [images[:, ::-1], images[:, :, ::-1], images[:, ::-1, ::-1]]
        views = [moved(image) for image in images]
    whole, windows = detector.descriptors(np.concatenate(turned))
    seen = project(np.concatenate(views), basis)
    return Queries(
        whole.reshape(len(turned), count, -1).swapaxes(0, 1),
        windows[:count],
        seen.reshape(count, -1, seen.shape[-1]),
    )


def neighbours(
    images: NDArray[np.floating], archive: Archive, detector: CopyDetector, *, batch: int = 64
) -> Neighbours:
    """Search the whole archive for every slice.

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
    if not len(images):
        raise InputError("no slices were given; there is nothing to search for.")
    return _joined(
        search(described(images[first : first + batch], detector, archive.basis), archive)
        for first in range(0, len(images), batch)
    )


def search(queries: Queries, archive: Archive, *, batch: int = 64) -> Neighbours:
    """Compare described slices with the whole archive."""
    return _joined(
        _batch(queries.take(slice(first, first + batch)), archive)
        for first in range(0, len(queries), batch)
    )


def _joined(parts: Iterable[Neighbours]) -> Neighbours:
    found = [(one.statistics, one.nearest, one.distances, one.by_window) for one in parts]
    return Neighbours(*(np.concatenate(part) for part in zip(*found, strict=True)))


def _batch(queries: Queries, archive: Archive) -> Neighbours:
    starts = archive.starts
    count = len(queries)

    def apart(vectors: NDArray[np.floating], bank: NDArray[np.floating]) -> NDArray[np.float32]:
        """The nearest (n, patients) of several vectors (n, k, d) of each query."""
        several = vectors.reshape(-1, vectors.shape[-1])
        found = closest_by_patient(several, bank, starts)
        return np.asarray(found.reshape(count, vectors.shape[1], -1).min(axis=1))

    as_whole = apart(queries.whole, archive.whole)
    _, distance, ratio = nearest_and_ratio(as_whole)
    part, _, share = nearest_and_ratio(closest_by_patient(queries.windows, archive.windows, starts))
    place = share.argmin(axis=1)
    row = np.arange(count)
    pixel = apart(queries.views, archive.pca).min(axis=1)
    k = min(NEAREST, len(starts))
    order = np.argsort(as_whole, axis=1, kind="stable")[:, :k]
    return Neighbours(
        np.stack([distance, ratio, share[row, place], pixel], axis=1).astype(np.float32),
        order,
        np.take_along_axis(as_whole, order, axis=1),
        part[row, place],
    )
