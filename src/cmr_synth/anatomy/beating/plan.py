"""What a beat shall be like, and what cannot be."""

from __future__ import annotations

from dataclasses import dataclass

from cmr_synth.anatomy.beating.curves import TYPICAL
from cmr_synth.errors import InputError

LOWEST_EF, HIGHEST_EF = 0.05, 0.85
FRAMES = (2, 100)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One heart beat, from end-diastole to end-diastole.

    Parameters
    ----------
    ef : float
        Share of its volume that the LV ejects.
    rv_ef : float, optional
        The same of the RV; by default it ejects as many mL as the LV, where it can.
    frames : int
        Of the cycle, the first at end-diastole.
    systole : float
        When end-systole is, as a share of the cycle.
    shortening : float
        How far the base comes down until end-systole, as a share of the LV's length. In healthy
        hearts it is about 0.15 (MAPSE of 12 to 15 mm); 0 keeps every slice where it is, as in a
        scan whose slices follow the heart.

    Raises
    ------
    InputError
        If a number is none that a heart has.
    """

    ef: float
    rv_ef: float | None = None
    frames: int = 20
    systole: float = TYPICAL.systole
    shortening: float = 0.0

    def __post_init__(self) -> None:
        """Hold every number against its range."""
        for name, value in (("EF", self.ef), ("RV EF", self.rv_ef)):
            if value is not None and not LOWEST_EF <= value <= HIGHEST_EF:
                raise InputError(
                    f"{name} {100 * value:g} % is out of range; give {100 * LOWEST_EF:g} to "
                    f"{100 * HIGHEST_EF:g} %."
                )
        if not FRAMES[0] <= self.frames <= FRAMES[1]:
            raise InputError(
                f"{self.frames} frames; give {FRAMES[0]} to {FRAMES[1]}, scanners make 20 to 40."
            )
        if not 0.2 <= self.systole <= 0.7:
            raise InputError(
                f"systole of {self.systole:g} of the cycle; give 0.2 to 0.7, 0.35 at rest."
            )
        if not 0 <= self.shortening <= 0.25:
            raise InputError(f"shortening {self.shortening:g}; give 0 to 0.25 of the LV's length.")
