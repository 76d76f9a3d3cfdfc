"""Pictures that check themselves: does a slice show the heart that its mask asked for?

A segmenter looks for the heart in every slice that was made. Where it finds a structure less well
than it does on 95 % of the real slices of that level, the slice is drawn again from other noise, at
most so many times; the best is kept, and what still misses is told in the record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.errors import InputError
from cmr_synth.judges.reach import Reach, slice_dice

if TYPE_CHECKING:
    from cmr_synth.judges.segmenter import Segmenter

SPACING = 1.5  # mm, of the segmenter
DIVISOR = 32  # of the sides of its pictures


@dataclass(frozen=True)
class Look:
    """What was seen in one picture.

    Parameters
    ----------
    dice, bounds : dict of structure to float
        Of the structures that the mask shows, and what they are held to.
    """

    dice: dict[str, float]
    bounds: dict[str, float]

    @property
    def missed(self) -> tuple[str, ...]:
        """Structures that are found less well than on real slices."""
        return tuple(name for name, dice in self.dice.items() if dice < self.bounds[name])

    @property
    def margin(self) -> float:
        """Of the structure that is found worst, beside its bound; infinite for an open mask."""
        return min((d - self.bounds[name] for name, d in self.dice.items()), default=float("inf"))

    def record(self) -> dict[str, Any]:
        """For the sidecar."""
        return {
            "dice": {name: round(value, 3) for name, value in self.dice.items()},
            "bounds": dict(self.bounds),
            "missed": list(self.missed),
        }


def missed(told: Mapping[str, Any]) -> str:
    """What a record says of a slice that misses its mask, in words."""
    parts = (
        f"{name} is found with a Dice of {told['dice'][name]:.2f}, less than on 95 % of real "
        f"slices ({told['bounds'][name]:.2f})"
        for name in told["missed"]
    )
    return "; ".join(parts)


class Checker:
    """A segmenter and what it reaches on real slices.

    Parameters
    ----------
    segmenter : Segmenter
    reach : Reach

    Raises
    ------
    InputError
        If the reach was measured with other weights.
    """

    def __init__(self, segmenter: Segmenter, reach: Reach):
        if reach.segmenter_sha256 != segmenter.hash:
            raise InputError(
                "what the segmenter reaches on real slices was measured with other weights; "
                "install the program again, or run tools/measure_real_reach.py."
            )
        self.segmenter, self.reach = segmenter, reach

    def look(
        self,
        pictures: NDArray[np.float32],
        labels: NDArray[np.uint8],
        positions: Sequence[float | None],
        *,
        spacing: float,
    ) -> list[Look]:
        """Look at pictures as they were made.

        Parameters
        ----------
        pictures : (n, rows, columns) float32 array in [0, 1]
        labels : (n, rows, columns) uint8 array
            Engine labels that they were made of; 255 is open.
        positions : n floats or None
            Between base, 0, and apex, 1.
        spacing : float
            mm a pixel.
        """
        pictures, labels = at_spacing(pictures, labels, spacing)
        found = self.segmenter.segment(pictures)
        looks = []
        for seen, asked, z in zip(found, labels, positions, strict=True):
            dice, bounds = slice_dice(seen, asked), self.reach.at(z)
            looks.append(Look(dice, {name: bounds[name] for name in dice}))
        return looks


@lru_cache(maxsize=2)
def bundled_checker(device: str = "cpu") -> Checker:
    """The checker that comes with the package, kept once it is loaded."""
    from cmr_synth.judges.segmenter import Segmenter

    return Checker(Segmenter.load(device=device), Reach.load())


def at_spacing(
    pictures: NDArray[np.float32], labels: NDArray[np.uint8], spacing: float
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Pictures and labels at the segmenter's pixel size, with sides that it takes."""
    if abs(spacing - SPACING) > 1e-3:
        from skimage.transform import resize

        sides = [max(1, round(side * spacing / SPACING)) for side in pictures.shape[1:]]
        shape = (len(pictures), *sides)
        pictures = resize(pictures, shape, order=1, anti_aliasing=spacing < SPACING)
        labels = resize(labels, shape, order=0, anti_aliasing=False, preserve_range=True)
    short = [(0, -side % DIVISOR) for side in pictures.shape[1:]]
    padded = np.pad(pictures, ((0, 0), *short)).astype(np.float32)
    return padded, np.pad(labels, ((0, 0), *short)).astype(np.uint8)
