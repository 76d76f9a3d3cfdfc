"""Real slices of open patients as an archive, others held out, and the bundled detector."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cmr_synth.anatomy.template import draw_slice
from cmr_synth.cohorts.slices import SliceRow
from cmr_synth.evaluation.sample import Sample
from cmr_synth.judges.copy_detector import CopyDetector
from cmr_synth.privacy.archive_writer import build


def people(count: int, *, prefix: str, seed: int, each: int = 3) -> Sample:
    """Drawn hearts in surroundings of their own, so that patients are told apart."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    pixels, labels, rows = [], [], []
    for p in range(count):
        ground = gaussian_filter(rng.normal(size=(128, 128)), 6)
        ground = 0.35 + 0.3 * ground / np.abs(ground).max()
        for k in range(each):
            mask = draw_slice(
                level=("basal", "mid", "apical")[k % 3], seed=1000 * seed + 10 * p + k
            )
            shade = np.array([0, 0.45, -0.05, 0.4])[mask]
            picture = np.clip(ground + shade + rng.normal(0, 0.02, mask.shape), 0, 1)
            pixels.append(picture)
            labels.append(mask)
            rows.append(
                SliceRow(
                    cohort="drawn",
                    patient=f"{prefix}{p}",
                    split="train",
                    vendor="siemens",
                    phase="ED",
                    pathology="",
                    slice=k,
                    z=(k % 3) / 2,
                    completed=False,
                )
            )
    return Sample(prefix, np.stack(pixels).astype(np.float32), np.stack(labels), tuple(rows), 1.5)


@pytest.fixture(scope="session")
def detector() -> CopyDetector:
    return CopyDetector.load()


@pytest.fixture(scope="session")
def real() -> Sample:
    return people(24, prefix="real", seed=1)


@pytest.fixture(scope="session")
def others() -> Sample:
    return people(24, prefix="other", seed=2)


@pytest.fixture(scope="session")
def archive(tmp_path_factory, real, others, detector):
    out = tmp_path_factory.mktemp("archive") / "archive"
    *_, made = build(real, out, detector, held_out=others)
    return made


@pytest.fixture
def renamed():
    """A sample whose patients have the names of another's."""

    def of(sample: Sample, like: Sample) -> Sample:
        rows = tuple(
            replace(a, patient=b.patient) for a, b in zip(sample.rows, like.rows, strict=True)
        )
        return Sample(sample.name, sample.pixels, sample.labels, rows, sample.spacing)

    return of
