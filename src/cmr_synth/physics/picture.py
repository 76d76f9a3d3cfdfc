"""From tissues on a mask's grid to pictures: signal, partial volume at edges, noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from cmr_synth.physics.body import NUMBERS
from cmr_synth.physics.tissues import Tissue, Tissues

BLUR = 0.6
"""Standard deviation of the point spread in pixels: about that of a Cartesian scan whose k-space is
filled to the pixel and apodised lightly."""


def painted(
    tissue: NDArray[np.uint8], signal: Callable[[Tissue], NDArray[np.float64]], table: Tissues
) -> NDArray[np.float32]:
    """Give every pixel the signal of its tissue, shared at edges.

    Signal is complex and linear in what a pixel holds, so what is shared is signal, with its sign;
    relaxation times are not.

    Parameters
    ----------
    tissue : (rows, columns) uint8 array
        Numbers of `body.NUMBERS`; others give none.
    signal : callable
        (n,) values of a tissue, one an image.
    table : mapping of str to Tissue

    Returns
    -------
    (n, rows, columns) float32 array
    """
    from scipy.ndimage import gaussian_filter

    values = {number: np.atleast_1d(signal(table[name])) for number, name in NUMBERS.items()}
    images = len(next(iter(values.values())))
    lookup = np.zeros((256, images))
    for number, value in values.items():
        lookup[number] = value
    sharp = np.moveaxis(lookup[tissue], -1, 0)
    return np.stack([gaussian_filter(one, BLUR) for one in sharp]).astype(np.float32)


def with_noise(
    pictures: NDArray[np.float32], snr: float, reference: float, draws: np.random.Generator
) -> NDArray[np.complex64]:
    """Add complex Gaussian noise, whose magnitude is Rician.

    Parameters
    ----------
    pictures : array
        Signed signal.
    snr : float
        `reference` over the standard deviation in either channel.
    reference : float
        Signal, such as that of blood.
    draws : numpy Generator
    """
    real, imaginary = draws.standard_normal((2, *pictures.shape), dtype=np.float32)
    sigma = np.float32(abs(reference) / snr)
    return (pictures + sigma * (real + 1j * imaginary)).astype(np.complex64)


def truth(
    tissue: NDArray[np.uint8], table: Mapping[str, Tissue], figure: str
) -> NDArray[np.float32]:
    """T1 or T2 that every pixel's tissue has, ms; 0 in air."""
    lookup = np.zeros(256, np.float32)
    for number, name in NUMBERS.items():
        lookup[number] = getattr(table[name], figure)
    return lookup[tissue]
