"""Pictures and masks whose spectrum and volume are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cmr_synth.anatomy.measurements import volumes_ml
from cmr_synth.cohorts.slices import SliceRow
from cmr_synth.evaluation.realism.sets import Sets
from cmr_synth.evaluation.realism.spectrum import RINGS, SPECTRUM_AUC, SPECTRUM_FINE, THIRDS
from cmr_synth.evaluation.sample import Sample

from .tried import World

BLUR = 0.5  # pixels


def of_a_blur() -> tuple[str, bool]:
    real = _white("h", 0)
    frequency = np.fft.fftfreq(64)
    squares = frequency[:, None] ** 2 + frequency[None] ** 2
    transfer = np.exp(-2 * (np.pi * BLUR) ** 2 * squares)
    pixels = np.fft.ifft2(np.fft.fft2(real.pixels) * transfer).real.astype(np.float32)
    found = SPECTRUM_FINE.measure(Sets(replace(real, pixels=pixels), real, _white("o", 1)))
    return f"{found.value:.3f}", abs(found.value - _kept()) < 0.02


def of_one_grain() -> tuple[str, bool]:
    other = _white("o", 0)
    aucs = [
        SPECTRUM_AUC.measure(Sets(_white("s", k), _white("h", 100 + k), other)).value
        for k in range(1, 13)
    ]
    mean, error = np.mean(aucs), np.std(aucs) / np.sqrt(len(aucs))
    return f"{mean:.2f} over {len(aucs)} sets", abs(mean - 0.5) < 3 * error


def of_discs() -> tuple[str, bool]:
    """A cylinder of blood of 25 mm radius, 10 slices of 8 mm: pi r^2 h."""
    y, x = np.mgrid[:128, :128] - 63.5
    disc = (np.hypot(y, x) * 1.25 <= 25).astype(np.uint8)
    volume = volumes_ml(np.stack([disc] * 10), (8.0, 1.25, 1.25))["LV"]
    return f"{volume:.1f} mL", abs(volume / _disc_ml() - 1) < 0.01


def _disc_ml() -> float:
    return float(np.pi * 25**2 * 80 / 1000)


def _kept() -> float:
    """Geometric mean over the finest rings of a Gaussian's transfer function."""
    frequency = (THIRDS["fine"] + 0.5) / RINGS / 2
    return float(np.exp(np.mean(-2 * (np.pi * BLUR * frequency) ** 2)))


def _white(prefix: str, seed: int) -> Sample:
    """White noise: 12 patients with 4 slices."""
    pixels = np.random.default_rng(seed).normal(0.5, 0.1, (48, 64, 64)).astype(np.float32)
    row = SliceRow(
        cohort="drawn",
        patient="",
        split="test",
        vendor="ge",
        phase="ED",
        pathology="normal",
        slice=0,
        z=0.5,
        completed=False,
    )
    rows = tuple(replace(row, patient=f"{prefix}{k // 4}", slice=k % 4) for k in range(48))
    return Sample(prefix, pixels, np.zeros(pixels.shape, np.uint8), rows, 1.5)


WORLDS = {
    "spectrum of a blur": World(
        figure="Spectrum, finest third",
        world=f"white noise against its copy blurred by {BLUR} pixels",
        expected=f"{_kept():.3f}, by the transfer function",
        simulate=of_a_blur,
    ),
    "AUC of spectra": World(
        figure="AUC of spectra",
        world="white noise of other patients on both sides",
        expected="0.5 on average",
        simulate=of_one_grain,
    ),
    "volume of discs": World(
        figure="Volume",
        world="a cylinder of 25 mm radius and 80 mm height, drawn in 10 slices",
        expected=f"{_disc_ml():.1f} mL",
        simulate=of_discs,
    ),
}
