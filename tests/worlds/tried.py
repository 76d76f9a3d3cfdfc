"""What a world with a known answer is, and what a figure said in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Tried:
    """A figure in a world of which the answer is known.

    Parameters
    ----------
    figure, world : str
        What was tried, and in what.
    expected, found : str
    holds : bool
        Whether what was found is what is true, within what chance allows.
    """

    figure: str
    world: str
    expected: str
    found: str
    holds: bool


@dataclass(frozen=True, kw_only=True)
class World:
    """A seeded simulation of seconds.

    Parameters
    ----------
    figure, world, expected : str
        As of `Tried`.
    simulate : function
        Returns what was found, in words, and whether it holds.
    defect : str
        Why a figure is known not to hold here, and what a reader must take from it; empty where it
        does.
    """

    figure: str
    world: str
    expected: str
    simulate: Callable[[], tuple[str, bool]]
    defect: str = ""

    def tried(self) -> Tried:
        """Run it."""
        found, holds = self.simulate()
        return Tried(self.figure, self.world, self.expected, found, bool(holds))


def clustered(
    rng: np.random.Generator, patients: int, each: int, alike: float, width: int = 1
) -> NDArray[np.float64]:
    """Standard normal values of slices, (patients * each, width).

    `alike` is the intraclass correlation: the share of the variance that is between patients.
    """
    own = rng.normal(size=(patients, width)).repeat(each, axis=0)
    return np.sqrt(alike) * own + np.sqrt(1 - alike) * rng.normal(size=(patients * each, width))


def names(prefix: str, patients: int, each: int) -> NDArray[np.str_]:
    """Patient of each slice."""
    return np.array([f"{prefix}{k}" for k in range(patients)]).repeat(each)
