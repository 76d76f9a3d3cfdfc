"""Image metrics between a synthetic slice and the real slice whose mask it follows.

They say how alike two pictures are, pixel by pixel. A faithful generator is not asked to repeat
the surroundings of the one real picture, so that low values are no fault: they are for
reconstructions, for comparisons with published tables, and for finding copies.

Conventions, because libraries differ: pixels are in [0, 1], so that the data range is 1. SSIM has
the Gaussian window of Wang et al. 2004 (doi:10.1109/TIP.2003.819861), sigma 1.5 and 11 pixels, with
population covariances; many programs use a flat window of 7. MS-SSIM has the first four of the five
published weights, see `variety.MS_SSIM_WEIGHTS`. NRMSE is divided by the real picture's range.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.evaluation.distributions import patient_means
from cmr_synth.evaluation.realism.variety import MS_SSIM_WEIGHTS
from cmr_synth.evaluation.resampling import mean_interval
from cmr_synth.evaluation.sample import Sample

WORDS = {
    "ssim": "structural similarity, Gaussian window of 11 pixels with sigma 1.5; at most 1",
    "ms_ssim": "the same over four scales with weights " + ", ".join(map(str, MS_SSIM_WEIGHTS)),
    "psnr_db": "peak signal to noise in decibels, for a peak of 1; equal pictures left out",
    "nrmse": "root of the mean squared error over the real slice's range",
    "mae": "mean absolute error of pixels in [0, 1]",
    "mse": "mean squared error of pixels in [0, 1]",
}
HEADINGS = {
    "ssim": "SSIM",
    "ms_ssim": "MS-SSIM",
    "psnr_db": "PSNR dB",
    "nrmse": "NRMSE",
    "mae": "MAE",
    "mse": "MSE",
}
METRICS = tuple(HEADINGS)


@dataclass(frozen=True)
class Mean:
    """Mean over patients with its 95 % interval by patient."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class PairedSample:
    """Every image metric of a sample.

    Parameters
    ----------
    values : mapping of metric to Mean
    slices, patients : int
    """

    values: Mapping[str, Mean]
    slices: int
    patients: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def paired_sample(real: Sample, synthetic: Sample) -> PairedSample:
    """Compare slice by slice.

    Parameters
    ----------
    real, synthetic : Sample
        In the same order; `synthetic` made from the masks of `real`.

    Raises
    ------
    ValueError
        If they are not counterparts.
    """
    if real.rows != synthetic.rows:
        raise ValueError(f"{synthetic.name} is not made from the masks of {real.name}")
    found = paired_metrics(synthetic.pixels, real.pixels)
    values = {}
    for name, each in found.items():
        # one pair without a number, such as an infinite PSNR, must not swallow the mean
        means = patient_means(np.where(np.isfinite(each), each, np.nan), real.patients)
        low, high = mean_interval(means) if len(means) else (np.nan, np.nan)
        values[name] = Mean(float(means.mean()) if len(means) else float("nan"), low, high)
    return PairedSample(values, len(real), len(np.unique(real.patients)))


def paired_metrics(
    synthetic: NDArray[np.floating],
    real: NDArray[np.floating],
    where: NDArray[np.bool_] | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Every metric for every pair.

    Parameters
    ----------
    synthetic, real : (n, y, x) arrays in [0, 1]
        At least 99 pixels a side.
    where : (n, y, x) bool array, optional
        Pixels that count, such as the heart; SSIM and MS-SSIM have windows and look at all.

    Returns
    -------
    dict
        Metric to (n,) values: SSIM and MS-SSIM at most 1; PSNR in decibels, infinite for equal
        pictures; NRMSE, MAE and MSE from 0, NRMSE NaN for a constant real picture.

    Raises
    ------
    ValueError
        If the shapes differ, a pixel is NaN or outside [0, 1], or a picture has no pixel that
        counts.
    """
    from skimage.metrics import structural_similarity

    synthetic, real = (np.asarray(a, dtype=np.float64) for a in (synthetic, real))
    if synthetic.shape != real.shape or real.ndim != 3:
        raise ValueError(f"pairs of (n, y, x) are needed, got {synthetic.shape} and {real.shape}")
    for name, pictures in (("synthetic", synthetic), ("real", real)):
        if not (np.isfinite(pictures).all() and pictures.min() >= 0 and pictures.max() <= 1):
            raise ValueError(f"{name} pictures hold NaN or values outside 0 to 1")
    if where is None:
        where = np.ones(real.shape, dtype=bool)
    counted = where.sum(axis=(1, 2))
    if where.shape != real.shape or not counted.all():
        raise ValueError("every picture needs a pixel that counts")
    difference = np.where(where, synthetic - real, 0.0)
    mse = (difference**2).sum(axis=(1, 2)) / counted
    low = np.where(where, real, np.inf).min(axis=(1, 2))
    high = np.where(where, real, -np.inf).max(axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        psnr = -10 * np.log10(mse)
        nrmse = np.where(high > low, np.sqrt(mse) / (high - low), np.nan)
    ssim = [
        structural_similarity(
            r, s, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        for s, r in zip(synthetic, real, strict=True)
    ]
    return {
        "ssim": np.array(ssim),
        "ms_ssim": _ms_ssim(synthetic, real),
        "psnr_db": psnr,
        "nrmse": nrmse,
        "mae": np.abs(difference).sum(axis=(1, 2)) / counted,
        "mse": mse,
    }


def _ms_ssim(synthetic: NDArray[np.float64], real: NDArray[np.float64]) -> NDArray[np.float64]:
    import torch
    from monai.metrics import MultiScaleSSIMMetric

    metric = MultiScaleSSIMMetric(spatial_dims=2, data_range=1.0, weights=MS_SSIM_WEIGHTS)
    values = metric(torch.from_numpy(synthetic)[:, None], torch.from_numpy(real)[:, None])
    found: NDArray[np.float64] = values[:, 0].double().numpy()
    return found
