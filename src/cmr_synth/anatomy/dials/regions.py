"""Parts of the left-ventricular wall that a dial acts on, by the sectors and segments of the AHA.

A region is written as words joined by `+`: a sector ("anterior", "inferoseptal"), a wall ("septal",
"lateral"), a level ("basal", "mid", "apical", "apex"), both ("mid-septal"), or the number of a
segment, 1 to 17 (Cerqueira et al. 2002, doi:10.1161/hc0402.102975). Angles are those travelled from
the anterior insertion of the RV through the septum, as `measurements.SECTORS` counts them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.measurements import SECTORS
from cmr_synth.errors import InputError

SOFT_ANGLE = pi / 9  # over which an effect fades out beside its sector
SOFT_LEVEL = 0.08  # the same along the axis, as a share of the ventricle

_SIXTH, _QUARTER = pi / 6, pi / 4  # half of a sector with six and with four of them
_LEVELS = {"basal": (0.0, 1 / 3), "mid": (1 / 3, 2 / 3), "apical": (2 / 3, 1.0), "apex": (0.9, 1.0)}
_CENTRES = {name: (number - 0.5) * pi / 3 % (2 * pi) for number, name in enumerate(SECTORS)}
_WALLS: dict[str, tuple[str, ...]] = {
    "septal": ("anteroseptal", "inferoseptal"),
    "lateral": ("inferolateral", "anterolateral"),
    **{name: (name,) for name in SECTORS},
}
_FOUR = {"anterior": 11 / 6 * pi, "septal": pi / 3, "inferior": 5 / 6 * pi, "lateral": 4 / 3 * pi}


@dataclass(frozen=True)
class Arc:
    """A stretch of the wall.

    Parameters
    ----------
    centre, half : float
        Radians travelled from the anterior insertion; half of the width. A half of pi is all
        round.
    levels : (first, last)
        Between the base, 0, and the apex, 1.
    """

    centre: float
    half: float
    levels: tuple[float, float]

    def weight(self, travelled: NDArray[np.float64], z: float) -> NDArray[np.float64]:
        """1 inside, falling smoothly to 0 beside it."""
        apart = np.abs((travelled - self.centre + pi) % (2 * pi) - pi)
        around = _fading((apart - self.half) / SOFT_ANGLE)
        first, last = self.levels
        beyond = max(first - z if first > 0 else 0.0, z - last if last < 1 else 0.0)
        return around * float(_fading(np.array(beyond / SOFT_LEVEL)))


@dataclass(frozen=True)
class Region:
    """Where a dial acts.

    Parameters
    ----------
    name : str
        As it was written; "" is all of the wall.
    """

    name: str = ""

    def __post_init__(self) -> None:
        """Refuse a name that says nothing."""
        _arcs_of(self.name)

    @property
    def everywhere(self) -> bool:
        """Whether it is all of the wall, for which no sector has to be known."""
        return not self.name

    @property
    def needs_sectors(self) -> bool:
        """Whether it has ends around the ventricle, and not along it alone."""
        return any(arc.half < pi for arc in self.arcs)

    @property
    def arcs(self) -> tuple[Arc, ...]:
        """What it is made of."""
        return _arcs_of(self.name)

    def weight(self, travelled: NDArray[np.float64], z: float) -> NDArray[np.float64]:
        """How much of an effect a place gets, 0 to 1.

        Parameters
        ----------
        travelled : array
            Radians from the anterior insertion through the septum.
        z : float
            Between base, 0, and apex, 1.
        """
        return np.max([arc.weight(travelled, z) for arc in self.arcs], axis=0)

    def inside(self, travelled: NDArray[np.float64], z: float) -> NDArray[np.bool_]:
        """Which places it covers, without those beside it."""
        found = np.zeros(np.shape(travelled), dtype=bool)
        for arc in self.arcs:
            apart = np.abs((travelled - arc.centre + pi) % (2 * pi) - pi)
            found |= (apart <= arc.half) & (arc.levels[0] <= z <= arc.levels[1])
        return found


def words() -> tuple[str, ...]:
    """Every word for a region; levels and walls may be joined by a hyphen."""
    return (*_WALLS, *_LEVELS)


def _fading(beyond: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(0.5 + 0.5 * np.cos(pi * np.clip(beyond, 0, 1)))


def _arcs_of(name: str) -> tuple[Arc, ...]:
    if not name:
        return (Arc(0.0, pi, (0.0, 1.0)),)
    return tuple(arc for part in name.split("+") for arc in _arcs_of_word(part.strip().lower()))


def _arcs_of_word(word: str) -> tuple[Arc, ...]:
    if word.isdigit() and 1 <= int(word) <= 17:
        return _segment(int(word))
    level, _, wall = word.rpartition("-")
    if wall in _LEVELS and not level:
        level, wall = wall, ""
    if (level and level not in _LEVELS) or (wall and wall not in _WALLS):
        raise InputError(
            f"region {word!r} is unknown; give {', '.join(words())}, a level and a wall such as "
            "mid-septal, or AHA segments 1 to 17, joined by +."
        )
    levels = _LEVELS[level] if level else (0.0, 1.0)
    if not wall:
        return (Arc(0.0, pi, levels),)
    return tuple(Arc(_CENTRES[sector], _SIXTH, levels) for sector in _WALLS[wall])


def _segment(number: int) -> tuple[Arc, ...]:
    if number <= 12:
        level = _LEVELS["basal" if number <= 6 else "mid"]
        return (Arc(_CENTRES[SECTORS[(number - 1) % 6]], _SIXTH, level),)
    if number == 17:
        return (Arc(0.0, pi, _LEVELS["apex"]),)
    return (Arc(list(_FOUR.values())[number - 13], _QUARTER, _LEVELS["apical"]),)
