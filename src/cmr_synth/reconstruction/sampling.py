"""Which samples of k-space an accelerated scan measures: Cartesian lines, or radial spokes.

Spokes are drawn on the Cartesian grid: each takes the samples nearest to it (pseudo-radial). A
scanner's radial samples lie between these and need a non-uniform transform; what such a scan leaves
out, and the streaks that follow, are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cmr_synth.errors import InputError

Pattern = Literal["cartesian", "radial"]
PATTERNS: tuple[str, ...] = get_args(Pattern)

CENTRE = 0.5
"""Share of the lines measured that are the middle ones, from which coil maps are told: 16 of 128 at
4-fold acceleration. Cardiac pictures have few lines; 8 % of them, as in fastMRI, would not do."""
LEAST_CENTRE = 6  # lines
GOLDEN_ANGLE = np.pi * (np.sqrt(5) - 1) / 2  # 111.25 degrees; Winkelmann et al. 2007
LARGEST = 20.0


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How k-space is sampled.

    Parameters
    ----------
    pattern : "cartesian" or "radial"
        Lines along x at some y, dense in the middle; or spokes at golden angles.
    acceleration : float
        All samples of the grid over those measured; 1 measures all.

    Raises
    ------
    InputError
        If a pattern is unknown, or the acceleration out of range.
    """

    pattern: str = "cartesian"
    acceleration: float = 4.0

    def __post_init__(self) -> None:
        """Refuse what cannot be sampled."""
        if self.pattern not in PATTERNS:
            raise InputError(f"sampling {self.pattern!r}: known are {', '.join(PATTERNS)}.")
        if not 1 <= self.acceleration <= LARGEST:
            raise InputError(f"acceleration {self.acceleration:g}: give 1 to {LARGEST:g}.")

    def mask(self, shape: tuple[int, int], draw: np.random.Generator) -> NDArray[np.bool_]:
        """Draw what is measured.

        Parameters
        ----------
        shape : (rows, columns)
        draw : numpy Generator

        Returns
        -------
        (rows, columns) bool array

        Raises
        ------
        InputError
            If so few lines are left that none lie outside of the middle.
        """
        if self.acceleration == 1:
            return np.ones(shape, bool)
        drawn = _lines if self.pattern == "cartesian" else _spokes
        return drawn(shape, self.acceleration, draw)


def _lines(
    shape: tuple[int, int], acceleration: float, draw: np.random.Generator
) -> NDArray[np.bool_]:
    """The middle lines, and others whose density falls with the square of the distance to it."""
    rows = shape[0]
    count = round(rows / acceleration)
    middle = max(LEAST_CENTRE, round(CENTRE * count))
    if count <= middle:
        raise InputError(
            f"acceleration {acceleration:g}: leaves {count} of {rows} lines, and {middle} of them "
            "are the middle ones; take less."
        )
    first = rows // 2 - middle // 2
    measured = np.zeros(rows, bool)
    measured[first : first + middle] = True
    others = np.flatnonzero(~measured)
    away = np.abs(others - rows // 2) / (rows / 2)
    density = (1 - away) ** 2 + 0.02  # the last line, too, has a chance
    chosen = draw.choice(others, count - middle, replace=False, p=density / density.sum())
    measured[chosen] = True
    return np.repeat(measured[:, None], shape[1], axis=1)


def _spokes(
    shape: tuple[int, int], acceleration: float, draw: np.random.Generator
) -> NDArray[np.bool_]:
    """Spokes through the middle, one golden angle after another, until enough is measured."""
    rows, columns = shape
    measured = np.zeros(shape, bool)
    wanted = rows * columns / acceleration
    along = np.linspace(-1, 1, 2 * max(shape))
    angle = draw.uniform(0, np.pi)
    while measured.sum() < wanted:
        y = rows // 2 + np.round(along * np.sin(angle) * (rows // 2)).astype(int)
        x = columns // 2 + np.round(along * np.cos(angle) * (columns // 2)).astype(int)
        inside = (y >= 0) & (y < rows) & (x >= 0) & (x < columns)
        measured[y[inside], x[inside]] = True
        angle += GOLDEN_ANGLE
        if not _corners_left(measured, wanted):
            break
    return measured


def _corners_left(measured: NDArray[np.bool_], wanted: float) -> bool:
    """Whether spokes can reach what is wanted: those of a circle measure no corners."""
    return wanted <= 0.75 * measured.size or measured.sum() < 0.75 * measured.size


def measured_middle(measured: NDArray[np.bool_]) -> tuple[int, int]:
    """(rows, columns) of the largest block about the middle of k-space that was measured whole.

    Its rows are as many as a square block has; its columns as many as these rows allow.

    Parameters
    ----------
    measured : (rows, columns) bool array
    """
    rows, columns = measured.shape
    half = 0
    while half < min(rows, columns) // 2 and _block(measured, half + 1, half + 1).all():
        half += 1
    wide = half
    while half and wide < columns // 2 and _block(measured, half, wide + 1).all():
        wide += 1
    return 2 * half, 2 * wide


def _block(measured: NDArray[np.bool_], down: int, right: int) -> NDArray[np.bool_]:
    row, column = measured.shape[0] // 2, measured.shape[1] // 2
    return measured[row - down : row + down, column - right : column + right]
