"""Signal equations: what a tissue gives in balanced steady state, after T2 preparation, after
inversion with a contrast agent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmr_synth.physics.tissues import Tissue


@dataclass(frozen=True)
class Readout:
    """A balanced steady-state free precession (bSSFP) readout.

    Parameters
    ----------
    flip : float
        Angle, degrees.
    tr : float
        Between pulses, ms; the echo is in the middle.
    pulses : int
        From the start of a single shot to the middle of k-space.
    """

    flip: float = 60.0
    tr: float = 3.0
    pulses: int = 30


def steady_state(tissue: Tissue, readout: Readout) -> float:
    """Signal of cine bSSFP on resonance, of density 1's magnetisation.

    S = M0 sin a (1 - E1) / (1 - (E1 - E2) cos a - E1 E2) exp(-TE / T2), TE = TR / 2: Freeman and
    Hill, J Magn Reson 1971;4:366, with alternating pulses.
    """
    angle = np.deg2rad(readout.flip)
    e1, e2 = np.exp(-readout.tr / tissue.t1), np.exp(-readout.tr / tissue.t2)
    signal = np.sin(angle) * (1 - e1) / (1 - (e1 - e2) * np.cos(angle) - e1 * e2)
    return float(tissue.density * signal * np.sqrt(e2))


def t2_prepared(
    tissue: Tissue, times: NDArray[np.float64], readout: Readout, *, beat: float, rest: int = 3
) -> NDArray[np.float64]:
    """Signal of single-shot bSSFP after T2 preparation, one image a preparation time.

    S = M exp(-TE / T2), M being what has come back in `rest` heartbeats between the images: Giri et
    al., J Cardiovasc Magn Reson 2009;11:56.

    Parameters
    ----------
    tissue : Tissue
    times : (n,) array
        Preparation times, ms; 0 is none.
    readout : Readout
    beat : float
        Length of a heartbeat, ms.
    rest : int
        Heartbeats from image to image.

    Returns
    -------
    (n,) float64 array
    """
    recovered = 1 - np.exp(-rest * beat / tissue.t1)
    angle = np.deg2rad(readout.flip) / 2  # the readout catches what lies along half the angle
    return np.asarray(tissue.density * recovered * np.exp(-times / tissue.t2) * np.sin(angle))


def late_enhancement(tissue: Tissue, inversion: float, repetition: float) -> float:
    """Signed signal after inversion, in equilibrium of pulses `repetition` ms apart.

    S = 1 - 2 exp(-TI / T1) + exp(-TR / T1): Simonetti et al., Radiology 2001;218:215.
    """
    e = np.exp(-np.array([inversion, repetition]) / tissue.t1)
    return float(tissue.density * (1 - 2 * e[0] + e[1]))


def inverted_steady_state(
    tissue: Tissue, times: NDArray[np.float64], readout: Readout
) -> NDArray[np.float64]:
    """Signed signal of bSSFP that goes on after an inversion of all magnetisation.

    S = A - B exp(-t / T1*), from -M0 sin(a/2) to the steady state A = M0 sin(a/2) cos(a/2) / q with
    q = cos^2(a/2) + T1 / T2 sin^2(a/2) and T1* = T1 / q: Schmitt et al., Magn Reson Med
    2004;51:661, for TR far below T1 and T2. Hence T1 = T1* (B / A - 1) cos(a/2).

    Parameters
    ----------
    tissue : Tissue
    times : (n,) array
        After the inversion, ms.
    readout : Readout

    Returns
    -------
    (n,) float64 array
    """
    half = np.deg2rad(readout.flip) / 2
    q = np.cos(half) ** 2 + tissue.t1 / tissue.t2 * np.sin(half) ** 2
    start, end = np.sin(half), np.sin(half) * np.cos(half) / q
    decay = np.exp(-np.asarray(times) * q / tissue.t1)
    return np.asarray(tissue.density * (end - (start + end) * decay))


def null_of(tissue: Tissue, repetition: float) -> float:
    """Inversion time, ms, at which `late_enhancement` of a tissue is 0."""
    return float(tissue.t1 * np.log(2 / (1 + np.exp(-repetition / tissue.t1))))
