"""How much of its stroke the left ventricle still holds over one beat: 1 at ED, 0 at ES.

The typical curve is the mean of seven patients of ACDC whose cines cover the whole beat, measured
by `tools/measure_volume_curves.py`: ejection, fast filling, diastasis and the kick of the atrium.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Curve:
    """A volume curve.

    Parameters
    ----------
    systole : float
        Time of ES as a share of the cycle.
    shares : tuple of float
        At even steps from ED to the next ED, both included.
    """

    systole: float
    shares: tuple[float, ...]

    def at(
        self, times: NDArray[np.float64], *, systole: float | None = None
    ) -> NDArray[np.float64]:
        """Share of the stroke at times of the cycle, 0 to 1; smooth, and without overshoot.

        Parameters
        ----------
        times : array
            As shares of the cycle, from ED.
        systole : float, optional
            Where ES shall be; by default where the curve has it.
        """
        from scipy.interpolate import PchipInterpolator

        steps, shares = np.linspace(0, 1, len(self.shares)), np.array(self.shares)
        es = int(np.abs(steps - self.systole).argmin())
        steps[es], shares[es] = self.systole, 0.0  # a mean over patients does not quite reach it
        own = np.interp(times, [0, systole or self.systole, 1], [0, self.systole, 1])
        return np.asarray(np.clip(PchipInterpolator(steps, shares)(own), 0, 1))


TYPICAL = Curve(
    systole=0.4,
    shares=(
        *(1.0, 0.974, 0.897, 0.771, 0.611, 0.448, 0.302, 0.177, 0.078, 0.023, 0.009, 0.058, 0.143),
        *(0.251, 0.373, 0.490, 0.585, 0.649, 0.689, 0.717, 0.747, 0.794, 0.867, 0.953, 1.0),
    ),
)
