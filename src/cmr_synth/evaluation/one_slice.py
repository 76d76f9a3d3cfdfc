"""Verdicts on one slice of a scan, on the scan's own grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import LV, MYO, RV, UNLABELLED
from cmr_synth.errors import InputError
from cmr_synth.evaluation.mask_agreement import GRID, MISSED
from cmr_synth.evaluation.real_reference import RealReference
from cmr_synth.evaluation.verdicts import Verdict, judge
from cmr_synth.imaging.grid import place
from cmr_synth.imaging.orientation import apply, apply_to_spacing, in_plane_orientation, undo
from cmr_synth.imaging.scan import Scan, require_same_grid

if TYPE_CHECKING:
    from cmr_synth.evaluation.encoder import Encoder
    from cmr_synth.segmenter.model import Segmenter


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
    require_same_grid(picture, mask)
    if picture.n_frames != mask.n_frames:
        raise InputError(f"{picture.name}: has other frames than {mask.name}.")
    labels = (mask.array if mask.is_cine else mask.array[None]).astype(np.uint8, copy=False)
    pixels = picture.array if picture.is_cine else picture.array[None]
    drawn, shown = labels[frame, slice], pixels[frame, slice]
    if not np.isin(drawn, (LV, MYO, RV)).any():
        raise InputError(f"{mask.name}: has no heart on slice {slice}; go to one that has.")
    if not shown.any():
        raise InputError(f"{picture.name}: is empty on slice {slice}; synthesize it first.")
    orientation = in_plane_orientation(mask.affine)
    spacing = apply_to_spacing(orientation, mask.spacing)
    heart = np.isin(labels, (LV, MYO, RV))
    placement = place(apply(orientation, heart), spacing[1:], grid=GRID, name=mask.name)
    on_grid = placement.image_to_grid(apply(orientation, shown[None]))[0]
    known = as_made is not None and np.allclose(
        undo(orientation, placement.image_from_grid(as_made[None]))[0], shown, atol=1e-3
    )
    verdicts, found = judge(
        as_made if known and as_made is not None else on_grid,
        placement.labels_to_grid(apply(orientation, drawn[None]))[0],
        vendor,
        reference,
        segmenter,
        encoder,
        spacing=GRID.spacing,
        resampled=not known,
    )
    back = undo(orientation, placement.labels_from_grid(found[None]))[0]
    differs = (back != drawn) & (drawn != UNLABELLED)
    wrong = np.where(differs, np.where(back == 0, MISSED, back), 0).astype(np.uint8)
    return JudgedSlice(frame, slice, verdicts, wrong)
