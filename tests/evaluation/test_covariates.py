"""Whether pictures tell a covariate: in a world where they do, and in one where they do not."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from cmr_synth.cohorts.slices import SliceRow, SliceSet
from cmr_synth.errors import InputError
from cmr_synth.evaluation.covariates import covariate_told

KG = np.linspace(50, 110, 30)


class Encoder:
    """Sees how bright a picture is, and noise."""

    def features(self, pictures):
        """(n, 2)."""
        return np.stack([pictures.mean(axis=(1, 2)), pictures[:, 0, 0]], axis=1).astype(float)


def world(bright: float) -> SliceSet:
    """People who are the brighter the heavier they are, or not at all."""
    rng = np.random.default_rng(0)
    images, rows = [], []
    for i, kg in enumerate(rng.permutation(KG)):
        level = 100 + bright * (kg - 80) + rng.normal(0, 4)
        images.append(np.clip(level + rng.normal(0, 5, (160, 160)), 0, 255).astype(np.uint8))
        rows.append(
            SliceRow(
                cohort="drawn",
                patient=f"p{i}",
                split="train" if i < 20 else "test",
                vendor="",
                phase="ED",
                pathology="",
                slice=0,
                z=0.5,
                completed=False,
                height=170.0,
                weight=float(kg),
            )  # fmt: skip
        )
    pixels = np.stack(images)
    return SliceSet(
        pixels, np.zeros_like(pixels), np.ones_like(pixels), tuple(rows), {"spacing_mm": 1.5}
    )


def changer(share: float):
    """Brightens pictures by a share of what the world has for the change asked for."""

    def change(pictures, before, after):
        step = [(a["bmi"] - b["bmi"]) * 1.7**2 for b, a in zip(before, after, strict=True)]
        return (
            np.float32(share)
            * np.array(step, np.float32)[:, None, None]
            / 255
            * np.ones_like(pictures)
        )

    return SimpleNamespace(
        config=SimpleNamespace(covariates=(SimpleNamespace(name="bmi"),)), change=change
    )


def test_what_pictures_tell_is_told():
    found = covariate_told(world(1.0), "bmi", encoder=Encoder(), changer=changer(1.0))
    assert (found.trained_on, found.patients) == (20, 10)
    assert found.rank[0] > 0.8 and found.error[0] < 0.5 * found.error_of_mean[0]
    assert found.changed is not None and found.changed[0] == pytest.approx(1, abs=0.25)
    half = covariate_told(world(1.0), "bmi", encoder=Encoder(), changer=changer(0.5))
    assert half.changed[0] == pytest.approx(found.changed[0] / 2, rel=0.05)


def test_what_they_do_not_tell_is_not():
    found = covariate_told(world(0.0), "bmi", encoder=Encoder())
    assert found.changed is None and found.error[0] > 0.8 * found.error_of_mean[0]
    assert found.rank[1] < 0.5


def test_too_few_are_refused():
    slices = world(1.0)
    rows = tuple(replace(row, height=None) for row in slices.rows)
    with pytest.raises(InputError, match="bmi is known of 0 train patients"):
        covariate_told(replace(slices, rows=rows), "bmi", encoder=Encoder())
