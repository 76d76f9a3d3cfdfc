"""Verdicts on one slice of a scan, on the scan's own grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import UNLABELLED
from cmr_synth.evaluation.one_picture.agreement import GRID, MISSED
from cmr_synth.evaluation.one_picture.placed_scan import PlacedScan
from cmr_synth.evaluation.one_picture.real_reference import RealReference
from cmr_synth.evaluation.one_picture.verdicts import Verdict, judge
from cmr_synth.imaging.scan import Scan

if TYPE_CHECKING:
    from cmr_synth.judges.encoder import Encoder
    from cmr_synth.judges.segmenter import Segmenter


@dataclass(frozen=True, eq=False)
class JudgedSlice:
    """One slice.

    Parameters
    ----------
    frame, slice : int
    verdicts : list of Verdict
    disagreement : (y, x) uint8 array
        On the scan's grid: what the segmenter found where that differs from the mask, `MISSED`
        where the mask has heart that was not found, 0 elsewhere.
    """

    frame: int
    slice: int
    verdicts: list[Verdict]
    disagreement: NDArray[np.uint8]


def judge_slice(
    picture: Scan,
    mask: Scan,
    frame: int,
    slice: int,
    vendor: str,
    reference: RealReference,
    segmenter: Segmenter,
    encoder: Encoder,
    *,
    as_made: NDArray[np.float32] | None = None,
) -> JudgedSlice:
    """Bring a slice to the working grid as synthesis did, and judge it there.

    Resampling takes grain away. Where the slice as the model made it is known and still is what
    the scan shows, that is judged; else the figures that live on grain are left out.

    Parameters
    ----------
    picture, mask : Scan
        ([t,] z, y, x) on one grid, the mask in engine labels.
    frame, slice : int
    vendor : str
        See `verdicts.judge`.
    as_made : (y, x) array, optional
        The slice on the working grid; ignored if the scan shows something else.

    Raises
    ------
    InputError
        If the grids differ, or mask or picture are empty on this slice.
    """
    placed = PlacedScan.of(picture, mask)
    placed.require(frame, slice)
    shown, known = placed.picture_on_grid(frame, slice, as_made=as_made)
    verdicts, found = judge(
        shown,
        placed.labels_on_grid(frame, slice),
        vendor,
        reference,
        segmenter,
        encoder,
        spacing=GRID.spacing,
        resampled=not known,
    )
    drawn = placed.labels[frame, slice]
    back = placed.from_grid(found, labels=True)
    differs = (back != drawn) & (drawn != UNLABELLED)
    wrong = np.where(differs, np.where(back == 0, MISSED, back), 0).astype(np.uint8)
    return JudgedSlice(frame, slice, verdicts, wrong)
