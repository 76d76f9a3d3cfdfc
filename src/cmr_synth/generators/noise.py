"""The noise that a picture is made of: of one number, or mixed so that neighbours are alike.

Slices of one stack and frames of one cine show one body, so that their noise has to be alike as
well. Standard normal noise is drawn at knots along the stack and turned from one knot to the next
on the sphere (spherical interpolation, Shoemake 1985, doi 10.1145/325334.325242): a sum of
independent normal draws whose weights' squares sum to 1 is standard normal again, so that every
slice alone is as it would be by itself. A slice's noise depends on seed, variant and its own
place alone, never on which others are made.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, floor, pi, sin, sqrt
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Mixed:
    """Noise of one image as a sum of independent draws.

    Parameters
    ----------
    parts : tuple of (numbers, share)
        What each draw is numbered by beside the seed, and its weight; the squares of the weights
        sum to 1.
    """

    parts: tuple[tuple[tuple[int, ...], float], ...]

    @property
    def nearest(self) -> tuple[int, ...]:
        """Numbers of the draw with the greatest share, for a family that cannot mix."""
        return max(self.parts, key=lambda part: part[1])[0]


Index: TypeAlias = int | Mixed
"""What decides the noise of an image, beside the seed: its number, or a mixture."""


def noise_for(seed: int, index: Index, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Standard normal noise of one image, from its seed and index alone."""
    if not isinstance(index, Mixed):
        return np.random.default_rng([seed, index]).standard_normal(shape, dtype=np.float32)
    noise = np.zeros(shape, np.float32)
    for numbers, share in index.parts:
        draw = np.random.default_rng([seed, *numbers]).standard_normal(shape, dtype=np.float32)
        noise += np.float32(share) * draw
    return noise


def numbers_of(index: Index) -> tuple[int, ...]:
    """Numbers that stand for an index where noise is drawn step by step and cannot be mixed."""
    return index.nearest if isinstance(index, Mixed) else (index,)


@dataclass(frozen=True)
class Coherence:
    """How alike the noise of a stack's slices and frames is.

    Parameters
    ----------
    knot_mm : float
        Distance of the knots; slices so far apart have nothing in common.
    frame_share : float in [0, 1]
        Share of the variance that frames of one slice do not have in common.
    """

    knot_mm: float
    frame_share: float

    def index(self, variant: int, *, mm: float, frame: int = 0, attempt: int = 0) -> Mixed:
        """The noise of one slice.

        Parameters
        ----------
        variant : int
        mm : float
            Where it lies along the stack, from its first slice, 0 or more.
        frame : int
        attempt : int
            Counts the times that it is drawn again.
        """
        at = mm / self.knot_mm
        knot = floor(at)
        turn = (at - knot) * pi / 2
        along = [(knot, cos(turn)), (knot + 1, sin(turn))]
        parts = []
        for own, share in ((0, sqrt(1 - self.frame_share)), (1 + frame, sqrt(self.frame_share))):
            for number, weight in along:
                if share * weight > 1e-9:
                    parts.append(((variant, number, own, attempt), share * weight))
        return Mixed(tuple(parts))


COHERENCE = Coherence(knot_mm=17.0, frame_share=0.01)
"""Chosen on validation patients so that neighbours are as alike as in real stacks and cines; see
`benchmarks/stacks.py`."""
