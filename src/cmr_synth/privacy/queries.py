"""Slices described in the spaces that copies are looked for: what an archive keeps and is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cmr_synth.privacy.pixels import moved, project

if TYPE_CHECKING:
    from cmr_synth.judges.copy_detector import CopyDetector


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
