"""SSIM, MS-SSIM, PSNR and errors against torchmetrics; mutual agreement where windows agree."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

from cmr_synth.evaluation.realism.paired import paired_metrics
from cmr_synth.evaluation.realism.variety import MS_SSIM_WEIGHTS


@pytest.fixture(scope="module")
def pictures() -> tuple[np.ndarray, np.ndarray]:
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(0)
    real = gaussian_filter(rng.random((2, 128, 128)), (0, 3, 3))
    real = (real - real.min()) / np.ptp(real)
    return np.clip(real + rng.normal(0, 0.05, real.shape), 0, 1), real


def tensors(pictures):
    return [torch.from_numpy(x)[:, None] for x in pictures]


def test_errors_and_psnr_are_those_of_torchmetrics(pictures) -> None:
    found = paired_metrics(*pictures)
    made, real = tensors(pictures)
    theirs = [
        float(peak_signal_noise_ratio(m, r, data_range=1.0))
        for m, r in zip(made, real, strict=True)
    ]
    assert found["psnr_db"] == pytest.approx(theirs, rel=1e-5)
    assert found["mse"] == pytest.approx(((made - real) ** 2).mean((1, 2, 3)).numpy())


def test_ssim_has_the_gaussian_window_of_torchmetrics(pictures) -> None:
    # ours pads by reflection and leaves the border out of the mean, theirs keeps it: 11 of 128
    theirs = structural_similarity_index_measure(
        *tensors(pictures), data_range=1.0, sigma=1.5, kernel_size=11, reduction="none"
    )
    assert paired_metrics(*pictures)["ssim"] == pytest.approx(theirs.numpy(), abs=0.01)


def test_ms_ssim_with_our_weights_is_near_that_of_torchmetrics(pictures) -> None:
    theirs = multiscale_structural_similarity_index_measure(
        *tensors(pictures),
        data_range=1.0,
        betas=MS_SSIM_WEIGHTS,
        reduction="none",
        normalize="relu",
    )
    # MONAI filters without padding, torchmetrics with it
    assert paired_metrics(*pictures)["ms_ssim"] == pytest.approx(theirs.numpy(), abs=0.02)
