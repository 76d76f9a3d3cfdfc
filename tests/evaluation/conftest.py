"""Samples of drawn hearts, painted as a scanner might."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.anatomy.template import draw_slice
from cmr_synth.cohorts.slices import SliceRow
from cmr_synth.evaluation.sample import Sample


def drawn_sample(
    patients: int = 6,
    each: int = 6,
    *,
    name: str = "drawn",
    prefix: str = "p",
    noise: float = 0.03,
    seed: int = 0,
    size: int = 128,
) -> Sample:
    """Hearts of some patients with some slices each."""
    rng = np.random.default_rng(seed)
    pixels, labels, rows = [], [], []
    for p in range(patients):
        shades = np.array([0.25, 0.85, 0.35, 0.8]) + rng.normal(0, 0.04, 4)
        for k in range(each):
            mask = draw_slice(
                shape=(size, size), level=("basal", "mid", "apical")[k % 3], seed=100 * p + k
            )
            picture = shades[mask] + rng.normal(0, noise, mask.shape)
            pixels.append(np.clip(picture, 0, 1))
            labels.append(mask)
            rows.append(
                SliceRow(
                    cohort="drawn",
                    patient=f"{prefix}{p}",
                    split="test",
                    vendor=("siemens", "ge")[p % 2],
                    phase=("ED", "ES")[k % 2],
                    pathology=("normal", "dcm")[p % 2],
                    slice=k,
                    z=(k % 3) / 2,
                    completed=False,
                )
            )
    return Sample(name, np.stack(pixels).astype(np.float32), np.stack(labels), tuple(rows), 1.5)


@pytest.fixture
def sample() -> Sample:
    return drawn_sample()
