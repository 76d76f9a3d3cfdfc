"""Does a feature space see damage? Real slices, damaged in known ways, against real ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cmr_synth.evaluation.realism.frechet import frechet_distance
from cmr_synth.evaluation.realism.spaces import Space
from cmr_synth.evaluation.resampling import matched_rows
from cmr_synth.evaluation.sample import Sample, require_disjoint

Pictures = NDArray[np.float32]

STRIPES = 8  # pixels a period


def _blurred(sigma: float) -> Callable[[Pictures, np.random.Generator], Pictures]:
    def blur(pictures: Pictures, draw: np.random.Generator) -> Pictures:
        from scipy.ndimage import gaussian_filter

        found: Pictures = gaussian_filter(pictures, (0, sigma, sigma))
        return found

    return blur


def _noisy(pictures: Pictures, draw: np.random.Generator) -> Pictures:
    return pictures + 0.05 * draw.standard_normal(pictures.shape, dtype=np.float32)


def _dimmed(pictures: Pictures, draw: np.random.Generator) -> Pictures:
    return 0.7 * pictures


def _ghosted(pictures: Pictures, draw: np.random.Generator) -> Pictures:
    return pictures + 0.2 * np.roll(pictures, pictures.shape[1] // 3, axis=1)


def _striped(pictures: Pictures, draw: np.random.Generator) -> Pictures:
    phase = 2 * np.pi * np.arange(pictures.shape[2]) / STRIPES
    return pictures + (0.05 * np.sin(phase)).astype(np.float32)


def _squeezed(pictures: Pictures, draw: np.random.Generator) -> Pictures:
    from scipy.ndimage import affine_transform

    middle = (np.array(pictures.shape[1:]) - 1) / 2
    scale = np.diag([1.0, 1 / 0.8])
    return np.stack(
        [
            affine_transform(p, scale, middle - scale @ middle, order=1, mode="nearest")
            for p in pictures
        ]
    )


DAMAGES: dict[str, Callable[[Pictures, np.random.Generator], Pictures]] = {
    "blur, sigma 0.6 px": _blurred(0.6),
    "blur, sigma 1 px": _blurred(1.0),
    "noise, sd 0.05": _noisy,
    "dimmed to 0.7": _dimmed,
    "ghost of 0.2": _ghosted,
    "stripes of 0.05": _striped,
    "squeezed to 0.8 of the width": _squeezed,
}
"""What is done to whole pictures; the last two are none that the encoder was trained to see."""


def sensitivity(
    space: Space, held_out: Sample, other: Sample, *, seed: int = 0
) -> tuple[float, dict[str, float]]:
    """Frechet distances of damaged real slices, over that of the same slices undamaged.

    Parameters
    ----------
    held_out, other : Sample
        Real slices of different patients; `other` is damaged.

    Returns
    -------
    (float, dict)
        The distance of the undamaged slices, and the ratio of each of `DAMAGES`. A useful space
        moves well above 1.
    """
    require_disjoint(other, held_out)
    size = min(len(held_out), len(other))
    reference, chosen = (
        sample.take(np.sort(matched_rows(sample.patients, size, seed=seed)))
        for sample in (held_out, other)
    )
    real = space.features(reference)
    floor = frechet_distance(space.features(chosen), real)
    found = {}
    for name, damage in DAMAGES.items():
        pixels = damage(chosen.pixels, np.random.default_rng(seed))
        pixels = np.clip(pixels, 0, 1).astype(np.float32)
        changed = Sample(name, pixels, chosen.labels, chosen.rows, chosen.spacing)
        found[name] = frechet_distance(space.features(changed), real) / floor
    return floor, found
