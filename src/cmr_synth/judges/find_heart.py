"""Find the heart in a scan that nobody has drawn on, and the phases of a cine.

The segmenter works on a grid centred on the heart; where the heart is, it finds out itself: first
from the middle of the pictures, then from where it has found one. What it finds comes back on the
scan's own grid.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import LV, is_heart
from cmr_synth.errors import InputError
from cmr_synth.imaging.grid import WorkingGrid
from cmr_synth.imaging.normalise import percentile
from cmr_synth.imaging.placed import Placed
from cmr_synth.imaging.scan import Scan

if TYPE_CHECKING:
    from cmr_synth.judges.segmenter import Segmenter

GRID = WorkingGrid()  # the segmenter's
TURNS = 3  # looks for the place
BLOCK = 8  # slices between two reports of progress


@dataclass(frozen=True, eq=False)
class Found:
    """What the segmenter found.

    Parameters
    ----------
    mask : Scan
        ([t,] z, y, x) uint8 engine labels on the scan's grid.
    volumes_ml : (frames,) float64 array
        Of the LV blood pool, by frame.
    segmenter_sha256 : str
    """

    mask: Scan
    volumes_ml: NDArray[np.float64]
    segmenter_sha256: str

    @property
    def phases(self) -> tuple[int, int]:
        """Frames of end-diastole and end-systole: the largest and the smallest LV.

        Volumes are the median of three frames that follow each other around the cycle, so that one
        frame that was segmented badly is neither.
        """
        around = np.stack([np.roll(self.volumes_ml, k) for k in (-1, 0, 1)])
        smooth = np.median(around, axis=0) if len(self.volumes_ml) > 2 else self.volumes_ml
        return int(np.argmax(smooth)), int(np.argmin(smooth))


def find_heart(
    scan: Scan, segmenter: Segmenter, *, convention: str | None = None
) -> Iterator[float | Found]:
    """Segment a short-axis scan.

    Parameters
    ----------
    scan : Scan
        ([t,] z, y, x) pixels of a cine sequence, of any range.
    segmenter : Segmenter
    convention : str, optional
        Cohort whose orientation holds where the affine has lost the direction.

    Yields
    ------
    float or Found
        Shares that are done, then the result.

    Raises
    ------
    InputError
        If no heart is found.
    """
    pixels = percentile(np.asarray(scan.array, np.float32)).reshape(-1, *scan.shape[-3:])
    placed = _place(pixels, scan, segmenter)
    frames, slices = pixels.shape[:2]
    planes = pixels.reshape(frames * slices, *pixels.shape[2:])
    found = np.zeros(planes.shape, np.uint8)
    for first in range(0, len(planes), BLOCK):
        block = planes[first : first + BLOCK]
        on_grid = np.clip(placed.image_to_grid(block), 0, 1)
        found[first : first + BLOCK] = placed.labels_from_grid(segmenter.segment(on_grid))
        yield (first + len(block)) / len(planes)
    labels = found.reshape(pixels.shape)
    if not is_heart(labels).any():
        raise InputError(_nothing(scan))
    voxel_ml = float(np.prod(scan.spacing)) / 1000
    volumes = (labels == LV).sum(axis=(1, 2, 3)) * voxel_ml
    mask = scan.with_array(labels if scan.is_cine else labels[0])
    yield Found(mask, volumes, segmenter.hash)


def _place(pixels: NDArray[np.float32], scan: Scan, segmenter: Segmenter) -> Placed:
    """Where the heart is, from the middle slices of the first frame."""
    stack = pixels[0]
    middle = stack[len(stack) // 4 : max(len(stack) // 4 + 1, 3 * len(stack) // 4)]
    rows, columns = middle.shape[1:]
    placed = Placed.on_the_middle((rows, columns), scan.affine, scan.spacing, grid=GRID)
    found = False
    for _ in range(TURNS):
        labels = segmenter.segment(np.clip(placed.image_to_grid(middle), 0, 1))
        heart = is_heart(placed.labels_from_grid(labels))
        if not heart.any():
            break
        found = True
        placed = Placed.around(
            heart, scan.affine, scan.spacing, grid=GRID, name=scan.name, must_fit=False
        )
    if not found:
        raise InputError(_nothing(scan))
    return placed


def _nothing(scan: Scan) -> str:
    return (
        f"{scan.name}: no heart was found; the segmenter knows short-axis cine with the heart near "
        "the middle. Draw the mask, or give a scan of that kind."
    )
