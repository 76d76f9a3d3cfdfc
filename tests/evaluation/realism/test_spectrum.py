"""Spectra of pictures whose spectrum is known."""

from dataclasses import replace

import numpy as np
import pytest

from cmr_synth.cohorts.slices import SliceRow
from cmr_synth.evaluation.realism.contract import NotMeasured
from cmr_synth.evaluation.realism.sets import Sets
from cmr_synth.evaluation.realism.spectrum import (
    RINGS,
    SPECTRUM_AUC,
    SPECTRUM_FINE,
    SPECTRUM_LOW,
    SPECTRUM_MIDDLE,
    THIRDS,
    log_power,
)
from cmr_synth.evaluation.sample import Sample

AMPLITUDES = dict(zip(THIRDS, (SPECTRUM_LOW, SPECTRUM_MIDDLE, SPECTRUM_FINE), strict=True))


def white(prefix, seed, patients=12, each=4, side=64):
    """White noise, in which all frequencies have one power."""
    pixels = np.random.default_rng(seed).normal(0.5, 0.1, (patients * each, side, side))
    rows = tuple(
        SliceRow(
            cohort="drawn",
            patient=f"{prefix}{k // each}",
            split="test",
            vendor="ge",
            phase="ED",
            pathology="normal",
            slice=k % each,
            z=0.5,
            completed=False,
        )
        for k in range(len(pixels))
    )
    labels = np.zeros(pixels.shape, np.uint8)
    return Sample(prefix, pixels.astype(np.float32), labels, rows, 1.5)


def through(sample, sigma):
    """Blurred by the transfer function exp(-2 (pi sigma f)^2) of a Gaussian."""
    y, x = (np.fft.fftfreq(side) for side in sample.pixels.shape[1:])
    transfer = np.exp(-2 * (np.pi * sigma) ** 2 * (y[:, None] ** 2 + x[None] ** 2))
    pixels = np.fft.ifft2(np.fft.fft2(sample.pixels) * transfer).real
    return replace(sample, pixels=pixels.astype(np.float32))


@pytest.mark.parametrize("third", THIRDS)
def test_a_blurred_copy_loses_each_third_by_its_transfer_function(third):
    real, sigma = white("h", 0), 0.5
    found = AMPLITUDES[third].measure(Sets(through(real, sigma), real, white("o", 1)))
    frequency = (THIRDS[third] + 0.5) / RINGS / 2
    kept = np.exp(np.mean(-2 * (np.pi * sigma * frequency) ** 2))
    assert found.value == pytest.approx(kept, rel=0.02)
    assert found.low <= found.value <= found.high < 1.001
    assert found.floor == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("third", THIRDS)
def test_a_constant_scales_every_third(third):
    real = white("h", 0)
    half = replace(real, pixels=real.pixels / 2)
    found = AMPLITUDES[third].measure(Sets(half, real, white("o", 1)))
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5), rel=1e-6)


def test_white_noise_against_white_noise_is_one_and_is_not_told():
    sets = Sets(white("s", 2), white("h", 0), white("o", 1))
    for metric in AMPLITUDES.values():
        found = metric.measure(sets)
        assert found.value == pytest.approx(1, abs=0.03) and found.low < 1.01 and found.high > 0.99
    told = SPECTRUM_AUC.measure(sets)
    assert told.low < 0.5 < told.high and 0.2 < told.floor < 0.8


def test_blur_of_a_third_of_a_pixel_gives_every_patient_away():
    sets = Sets(through(white("s", 2), 0.33), white("h", 0), white("o", 1))
    assert SPECTRUM_AUC.measure(sets).value > 0.98


def test_the_auc_of_one_population_is_chance_on_average():
    found = [
        SPECTRUM_AUC.measure(Sets(white("s", k), white("h", 50 + k), white("o", 1))).value
        for k in range(8)
    ]
    assert np.mean(found) == pytest.approx(0.5, abs=0.1)


def test_too_small_pictures_and_too_few_patients_are_told():
    with pytest.raises(NotMeasured, match="32 x 32 pixels"):
        log_power(np.random.default_rng(0).random((2, 32, 32)))
    few = Sets(white("s", 2, patients=4), white("h", 0), white("o", 1))
    with pytest.raises(NotMeasured, match="4 synthetic patients are too few"):
        SPECTRUM_AUC.measure(few)
