"""How far a reconstruction lies from its slice, plainly and in a band of frequencies."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BAND = (0.15, 0.85)
"""Of the radius in Fourier space, up to the Nyquist frequency."""


def band_pass(
    pictures: NDArray[np.floating], band: tuple[float, float] = BAND
) -> NDArray[np.float32]:
    """Pictures (n, y, x) with the frequencies of a ring alone.

    A radius of 1 is the Nyquist frequency along an axis. Low frequencies are brightness that every
    model gets right, and the highest are noise that none can; what tells members lies between
    (frequency-calibrated reconstruction error, arXiv:2506.14919).
    """
    rows, columns = pictures.shape[1:]
    y, x = np.fft.fftfreq(rows)[:, None] / 0.5, np.fft.rfftfreq(columns)[None, :] / 0.5
    radius = np.hypot(y, x)
    kept = (radius >= band[0]) & (radius <= band[1])
    filtered = np.fft.irfft2(np.fft.rfft2(pictures, axes=(1, 2)) * kept, s=(rows, columns))
    return filtered.astype(np.float32)


def errors(
    pictures: NDArray[np.float32], made: NDArray[np.float32]
) -> dict[str, NDArray[np.float64]]:
    """Errors of reconstructions; the greater, the farther.

    Parameters
    ----------
    pictures, made : (n, y, x) float32 arrays in [0, 1]

    Returns
    -------
    dict of (n,) arrays
        "L2" (root mean square), "1-SSIM", and both in the band.
    """
    one, other = band_pass(pictures), band_pass(made)
    return {
        "L2": _distance(pictures, made),
        "1-SSIM": _dissimilarity(pictures, made),
        "band L2": _distance(one, other),
        "band 1-SSIM": _dissimilarity(one, other),
    }


def _distance(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(np.sqrt(((a - b).astype(np.float64) ** 2).mean(axis=(1, 2))))


def _dissimilarity(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    from monai.metrics import SSIMMetric

    def tensor(pictures: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(np.array(pictures, np.float32))[:, None]

    # a Gaussian window of 11 pixels with sigma 1.5 (Wang et al. 2004); the range of a slice is 1
    similar = torch.as_tensor(SSIMMetric(spatial_dims=2, data_range=1.0)(tensor(a), tensor(b)))
    return np.asarray(1 - similar.flatten(1).mean(dim=1).double().numpy())
