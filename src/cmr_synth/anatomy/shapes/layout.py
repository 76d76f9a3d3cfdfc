"""Which number of a shape's vector means what, and the functions that the numbers stand for.

A heart is described in two phases, each by functions of an angle and a level. Angles run around
the centre of the left ventricle: 0 points to the middle of the septum, and rising ones through
inferior to lateral, radians. Levels run from 0, the base, to 1, the apex.

Each phase has

=============  ===========================================================================
`length`       log of the cavity's length, mm
`cap`          log of how far the wall reaches beyond the cavity at the apex, mm
`descent`      how far the base lies below that of end-diastole, mm
`rv_top`       how far the RV's upper end lies below the base of end-diastole, mm
`rv_length`    log of the RV's length, mm
`centre`       (levels, 2) course of the centre line, (y, x) mm from its mean at end-diastole
`endo`         (levels, orders) Fourier series of log radius of the cavity, less `closing`
`wall`         (levels, orders) Fourier series of log thickness of the wall, mm
`rv_middle`    (RV levels) angle in the middle of the RV
`rv_width`     (RV levels) log of half the angle that the RV takes
`rv_gap`       (RV levels, waves) log of 1 + what lies between wall and RV at the RV's ends, mm
`rv_depth`     (RV levels, waves) log of the depth of the RV, mm, less its rounding at the ends
=============  ===========================================================================

and the heart as a whole has `tilt`: the angle of the septum's middle below the picture's left.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

PHASES = ("ED", "ES")
LEVELS = 10
RV_LEVELS = 8
ORDERS = 6
"""The highest of the Fourier series."""
WAVES = 6
"""Cosines over the angle that the RV takes."""

_FOURIER = 2 * ORDERS + 1
_OF_PHASE: dict[str, tuple[int, ...]] = {
    "length": (),
    "cap": (),
    "descent": (),
    "rv_top": (),
    "rv_length": (),
    "centre": (LEVELS, 2),
    "endo": (LEVELS, _FOURIER),
    "wall": (LEVELS, _FOURIER),
    "rv_middle": (RV_LEVELS,),
    "rv_width": (RV_LEVELS,),
    "rv_gap": (RV_LEVELS, WAVES),
    "rv_depth": (RV_LEVELS, WAVES),
}
BLOCKS: dict[str, tuple[int, ...]] = {
    "tilt": (),
    **{f"{phase} {name}": shape for phase in PHASES for name, shape in _OF_PHASE.items()},
}
"""Name and shape of each part of a vector, in order."""

_SIZES = {name: int(np.prod(shape, dtype=int)) for name, shape in BLOCKS.items()}
_STARTS = dict(zip(_SIZES, np.cumsum([0, *_SIZES.values()]).tolist(), strict=False))
SIZE = sum(_SIZES.values())
"""Numbers of a vector."""


def where(name: str) -> slice:
    """Where a block of `BLOCKS` stands in a vector."""
    return slice(_STARTS[name], _STARTS[name] + _SIZES[name])


def block(vector: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    """One block of a vector (..., `SIZE`), in its shape."""
    return vector[..., where(name)].reshape((*vector.shape[:-1], *BLOCKS[name]))


def joined(blocks: Mapping[str, NDArray[np.float64] | float]) -> NDArray[np.float64]:
    """A vector from all its blocks."""
    return np.concatenate([np.ravel(np.asarray(blocks[name], np.float64)) for name in BLOCKS])


def between(levels: NDArray[np.float64], knots: int) -> NDArray[np.float64]:
    """Weights (n, knots) with which values at a level are read off those at the knots.

    Linear between the knots, which lie in the middles of equal parts; constant beyond them.
    """
    place = np.clip(np.asarray(levels, np.float64) * knots - 0.5, 0, knots - 1)
    return np.maximum(0.0, 1 - np.abs(place[:, None] - np.arange(knots)))


def fourier(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """The Fourier series at some angles, (n, orders): 1, then cosine and sine of each order."""
    turns = np.outer(angles, np.arange(1, ORDERS + 1))
    waves = np.stack([np.cos(turns), np.sin(turns)], axis=2).reshape(len(angles), -1)
    return np.concatenate([np.ones((len(angles), 1)), waves], axis=1)


def cosines(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cosines (..., waves) over the angle that the RV takes; `share` runs from 0 to 1 over it."""
    first = np.cos(np.pi * share)
    waves = [np.ones_like(first), first]
    while len(waves) < WAVES:  # Chebyshev's recurrence: a cosine for each would be slow
        waves.append(2 * first * waves[-1] - waves[-2])
    return np.stack(waves, axis=-1)


def closing(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of its radius that an ellipsoid has at a level: 1 at the base, 0 at the apex."""
    return np.sqrt(np.clip(1 - np.clip(levels, 0, 1) ** 2, 0, 1))


def wall_closing(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same for the thickness of the wall, over its own length: blunt, as an apex is."""
    return np.sqrt(np.clip(1 - np.clip(levels, 0, 1) ** 8, 0, 1))


def rounding(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of its depth that the RV has at a place of its angle: 0 at the ends."""
    return np.sqrt(np.clip(4 * share * (1 - share), 0, 1))


def off_septum(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where the RV may leave the wall: 0 in the middle of its angle, 1 towards the ends."""
    away = np.clip((np.abs(2 * share - 1) - 0.3) / 0.4, 0, 1)
    return away * away * (3 - 2 * away)
