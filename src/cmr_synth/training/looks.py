"""The look of one scan given to another: grey values of the tissues, then the grain.

A vendor of which one hospital gave scans is known with that hospital's hearts alone. Exchanged
looks show every vendor with the hearts of all. Matching grey values and low-order spectra between
scanners is what style augmentation does for segmentation (Zhang et al. 2020,
doi:10.1109/TMI.2020.2973595; Yang and Soatto 2020, arXiv:2004.05498); here the tissues are known,
so that blood goes to blood and muscle to muscle, whatever their shares of the picture.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import LV, MYO, RV

RINGS = 40
KEPT = 0.15
"""Share of the radius in Fourier space, from the middle, that is layout and is left alone."""
GAIN = (0.25, 2.5)
"""Amplification of a ring; more would raise what is rounding of the stored picture."""
APART = 0.02
"""Least distance of two grey values between which a curve is laid."""


def with_look_of(
    image: NDArray[np.float32],
    labels: NDArray[np.uint8],
    other: NDArray[np.float32],
    other_labels: NDArray[np.uint8],
) -> NDArray[np.float32]:
    """A slice in the look of another.

    Parameters
    ----------
    image, other : (y, x) float32 arrays in [0, 1]
        Of one size, with pixels of one size.
    labels, other_labels : (y, x) uint8 arrays
        Engine labels.

    Returns
    -------
    (y, x) float32 array in [0, 1]
    """
    toned = _with_tones(image, labels, other, other_labels)
    return np.clip(_with_grain(toned, other), 0, 1).astype(np.float32)


def _with_tones(
    image: NDArray[np.float32],
    labels: NDArray[np.uint8],
    other: NDArray[np.float32],
    other_labels: NDArray[np.uint8],
) -> NDArray[np.float32]:
    """Grey values by a rising curve through black, muscle, blood and the brightest pixels."""
    given, wanted = [0.0], [0.0]
    own, goal = _tones(image, labels), _tones(other, other_labels)
    for one, to in zip(own, goal, strict=True):
        # what is not drawn on either, or out of order, shapes no curve
        if one is not None and to is not None and one > given[-1] + APART and to > wanted[-1]:
            given.append(one)
            wanted.append(to)
    slope = (wanted[-1] - wanted[-2]) / (given[-1] - given[-2]) if len(given) > 1 else 1.0
    above = wanted[-1] + slope * np.maximum(image - given[-1], 0)
    toned = np.where(image > given[-1], above, np.interp(image, given, wanted))
    return np.clip(toned, 0, 1).astype(np.float32)


def _tones(
    image: NDArray[np.float32], labels: NDArray[np.uint8]
) -> tuple[float | None, float | None, float | None]:
    """Muscle, blood, and the 99th percentile of all; None where nothing of it is drawn."""
    muscle, blood = labels == MYO, (labels == LV) | (labels == RV)
    return (
        float(np.median(image[muscle])) if muscle.any() else None,
        float(np.median(image[blood])) if blood.any() else None,
        float(np.quantile(image, 0.99)),
    )


def _with_grain(image: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Amplitudes by rings of radial frequency, beyond those that are layout."""
    radius = _radius(image.shape)
    own, goal = _profile(image), _profile(other)
    gain = np.clip(goal / np.maximum(own, 1e-9), *GAIN)
    centres = (np.arange(RINGS) + 0.5) / RINGS
    # eased in, so that no ring shows
    eased = np.clip((radius - KEPT) / KEPT, 0, 1)
    factor = np.interp(radius, centres, gain) ** eased
    made = np.fft.irfft2(np.fft.rfft2(image) * factor, s=image.shape)
    return np.asarray(made, dtype=np.float32)


def _profile(image: NDArray[np.float32]) -> NDArray[np.float64]:
    """Root mean square amplitude (RINGS,) under a Hann window."""
    window = np.hanning(image.shape[0])[:, None] * np.hanning(image.shape[1])[None]
    power = np.abs(np.fft.rfft2((image - image.mean()) * window)) ** 2
    ring = np.minimum((_radius(image.shape) * RINGS).astype(int), RINGS - 1)
    sums = np.bincount(ring.ravel(), power.ravel(), minlength=RINGS)
    counts = np.bincount(ring.ravel(), minlength=RINGS)
    return np.asarray(np.sqrt(sums / np.maximum(counts, 1)))


def _radius(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Radial frequency of each coefficient of `rfft2`; 1 is the Nyquist frequency of an axis."""
    y, x = np.fft.fftfreq(shape[0])[:, None] / 0.5, np.fft.rfftfreq(shape[1])[None] / 0.5
    return np.asarray(np.minimum(np.hypot(y, x), 1.0))
