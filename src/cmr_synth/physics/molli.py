"""Modified Look-Locker inversion recovery (MOLLI): images at many inversion times, and their T1.

Messroghli et al., Magn Reson Med 2004;52:141. Each image is a single shot of bSSFP, which drives
the magnetisation towards its own steady state with its own time constant (Schmitt et al., Magn
Reson Med 2004;51:661), so that T1 comes out too short by a tenth or so, more where T2 is short: a
pipeline that finds the true T1 here has a mistake.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cmr_synth.errors import InputError
from cmr_synth.physics.sequences import Readout
from cmr_synth.physics.tissues import Tissue

SCHEME = "5(3)3"
_FIRST = 100.0  # ms from the first inversion to its first image
_LATER = 80.0  # ms that each further inversion is later


@dataclass(frozen=True)
class Molli:
    """How the images of a MOLLI are taken.

    Parameters
    ----------
    scheme : str
        Images after an inversion, and in brackets heartbeats of rest: 5(3)3, 3(3)5, 5(3)3(3)3.
    beat : float
        Length of a heartbeat, ms.
    readout : Readout
        Single shot; the flip angle is small.

    Raises
    ------
    InputError
        If a scheme cannot be read, or a heartbeat is too short for its shot.
    """

    scheme: str = SCHEME
    beat: float = 1000.0
    readout: Readout = field(default_factory=lambda: Readout(flip=35, tr=2.7, pulses=35))

    def __post_init__(self) -> None:
        """Refuse what cannot be taken."""
        if not re.fullmatch(r"\d(\(\d\)\d)*", self.scheme) or sum(self.images) < 3:
            raise InputError(
                f"MOLLI scheme {self.scheme!r}: write images and rest, such as 5(3)3; three images "
                "at least."
            )
        shot = 2 * self.readout.pulses * self.readout.tr
        latest = _FIRST + _LATER * (len(self.images) - 1) + shot / 2
        if not latest < self.beat <= 3000:
            raise InputError(
                f"heartbeat of {self.beat:g} ms: longer than {latest:.0f} and at most 3000 ms are "
                f"needed for {self.scheme}."
            )

    @property
    def images(self) -> list[int]:
        """Images after each inversion."""
        return [int(n) for n in re.split(r"\(\d\)", self.scheme)]

    @property
    def rests(self) -> list[int]:
        """Heartbeats of rest after each inversion's images, but for the last."""
        return [int(n) for n in re.findall(r"\((\d)\)", self.scheme)]

    @property
    def times(self) -> NDArray[np.float64]:
        """Inversion time of each image in the order in which they are taken, ms."""
        return np.concatenate(
            [
                _FIRST + _LATER * k + self.beat * np.arange(n, dtype=float)
                for k, n in enumerate(self.images)
            ]
        )


def signals(tissue: Tissue, molli: Molli) -> NDArray[np.float64]:
    """Signed signal of a tissue in each image, in the order of `molli.times`.

    The magnetisation is followed through inversions, free recovery and the shots: within a shot it
    goes from what it is to the steady state of bSSFP with the time constant
    1 / T1* = cos^2(a/2) / T1 + sin^2(a/2) / T2.

    Returns
    -------
    (n,) float64 array
    """
    readout = molli.readout
    half = np.deg2rad(readout.flip) / 2
    rate = np.cos(half) ** 2 / tissue.t1 + np.sin(half) ** 2 / tissue.t2
    end = np.cos(half) / tissue.t1 / rate  # along the half angle, of M0 = 1
    to_centre = np.exp(-readout.pulses * readout.tr * rate)
    found: list[float] = []
    z = 1.0
    for k, n in enumerate(molli.images):
        z = -z
        passed, shot = 0.0, readout.pulses * readout.tr
        for image in range(n):
            centre = _FIRST + _LATER * k + molli.beat * image
            z = _recovered(z, centre - shot - passed, tissue.t1)
            along = z * np.cos(half)
            along = end + (along - end) * to_centre
            found.append(along * np.sin(half))
            along = end + (along - end) * to_centre
            z = along * np.cos(half)
            passed = centre + shot
        if k < len(molli.rests):
            # Images lie in one phase of the heartbeat, so the next inversion comes earlier in it.
            until = molli.beat * (n + molli.rests[k]) - _LATER
            z = _recovered(z, until - passed, tissue.t1)
    return tissue.density * np.asarray(found)


def fit(images: NDArray[np.floating], times: NDArray[np.float64]) -> NDArray[np.float32]:
    """T1 of every pixel by three parameters: S = A - B exp(-t / T1*), T1 = T1* (B / A - 1).

    For each of a grid of T1* the straight line in exp(-t / T1*) is solved in closed form, and the
    grid is refined about its best three times. The correction is that of Deichmann and Haase,
    J Magn Reson 1992;96:608.

    Parameters
    ----------
    images : (n, ...) array
        Signed (phase-sensitive), in the order of `times`.
    times : (n,) array
        Inversion times, ms.

    Returns
    -------
    (...) float32 array
        ms; 0 where there is no signal to fit.
    """
    data = np.asarray(images, np.float64).reshape(len(times), -1)
    best = np.full(data.shape[1], np.inf)
    t, a, b = (np.zeros(data.shape[1]) for _ in range(3))
    grid = np.geomspace(50, 6000, 60)[:, None] * np.ones((1, data.shape[1]))
    for _ in range(4):
        for row in grid:
            x = np.exp(-times[:, None] / row)
            mean_x, mean_y = x.mean(0), data.mean(0)
            slope = ((x - mean_x) * (data - mean_y)).sum(0) / ((x - mean_x) ** 2).sum(0)
            level = mean_y - slope * mean_x
            error = ((data - level - slope * x) ** 2).sum(0)
            better = error < best
            best = np.where(better, error, best)
            t, a, b = (
                np.where(better, new, old) for new, old in ((row, t), (level, a), (-slope, b))
            )
        width = grid[1] / grid[0]
        grid = t[None] * width[None] ** np.linspace(-1, 1, 13)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        t1 = t * (b / a - 1)
    fitted = np.isfinite(t1) & (a > 0) & (t1 > 0) & (t1 < 1e4)
    return np.where(fitted, t1, 0).astype(np.float32).reshape(images.shape[1:])


def _recovered(z: float, duration: float, t1: float) -> float:
    return 1 - (1 - z) * np.exp(-duration / t1)
