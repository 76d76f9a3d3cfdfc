"""Image metrics of a synthetic sample against the real slices whose masks it follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cmr_synth.evaluation.adherence.dice import bootstrap_interval
from cmr_synth.evaluation.distributions import patient_means
from cmr_synth.evaluation.realism.paired import paired_metrics
from cmr_synth.evaluation.realism.variety import MS_SSIM_WEIGHTS
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
        low, high = bootstrap_interval(means) if len(means) else (np.nan, np.nan)
        values[name] = Mean(float(means.mean()) if len(means) else float("nan"), low, high)
    return PairedSample(values, len(real), len(np.unique(real.patients)))
