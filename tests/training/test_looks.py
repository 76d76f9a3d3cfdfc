"""Exchanged looks: tissues get the other scan's grey values, the grain its amplitudes."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.anatomy.labels import LV, MYO
from cmr_synth.anatomy.template import draw_slice
from cmr_synth.training.looks import with_look_of

SHAPE = (160, 160)


def scan(seed: int, *, muscle: float, blood: float, blur: float = 0.0):
    from scipy.ndimage import gaussian_filter

    labels = draw_slice(shape=SHAPE, level="mid", seed=seed)
    rng = np.random.default_rng(seed)
    shades = np.array([0.12, blood, muscle, blood])[labels]
    image = shades + rng.normal(0, 0.03, SHAPE)
    image = gaussian_filter(image, blur) if blur else image
    return np.clip(image, 0, 1).astype(np.float32), labels


def fine(image: np.ndarray) -> float:
    """Amplitude beyond half of the Nyquist frequency."""
    y, x = np.fft.fftfreq(SHAPE[0])[:, None], np.fft.rfftfreq(SHAPE[1])[None]
    power = np.abs(np.fft.rfft2(image)) ** 2
    return float(np.sqrt(power[np.hypot(y, x) > 0.25].mean()))


def test_blood_and_muscle_get_the_grey_values_of_the_other():
    image, labels = scan(0, muscle=0.25, blood=0.7)
    other, other_labels = scan(1, muscle=0.4, blood=0.55)
    made = with_look_of(image, labels, other, other_labels)
    for tissue in (LV, MYO):
        wanted = np.median(other[other_labels == tissue])
        assert np.median(made[labels == tissue]) == pytest.approx(wanted, abs=0.03)
    assert made.dtype == np.float32 and made.min() >= 0 and made.max() <= 1


def test_a_sharp_scan_becomes_as_smooth_as_the_other():
    image, labels = scan(0, muscle=0.25, blood=0.7)
    other, other_labels = scan(1, muscle=0.25, blood=0.7, blur=0.5)
    made = with_look_of(image, labels, other, other_labels)
    assert fine(made) == pytest.approx(fine(other), rel=0.5)
    assert fine(made) < 0.7 * fine(image)


def test_a_scan_in_its_own_look_is_itself():
    image, labels = scan(0, muscle=0.25, blood=0.7)
    np.testing.assert_allclose(with_look_of(image, labels, image, labels), image, atol=0.01)


def test_what_is_not_drawn_does_no_harm():
    image, labels = scan(0, muscle=0.25, blood=0.7)
    other, _ = scan(1, muscle=0.4, blood=0.55)
    made = with_look_of(image, labels, other, np.full(SHAPE, 255, np.uint8))
    assert np.isfinite(made).all() and made.std() > 0.05
