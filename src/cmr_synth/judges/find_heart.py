"""Find the heart in a scan that nobody has drawn on, and the phases of a cine.

The segmenter works on a grid centred on the heart; where the heart is, it finds out itself: first
from the middle of the pictures, then from where it has found one. What it finds comes back on the
scan's own grid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
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

Segment = Callable[[NDArray[np.float32]], NDArray[np.uint8]]

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


def find_heart(scan: Scan, segmenter: Segmenter) -> Iterator[float | Found]:
    """Segment a short-axis scan.

    Parameters
    ----------
    scan : Scan
        ([t,] z, y, x) pixels of a cine sequence, of any range.
    segmenter : Segmenter

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
    stack = pixels[0]
    middle = stack[len(stack) // 4 : max(len(stack) // 4 + 1, 3 * len(stack) // 4)]
    heart = heart_in(middle, scan, segmenter.segment, turns=TURNS)
    if heart is None:
        raise InputError(_nothing(scan))
    placed = around_heart(heart, scan, GRID)
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


def heart_in(
    planes: NDArray[np.float32], scan: Scan, segment: Segment, *, turns: int
) -> NDArray[np.bool_] | None:
    """Where slices show a heart, looked for from their middle and then from where one was found.

    Parameters
    ----------
    planes : (n, y, x) float32 array in [0, 1]
        Slices of the scan, as stored.
    scan : Scan
        Whose affine and spacing hold.
    segment : callable
        From pictures on the segmenter's grid to engine labels.
    turns : int
        Looks, at most.

    Returns
    -------
    (n, y, x) bool array or None
        As last seen; None if there is none.
    """
    rows, columns = planes.shape[1:]
    placed = Placed.on_the_middle((rows, columns), scan.affine, scan.spacing, grid=GRID)
    heart = None
    for _ in range(turns):
        seen = is_heart(placed.labels_from_grid(segment(placed.image_to_grid(planes))))
        if not seen.any():
            break
        heart = seen
        placed = around_heart(heart, scan, GRID)
    return heart


def around_heart(heart: NDArray[np.bool_], scan: Scan, grid: WorkingGrid) -> Placed:
    """A grid centred on a heart, which may be larger than it."""
    return Placed.around(
        heart, scan.affine, scan.spacing, grid=grid, name=scan.name, must_fit=False
    )


def _nothing(scan: Scan) -> str:
    return (
        f"{scan.name}: no heart was found; the segmenter knows short-axis cine with the heart near "
        "the middle. Draw the mask, or give a scan of that kind."
    )
