"""Find the heart in a scan that nobody has drawn on, and the phases of a cine.

The segmenter works on a grid centred on the heart; where the heart is, it finds out itself: first
from the middle of the pictures, then from where it has found one. What it finds comes back on the
scan's own grid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import LV, is_heart
from cmr_synth.anatomy.measurements import ed_and_es
from cmr_synth.errors import InputError
from cmr_synth.imaging.grid import WorkingGrid
from cmr_synth.imaging.normalise import percentile
from cmr_synth.imaging.placed import Placed
from cmr_synth.imaging.scan import Scan
from cmr_synth.judges.confidence import Confidence, confidence_of

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
    looked_at : (frames, slices) bool array
        Which slices were segmented; the others are empty in the mask.
    volumes_ml : (frames,) float64 array
        Of the LV blood pool, by frame; NaN where not every slice was looked at.
    confidence : Confidence
    segmenter_sha256 : str
    """

    mask: Scan
    looked_at: NDArray[np.bool_]
    volumes_ml: NDArray[np.float64]
    confidence: Confidence
    segmenter_sha256: str

    @property
    def phases(self) -> tuple[int, int] | None:
        """Frames of end-diastole and end-systole; None of less than a whole cine."""
        return ed_and_es(self.volumes_ml) if np.isfinite(self.volumes_ml).all() else None


def find_heart(
    scan: Scan,
    segmenter: Segmenter,
    *,
    frames: Sequence[int] | None = None,
    slices: Sequence[int] | None = None,
) -> Iterator[float | Found]:
    """Segment a short-axis scan, or some slices of it.

    Parameters
    ----------
    scan : Scan
        ([t,] z, y, x) pixels of a cine sequence, of any range.
    segmenter : Segmenter
    frames, slices : sequence of int, optional
        Which to segment; all by default. The place of the heart is looked for in the middle of
        the stack whichever these are, since an apex alone is easily missed.

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
    looked_at = np.zeros(pixels.shape[:2], bool)
    looked_at[np.ix_(_all_or(frames, len(pixels)), _all_or(slices, pixels.shape[1]))] = True
    wanted = np.argwhere(looked_at)
    stack = pixels[wanted[0, 0]]
    middle = stack[len(stack) // 4 : max(len(stack) // 4 + 1, 3 * len(stack) // 4)]
    heart = heart_in(middle, scan, segmenter.segment, turns=TURNS)
    if heart is None:
        raise InputError(_nothing(scan))
    placed = placed_around(heart, scan, GRID)
    labels = np.zeros(pixels.shape, np.uint8)
    confidence = Confidence.unknown(len(pixels), pixels.shape[1])
    for first in range(0, len(wanted), BLOCK):
        at = tuple(wanted[first : first + BLOCK].T)
        on_grid = np.clip(placed.image_to_grid(pixels[at]), 0, 1)
        shares = segmenter.shares(on_grid)
        labels[at] = placed.labels_from_grid(shares.argmax(axis=1).astype(np.uint8))
        confidence.probability[at], confidence.entropy[at] = confidence_of(shares)
        yield min(first + BLOCK, len(wanted)) / len(wanted)
    if not is_heart(labels).any():
        raise InputError(_nothing(scan))
    voxel_ml = float(np.prod(scan.spacing)) / 1000
    volumes = (labels == LV).sum(axis=(1, 2, 3)) * voxel_ml
    volumes[~looked_at.all(axis=1)] = np.nan
    mask = scan.with_array(labels if scan.is_cine else labels[0])
    yield Found(mask, looked_at, volumes, confidence, segmenter.hash)


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
        placed = placed_around(heart, scan, GRID)
    return heart


def placed_around(heart: NDArray[np.bool_], scan: Scan, grid: WorkingGrid) -> Placed:
    """A grid centred on a heart, which may be larger than it."""
    return Placed.around(
        heart, scan.affine, scan.spacing, grid=grid, name=scan.name, must_fit=False
    )


def _all_or(some: Sequence[int] | None, count: int) -> list[int]:
    return list(range(count)) if some is None else list(some)


def _nothing(scan: Scan) -> str:
    return (
        f"{scan.name}: no heart was found; the segmenter knows short-axis cine with the heart near "
        "the middle. Draw the mask, or give a scan of that kind."
    )
