"""MS-SSIM between pictures: 1 with itself, lower with noise, one value a pair."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.evaluation.realism.variety import MS_SSIM_WEIGHTS, pairwise_ms_ssim

SHADES = np.array([0.2, 0.9, 0.35, 0.8], dtype=np.float32)


@pytest.fixture
def picture(heart: np.ndarray) -> np.ndarray:
    """A painted heart, (128, 128) in [0, 1]."""
    noise = np.random.default_rng(0).normal(0, 0.02, heart.shape)
    return np.clip(SHADES[heart] + noise, 0, 1).astype(np.float32)


def noisy(picture: np.ndarray, level: float, seed: int = 1) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, level, picture.shape)
    return np.clip(picture + noise, 0, 1).astype(np.float32)


def test_weights_sum_to_one() -> None:
    assert sum(MS_SSIM_WEIGHTS) == pytest.approx(1, abs=2e-4)  # stated to four decimals


def test_weights_are_those_published_without_the_fifth() -> None:
    published = np.array([0.0448, 0.2856, 0.3001, 0.2363])
    assert pytest.approx(published / published.sum(), abs=1e-4) == MS_SSIM_WEIGHTS


def test_a_picture_is_like_itself(picture: np.ndarray) -> None:
    assert pairwise_ms_ssim(np.stack([picture, picture])) == pytest.approx([1.0], abs=1e-5)


def test_noise_lowers_it(picture: np.ndarray) -> None:
    values = [
        pairwise_ms_ssim(np.stack([picture, noisy(picture, level)]))[0]
        for level in (0, 0.05, 0.1, 0.3)
    ]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.9


def test_one_value_for_every_pair_in_order(picture: np.ndarray) -> None:
    images = np.stack([picture, noisy(picture, 0.1), noisy(picture, 0.3)])
    found = pairwise_ms_ssim(images)
    pairs = [pairwise_ms_ssim(images[[i, j]])[0] for i, j in ((0, 1), (0, 2), (1, 2))]
    assert found == pytest.approx(pairs, abs=1e-6)


def test_it_is_symmetric(picture: np.ndarray) -> None:
    pair = np.stack([picture, noisy(picture, 0.2)])
    assert pairwise_ms_ssim(pair) == pytest.approx(pairwise_ms_ssim(pair[::-1].copy()), abs=1e-6)
