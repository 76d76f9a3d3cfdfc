"""How near a reconstruction is to the fully sampled picture: NMSE, PSNR and SSIM of every slice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FIGURES = {
    "nmse": "squared error over the squared brightness of the fully sampled picture",
    "psnr_db": "peak signal over root mean square error, dB",
    "ssim": "structural similarity (Wang et al. 2004)",
}
WINDOW = 11  # pixels to a side of the Gaussian window of SSIM


def figures(
    made: NDArray[np.floating], real: NDArray[np.floating]
) -> dict[str, NDArray[np.float64]]:
    """Every figure of every slice.

    Parameters
    ----------
    made, real : (n, y, x) arrays
        Magnitudes in 0 to 1, at least `WINDOW` pixels a side.

    Returns
    -------
    dict
        Names of `FIGURES` to (n,) arrays. NaN for a black picture and for PSNR of equal ones.
    """
    from skimage.metrics import structural_similarity

    made, real = (np.asarray(a, np.float64) for a in (made, real))
    squared = (made - real) ** 2
    power = (real**2).sum(axis=(1, 2))
    error = squared.mean(axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        nmse = np.where(power > 0, squared.sum(axis=(1, 2)) / power, np.nan)
        psnr = np.where(error > 0, -10 * np.log10(error), np.nan)
    # the window and constants of Wang et al., as everywhere in this program
    ssim = [
        structural_similarity(
            r, m, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        for r, m in zip(real, made, strict=True)
    ]
    return {"nmse": nmse, "psnr_db": psnr, "ssim": np.where(power > 0, ssim, np.nan)}
