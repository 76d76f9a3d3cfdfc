"""Hearts on the wrong side: where the affine and the heart itself disagree about the display.

In radiological display the right ventricle lies on the left of the picture. Where an affine that
looks sound puts it on the right, axes of the affine are reversed, as in M&Ms-2 and wherever LPS
was taken for RAS. Axes get reversed in pairs: one alone would make a mirrored body, which no
scanner measures. Which pair it was shows in the stack: if base and apex lie where the affine says,
it was both in-plane axes, and the slices are turned by 180 degrees; if base and apex are exchanged,
it was the slice axis and one in-plane axis, and the slices are mirrored left to right.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from cmr_synth.anatomy.labels import LV, MYO, RV
from cmr_synth.errors import InputError
from cmr_synth.imaging.orientation import (
    Orientation,
    apply,
    apply_to_spacing,
    in_plane_orientation,
)
from cmr_synth.imaging.plane import LONG_AXIS

Mirror = Literal["auto", "no", "left-right", "top-bottom", "half-turn"]
"""What is done to the display that the affine gives: "auto" asks the heart, "no" nothing."""

MIRRORS: tuple[Mirror, ...] = get_args(Mirror)

CLEARLY_RIGHT = 0.5  # of the way up or down; of 99 patients of ACDC none came nearer than -0.4
CLEARLY_BASE = 1.15  # ratio of the labelled areas of the two halves of a stack
ALONG = 0.3  # cosine from which the direction of the stack tells base from apex


def orientation_of_heart(
    labels: npt.NDArray[np.uint8],
    affine: npt.NDArray[np.floating],
    spacing: tuple[float, float, float],
    *,
    name: str,
    convention: str | None = None,
    mirror: Mirror = "auto",
    ask: bool = True,
) -> Orientation:
    """Find the move that brings the slices of a mask into radiological display.

    Parameters
    ----------
    labels : ([t,] z, y, x) uint8 array
        Engine labels, as stored.
    affine : (4, 4) array
        Voxel (x, y, z) to RAS mm.
    spacing : (z, y, x) in mm
    name : str
        For messages.
    convention : str, optional
        Cohort whose orientation holds where the affine has lost the direction.
    mirror : str
        A word of `MIRRORS`.
    ask : bool
        Refuse a heart on the wrong side that cannot be resolved; otherwise it stays there.

    Returns
    -------
    Orientation
        `reason` says what was done.

    Raises
    ------
    InputError
        If the word is unknown, or the user has to decide.
    """
    if mirror not in MIRRORS:
        raise InputError(f"mirror {mirror!r} is unknown; choose among {', '.join(MIRRORS)}.")
    stated = in_plane_orientation(affine, convention=convention)
    if mirror == "no":
        return stated
    if mirror != "auto":
        return _moved(stated, mirror, f"Slices are {_WORDS[mirror]}, as told. {stated.reason}")
    if not stated.trustworthy or not _rv_on_the_right(labels, stated, spacing):
        return stated
    agrees = _base_and_apex_agree(labels, np.asarray(affine, dtype=np.float64))
    found = "The heart lies on the wrong side: the affine puts its right ventricle on the right"
    if agrees is None:
        if not ask:
            return stated
        raise InputError(
            f"{name}: {found[0].lower()}{found[1:]}, and too little of the stack is drawn to tell "
            "which of its axes are reversed. Say what to do with --mirror half-turn, left-right, "
            "top-bottom or no (Mirror in the app)."
        )
    if agrees:
        why = "base and apex lie as it says, so both in-plane axes are reversed"
        return _moved(stated, "half-turn", f"{found}; {why}. Slices are {_WORDS['half-turn']}.")
    why = "base and apex are exchanged, so the slice axis and one in-plane axis are reversed"
    return _moved(stated, "left-right", f"{found}; {why}. Slices are {_WORDS['left-right']}.")


_WORDS: dict[Mirror, str] = {
    "left-right": "mirrored left to right",
    "top-bottom": "mirrored top to bottom",
    "half-turn": "turned by 180 degrees",
}


def _moved(stated: Orientation, mirror: Mirror, reason: str) -> Orientation:
    return replace(
        stated,
        flip_columns=stated.flip_columns ^ (mirror in ("left-right", "half-turn")),
        flip_rows=stated.flip_rows ^ (mirror in ("top-bottom", "half-turn")),
        reason=reason,
    )


def _rv_on_the_right(
    labels: npt.NDArray[np.uint8],
    orientation: Orientation,
    spacing: tuple[float, float, float],
) -> bool:
    """Whether the RV lies clearly right of the left heart, over all slices that show both."""
    upright = apply(orientation, labels.reshape(-1, *labels.shape[-2:]))
    size = np.array(apply_to_spacing(orientation, spacing)[1:])
    offset = np.zeros(2)
    for plane in upright:
        left_heart, rv = np.isin(plane, (LV, MYO)), plane == RV
        if left_heart.any() and rv.any():
            apart = np.argwhere(rv).mean(axis=0) - np.argwhere(left_heart).mean(axis=0)
            offset += rv.sum() * apart * size
    down, right = offset
    return bool(right > 0 and right >= CLEARLY_RIGHT * abs(down))


def _base_and_apex_agree(
    labels: npt.NDArray[np.uint8], affine: npt.NDArray[np.float64]
) -> bool | None:
    """Whether the smaller end lies where the affine has the apex; None if that cannot be told."""
    planes = labels if labels.ndim == 4 else labels[None]
    area = np.isin(planes, (LV, MYO, RV)).sum(axis=(0, 2, 3)).astype(np.float64)
    drawn = np.flatnonzero(area)
    step = affine[:3, 2] / np.linalg.norm(affine[:3, 2])
    toward_apex = float(step @ LONG_AXIS)
    if drawn.size < 3 or abs(toward_apex) < ALONG:
        return None
    half = (drawn[-1] - drawn[0] + 1) // 2
    first = area[drawn[0] : drawn[0] + half].sum()
    last = area[drawn[-1] - half + 1 : drawn[-1] + 1].sum()
    if max(first, last) < CLEARLY_BASE * min(first, last):
        return None
    return bool((first > last) == (toward_apex > 0))
