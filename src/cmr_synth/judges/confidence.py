"""How sure the segmenter is of what it found: by structure and slice.

Of each structure in each slice two numbers are kept. Both speak of the pixels that the segmenter
gave to the structure, on its own grid, and of nothing that was painted since. They rank slices by
how much a look is worth; they are no chance of being right, and no Dice (see `known_dice`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import STRUCTURES

UNSURE = 0.8  # mean probability below which a slice is worth a look: mixed up in one pixel of five


@dataclass(frozen=True, eq=False)
class Confidence:
    """Certainty of the segmenter.

    Parameters
    ----------
    probability : (frames, slices, 3) float32 array
        Mean, over the pixels given to a structure (LV, MYO, RV), of the softmax probability of
        that structure: from 1/4, where four classes are alike, to 1.
    entropy : (frames, slices, 3) float32 array
        Mean, over the same pixels, of the entropy of the four probabilities, as a share of the
        largest possible, log 4: 0 for certainty, 1 for none.

    Both are NaN where the structure was not found, or the slice was not looked at.
    """

    probability: NDArray[np.float32]
    entropy: NDArray[np.float32]

    @classmethod
    def unknown(cls, frames: int, slices: int) -> Confidence:
        """Of slices that nobody looked at; arrays that may be filled."""
        nothing = np.full((frames, slices, len(STRUCTURES)), np.nan, np.float32)
        return cls(nothing, nothing.copy())

    def joined(self, newer: Confidence, looked_at: NDArray[np.bool_]) -> Confidence:
        """The same, with the newer numbers in the slices (frames, slices) that were looked at."""
        where = looked_at[..., None]
        return Confidence(
            np.where(where, newer.probability, self.probability),
            np.where(where, newer.entropy, self.entropy),
        )

    def by_structure(self, frame: int, index: int) -> dict[str, tuple[float, float]]:
        """Probability and entropy of each structure in one slice."""
        return {
            name: (float(self.probability[frame, index, k]), float(self.entropy[frame, index, k]))
            for k, name in enumerate(STRUCTURES)
        }

    def least_sure(self) -> tuple[int, int, str] | None:
        """Frame, slice and structure of the lowest probability; None if nothing was found."""
        if not np.isfinite(self.probability).any():
            return None
        place = np.unravel_index(np.nanargmin(self.probability), self.probability.shape)
        return int(place[0]), int(place[1]), list(STRUCTURES)[int(place[2])]


def confidence_of(
    shares: NDArray[np.floating],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean probability and entropy inside each structure; see `Confidence`.

    Parameters
    ----------
    shares : (n, 4, y, x) array
        Probabilities of background, LV, MYO and RV, which add up to 1.

    Returns
    -------
    (n, 3) float32 array, (n, 3) float32 array
        Probability and entropy.
    """
    labels = shares.argmax(axis=1)
    certain = np.clip(shares, 1e-12, 1)
    disorder = -(certain * np.log(certain)).sum(axis=1) / np.log(shares.shape[1])
    probability = np.full((len(shares), len(STRUCTURES)), np.nan, np.float32)
    entropy = probability.copy()
    for k, label in enumerate(STRUCTURES.values()):
        for n in range(len(shares)):
            inside = labels[n] == label
            if inside.any():
                probability[n, k] = shares[n, label][inside].mean()
                entropy[n, k] = np.clip(disorder[n][inside].mean(), 0, 1)
    return probability, entropy
