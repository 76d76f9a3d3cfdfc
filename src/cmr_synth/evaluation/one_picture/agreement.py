"""Does one picture show the heart that its mask asked for: found again, on the mask's own grid.

The segmenter looks at the picture as it was made, on the working grid centred on the heart; what
it finds goes back to the grid of the mask, where the two are compared voxel by voxel. This is one
heart: it says where a picture went astray, not how good a model is. Models are compared over
patients, by `cmr_synth.evaluation.held_out`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cmr_synth.anatomy.labels import UNLABELLED, is_heart
from cmr_synth.errors import InputError
from cmr_synth.evaluation.adherence.dice import dice_by_patient
from cmr_synth.generators.interface import Progress
from cmr_synth.imaging.grid import WorkingGrid
from cmr_synth.imaging.heart_side import orientation_of_heart
from cmr_synth.imaging.placed import Placed
from cmr_synth.imaging.scan import Scan, require_foreground, require_same_grid

if TYPE_CHECKING:
    from cmr_synth.judges.segmenter import Segmenter

GRID = WorkingGrid()  # the segmenter's
BLOCK = 4  # slices between two reports of progress


@dataclass(frozen=True)
class SliceAgreement:
    """Dice of one slice, by structure; NaN for one that neither the mask nor the picture shows."""

    frame: int
    slice: int
    dice: dict[str, float]


@dataclass(frozen=True, eq=False)
class Agreement:
    """How a picture agrees with its mask.

    Parameters
    ----------
    dice : dict of structure to float
        Pooled over all compared slices; NaN for a structure that neither shows.
    slices : tuple of SliceAgreement
        In order of frame and slice.
    found : Scan
        What the segmenter found, ([t,] z, y, x) engine labels; 0 on slices not compared.
    disagreement : Scan
        What the segmenter found where that differs from the mask; 0 where both agree, where the
        mask is unlabelled and on slices not compared. Heart of the mask that was not found has
        the label `MISSED`.
    not_compared : tuple of (frame, slice)
        Slices with a heart in the mask and nothing in the picture.
    segmenter_sha256 : str
        Of the weights that judged.
    """

    dice: dict[str, float]
    slices: tuple[SliceAgreement, ...]
    found: Scan
    disagreement: Scan
    not_compared: tuple[tuple[int, int], ...]
    segmenter_sha256: str

    @property
    def mean(self) -> float:
        """Mean Dice of the structures that are shown."""
        values = [value for value in self.dice.values() if np.isfinite(value)]
        return float(np.mean(values)) if values else float("nan")

    def as_dict(self) -> dict[str, Any]:
        """Numbers for a JSON file; NaN becomes None."""
        return {
            "dice": {name: _number(value) for name, value in self.dice.items()},
            "mean": _number(self.mean),
            "slices": [
                {
                    "frame": one.frame,
                    "slice": one.slice,
                    "dice": {name: _number(value) for name, value in one.dice.items()},
                }
                for one in self.slices
            ],
            "not_compared": [list(place) for place in self.not_compared],
            "segmenter_sha256": self.segmenter_sha256,
        }


MISSED = 4
"""Label of heart that the mask has and the segmenter did not find, in `Agreement.disagreement`."""


def mask_agreement(
    picture: Scan, mask: Scan, segmenter: Segmenter
) -> Iterator[Progress | Agreement]:
    """Segment a picture and compare it with its mask.

    Parameters
    ----------
    picture : Scan
        ([t,] z, y, x) in [0, 1], such as a synthetic scan.
    mask : Scan
        Engine labels on the same grid; 255 is not compared.
    segmenter : Segmenter
        Working at 1.5 mm.

    Yields
    ------
    Progress or Agreement
        Progress in slices, then the result: of the slices on which the mask has a heart and the
        picture is not empty.

    Raises
    ------
    InputError
        If the grids or the numbers of frames differ, the mask is empty, or the picture is empty
        wherever the mask has a heart.
    """
    require_same_grid(picture, mask)
    require_foreground(mask)
    if picture.n_frames != mask.n_frames:
        raise InputError(
            f"{mask.name}: has {mask.n_frames} frames and {picture.name} has {picture.n_frames}. "
            "Compare a picture with the mask that it was made from."
        )
    labels = mask.array if mask.is_cine else mask.array[None]
    pixels = picture.array if picture.is_cine else picture.array[None]
    labels = labels.astype(np.uint8, copy=False)
    heart = is_heart(labels)
    drawn = heart.any(axis=(2, 3))
    shown = drawn & (pixels != 0).any(axis=(2, 3))
    if not shown.any():
        raise InputError(
            f"{picture.name}: is empty on every slice that has a heart in {mask.name}. Synthesize "
            "this mask first."
        )
    places = np.argwhere(shown)
    placed = Placed.around(
        heart,
        mask.affine,
        mask.spacing,
        grid=GRID,
        name=mask.name,
        orientation=orientation_of_heart(
            np.asarray(labels, np.uint8), mask.affine, mask.spacing, name=mask.name, ask=False
        ),
    )
    found = np.zeros_like(labels)
    for first in range(0, len(places), BLOCK):
        t, k = places[first : first + BLOCK].T
        found[t, k] = placed.labels_from_grid(segmenter.segment(placed.image_to_grid(pixels[t, k])))
        yield Progress(first + len(t), len(places))

    truth = labels[shown]
    pooled = dice_by_patient(found[shown], truth, np.zeros(len(truth), dtype=int))
    by_slice = dice_by_patient(found[shown], truth, np.arange(len(truth)))
    differs = shown[..., None, None] & (found != labels) & (labels != UNLABELLED)
    wrong = np.where(differs, np.where(found == 0, MISSED, found), 0).astype(np.uint8)
    yield Agreement(
        dice={name: float(values[0]) for name, values in pooled.items()},
        slices=tuple(
            SliceAgreement(int(t), int(k), {name: float(v[i]) for name, v in by_slice.items()})
            for i, (t, k) in enumerate(places)
        ),
        found=mask.with_array(found if mask.is_cine else found[0]),
        disagreement=mask.with_array(wrong if mask.is_cine else wrong[0]),
        not_compared=tuple((int(t), int(k)) for t, k in np.argwhere(drawn & ~shown)),
        segmenter_sha256=segmenter.hash,
    )


def _number(value: float) -> float | None:
    return round(value, 4) if np.isfinite(value) else None
