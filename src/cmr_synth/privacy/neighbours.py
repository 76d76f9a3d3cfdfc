"""How near slices are to the patients of an archive, in the spaces that copies are looked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cmr_synth.errors import InputError
from cmr_synth.privacy.queries import Queries, described
from cmr_synth.privacy.search import closest_by_patient, nearest_and_ratio

if TYPE_CHECKING:
    from cmr_synth.judges.copy_detector import CopyDetector
    from cmr_synth.privacy.archive import Archive

NEAREST = 5


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Where slices stand among the patients of an archive.

    Parameters
    ----------
    statistics : (n, 4) float32 array
        In the order of `calibration.STATISTICS`.
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
