"""What the bundled segmenter reaches on real slices, so that a synthetic one can be held to it.

The bound of a structure is the Dice that 95 % of real slices of that level exceed, of patients that
the segmenter was not trained on. `tools/measure_real_reach.py` writes the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import STRUCTURES, UNLABELLED
from cmr_synth.errors import InputError
from cmr_synth.imaging.positions import LEVELS, level_of

FILE = Path(__file__).resolve().parents[1] / "data" / "real_reach.json"
ALL = "all"  # levels together


def slice_dice(found: NDArray[np.uint8], asked: NDArray[np.uint8]) -> dict[str, float]:
    """Dice of the structures that a mask shows, in one slice.

    Parameters
    ----------
    found, asked : (y, x) uint8 arrays
        Engine labels; pixels with 255 in `asked` are left out.

    Returns
    -------
    dict of structure to float
        Without those that the mask does not show.
    """
    known = asked != UNLABELLED
    scores = {}
    for name, label in STRUCTURES.items():
        wanted = asked == label
        if wanted.any():
            got = (found == label) & known
            scores[name] = float(2 * (got & wanted).sum() / (got.sum() + wanted.sum()))
    return scores


@dataclass(frozen=True)
class Reach:
    """Bounds by level and structure.

    Parameters
    ----------
    bounds : mapping of level to mapping of structure to float
    segmenter_sha256 : str
        Of the weights that it was measured with.
    patients, slices : int
    """

    bounds: Mapping[str, Mapping[str, float]]
    segmenter_sha256: str
    patients: int
    slices: int

    def at(self, z: float | None) -> Mapping[str, float]:
        """Bounds by structure at a slice position; those of all levels where it is not known."""
        return self.bounds[ALL if z is None else level_of(z)]

    @classmethod
    def load(cls, file: Path = FILE) -> Reach:
        """Read the shipped file.

        Raises
        ------
        InputError
            If it is missing or damaged.
        """
        try:
            facts = json.loads(file.read_text(encoding="utf-8"))
            bounds = {
                level: {name: float(facts["bounds"][level][name]) for name in STRUCTURES}
                for level in (ALL, *LEVELS)
            }
            return cls(
                bounds,
                str(facts["segmenter_sha256"]),
                int(facts["patients"]),
                int(facts["slices"]),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{file}: cannot be read ({error!r}); install the program again."
            ) from error
