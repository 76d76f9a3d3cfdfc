"""How much of picture and noise there is at every step of the diffusion.

x_t = sqrt(a) x + sqrt(1 - a) n with n standard normal and a, the cumulative product of the alphas
in Ho et al. 2020 (arXiv:2006.11239), falling from nearly 1 at step 0 to nearly 0 at the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

LEAST = 2.0**-24  # of a; as in diffusers, so that the logarithm of the signal's share is finite
LARGEST_BETA = 0.999  # as in Nichol and Dhariwal 2021, arXiv:2102.09672


def signal_shares(
    betas: Literal["cosine", "linear"], steps: int, *, shift: float, to_zero: bool
) -> NDArray[np.float64]:
    """The share a of every step.

    Parameters
    ----------
    betas : "cosine" or "linear"
        Nichol and Dhariwal 2021, arXiv:2102.09672, or Ho et al. 2020, arXiv:2006.11239.
    steps : int
    shift : float
        Factor on the noise's standard deviation in relation to the signal's. Neighbouring pixels
        of a fine grid tell of each other, so that the same noise hides less there (Hoogeboom et
        al. 2023, arXiv:2301.11093, eq. 9); 1 is as published.
    to_zero : bool
        Let nothing of the picture be left at the last step, at which sampling starts. A rest tells
        the network how bright the picture is, which noise alone does not (Lin et al. 2024,
        arXiv:2305.08891).

    Returns
    -------
    (steps,) float64 array
        Falling.
    """
    if betas == "cosine":
        time = np.arange(1, steps + 1) / steps
        angle = (time + 0.008) / 1.008 * np.pi / 2
        curve = (np.cos(angle) / np.cos(0.008 / 1.008 * np.pi / 2)) ** 2
    else:
        # 1e-4 to 0.02 over 1000 steps; as much noise in all over fewer
        curve = np.cumprod(1 - np.linspace(1e-4, 0.02, steps) * 1000 / steps)
    curve = np.clip(curve, LEAST, 1 - 1e-6)
    noise_to_signal = (1 - curve) / curve * shift**2
    shares = 1 / (1 + noise_to_signal)
    previous = np.append(1.0, shares[:-1])
    shares = np.cumprod(np.maximum(shares / previous, 1 - LARGEST_BETA))
    if to_zero:
        root = np.sqrt(shares)
        root = (root - root[-1]) * root[0] / (root[0] - root[-1])  # Lin et al., algorithm 1
        shares = root**2
    floored: NDArray[np.float64] = np.maximum(shares, LEAST)
    return floored


def spaced(shares: NDArray[np.float64], steps: int) -> tuple[list[int], list[float]]:
    """A shorter diffusion that visits some steps of the long one, the last among them.

    They lie the closer the less noise there is, as the squares of whole numbers do (Song et al.
    2021, arXiv:2010.02502, appendix D.2). On pictures of which the best estimate is known, 15 even
    steps of DPM-Solver++ left 0.4 of a grain of 0.1, and 15 quadratic ones 0.98.

    Returns
    -------
    visited : list of int
        Steps of the long diffusion, falling.
    betas : list of float
        Of the short diffusion, from picture to noise: with them every sampler goes from one
        visited step exactly to the next.
    """
    number = np.arange(1, steps + 1)
    visited = np.round(len(shares) * (number / steps) ** 2).astype(int) - 1
    # no step twice: rising by one at least, from 0
    visited = np.maximum.accumulate(np.maximum(visited, 0) - number) + number
    return visited[::-1].tolist(), betas_of(shares[visited])


def betas_of(shares: Sequence[float] | NDArray[np.float64]) -> list[float]:
    """The betas of which the shares are the cumulative product of 1 - beta."""
    kept = np.asarray(shares)
    betas: list[float] = (1 - kept / np.append(1.0, kept[:-1])).tolist()
    return betas
