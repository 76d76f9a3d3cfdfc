"""Paired image metrics: closed forms, and what each of them sees."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.evaluation.realism.paired import METRICS, paired_metrics


@pytest.fixture
def real() -> np.ndarray:
    rng = np.random.default_rng(0)
    smooth = rng.random((2, 13, 13)).repeat(8, axis=1).repeat(8, axis=2)
    return np.clip(0.1 + 0.8 * smooth, 0, 1)


def test_a_picture_is_like_itself(real) -> None:
    found = paired_metrics(real, real)
    assert set(found) == set(METRICS)
    np.testing.assert_allclose(found["ssim"], 1)
    np.testing.assert_allclose(found["ms_ssim"], 1, atol=1e-6)
    assert np.isposinf(found["psnr_db"]).all()
    assert (found["mse"] == 0).all() and (found["nrmse"] == 0).all()


def test_an_offset_has_closed_forms(real) -> None:
    found = paired_metrics(real * 0.9 + 0.05, real * 0.9 - 0.05 + 0.05)
    np.testing.assert_allclose(found["mae"], 0.05)
    np.testing.assert_allclose(found["mse"], 0.0025)
    np.testing.assert_allclose(found["psnr_db"], -10 * np.log10(0.0025))
    spread = 0.9 * (real.max(axis=(1, 2)) - real.min(axis=(1, 2)))
    np.testing.assert_allclose(found["nrmse"], 0.05 / spread)


def test_more_noise_is_less_alike(real) -> None:
    noise = np.random.default_rng(1).standard_normal(real.shape)
    found = [paired_metrics(np.clip(real + s * noise, 0, 1), real) for s in (0.01, 0.05, 0.2)]
    for name, better in (("ssim", -1), ("ms_ssim", -1), ("psnr_db", -1), ("mae", 1), ("nrmse", 1)):
        values = better * np.array([f[name].mean() for f in found])
        assert (np.diff(values) > 0).all(), name


def test_only_what_counts_is_compared(real) -> None:
    where = np.zeros(real.shape, dtype=bool)
    where[:, :40] = True
    damaged = real.copy()
    damaged[:, 48:] = 0
    assert (paired_metrics(damaged, real, where)["mse"] == 0).all()
    assert (paired_metrics(damaged, real)["mse"] > 0).all()


def test_a_constant_real_picture_has_no_range(real) -> None:
    found = paired_metrics(real, np.full(real.shape, 0.5))
    assert np.isnan(found["nrmse"]).all() and np.isfinite(found["ssim"]).all()


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda r: r[:1], "pairs of"),
        (lambda r: r * np.nan, "NaN or values outside"),
        (lambda r: 255 * r, "NaN or values outside"),
    ],
)
def test_bad_pictures_are_refused(real, change, said) -> None:
    with pytest.raises(ValueError, match=said):
        paired_metrics(change(real), real)


def test_every_picture_needs_a_pixel_that_counts(real) -> None:
    with pytest.raises(ValueError, match="needs a pixel that counts"):
        paired_metrics(real, real, np.zeros(real.shape, dtype=bool))
