"""Is it the mask or the texture: other pictures of the same mask beside the one that is near.

A mask that a patient has is passed on to every picture made from it, and forces some resemblance to
that patient. Pictures of the same mask with other seeds share the mask and not the texture. If they
are as near to the patient, the mask explains it; if the one picture is nearer than all of them, its
texture does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MUCH_NEARER = 0.8
"""Share of the smallest other distance below which a picture is nearer by its texture.

Fixed beforehand; `benchmarks/copy_detection.py` measures how often honest pictures and copies are
called so.
"""


@dataclass(frozen=True, eq=False)
class Counterfactual:
    """One slice among other pictures of its mask, by distance to the slice's nearest patient.

    Parameters
    ----------
    patient : str
    distance : float
        Of the slice, between descriptors of whole slices.
    others : (k,) array
        Of the other pictures, to the same patient.
    part_patient : str
        Nearest by a part of the slice.
    part_distance : float
        Smallest between descriptors of windows.
    part_others : (k,) array
    """

    patient: str
    distance: float
    others: NDArray[np.float32]
    part_patient: str
    part_distance: float
    part_others: NDArray[np.float32]

    @property
    def rank(self) -> int:
        """Place of the slice among all pictures of the mask, from 1, the nearest."""
        return 1 + int((self.others <= self.distance).sum())

    @property
    def part_rank(self) -> int:
        """The same by the nearest part."""
        return 1 + int((self.part_others <= self.part_distance).sum())

    @property
    def leak(self) -> str:
        """What explains the likeness: "texture", "texture of a part" or "mask"."""
        if self.distance < MUCH_NEARER * self.others.min():
            return "texture"
        if self.part_distance < MUCH_NEARER * self.part_others.min():
            return "texture of a part"
        return "mask"

    @property
    def words(self) -> str:
        """For a table."""
        count = len(self.others) + 1
        if self.leak == "texture":
            return f"texture: {self.rank} of {count} pictures of its mask, and much nearer"
        if self.leak == "texture of a part":
            return f"texture of a part: {self.part_rank} of {count}, and much nearer"
        return f"mask: others are as near ({self.rank} of {count})"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "leak": self.leak,
            "patient": self.patient,
            "distance": round(self.distance, 4),
            "others": [round(float(v), 4) for v in self.others],
            "rank": self.rank,
            "part_patient": self.part_patient,
            "part_distance": round(self.part_distance, 4),
            "part_others": [round(float(v), 4) for v in self.part_others],
            "part_rank": self.part_rank,
        }
