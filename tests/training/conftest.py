"""A slice set of drawn hearts in memory, and tasks small enough to train in a test.

Also run by `test_loop.py` in processes of their own, which have no fixtures.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cmr_synth.anatomy.template import draw_slice, draw_stack
from cmr_synth.cohorts.slices import SliceRow, SliceSet
from cmr_synth.networks.weights import save_weights, state_of
from cmr_synth.training.recipe import Recipe
from tests.generators.conftest import pipeline_folder  # noqa: F401


def drawn_slices(count: int = 8) -> SliceSet:
    """Drawn hearts on the wide grid, painted and noisy; the last one is of the test split."""
    labels = np.stack(
        [
            draw_slice(shape=(160, 160), level=("basal", "mid", "apical")[i % 3], seed=i)
            for i in range(count)
        ]
    )
    rng = np.random.default_rng(0)
    shades = np.array([60, 220, 90, 200])[labels] + rng.normal(0, 8, labels.shape)
    covered = np.ones_like(labels)
    covered[:, :, :10] = 0  # a scan that ends before the grid does
    rows = tuple(
        SliceRow(
            cohort="drawn" if i % 2 else "other",
            patient=f"p{i}",
            split="train" if i < count - 1 else "test",
            vendor=("siemens", "ge", "")[i % 3],
            phase=("ED", "ES")[i % 2],
            pathology="",
            slice=i,
            z=i / count,
            completed=False,
            height=170.0,
            weight=60.0 + 5 * i,
        )
        for i in range(count)
    )
    images = np.clip(shades, 0, 255).astype(np.uint8)
    return SliceSet(images, labels, covered, rows, {"spacing_mm": 1.5})


def drawn_stacks(
    patients: int = 3,
    *,
    slices: int = 4,
    between_mm: float = 10.0,
    side: int = 160,
    spacing: float = 1.5,
    split: str = "train",
) -> SliceSet:
    """Drawn hearts from base to apex, one stack a patient, painted and noisy."""
    labels = np.concatenate(
        [
            draw_stack(
                slices=slices, shape=(side, side), spacing=(between_mm, spacing, spacing), seed=k
            )
            for k in range(patients)
        ]
    )
    rng = np.random.default_rng(0)
    brightness = np.repeat(rng.uniform(0.7, 1.1, patients), slices)[:, None, None]
    shades = brightness * np.array([60, 220, 90, 200])[labels] + rng.normal(0, 8, labels.shape)
    rows = tuple(
        SliceRow(
            cohort="drawn",
            patient=f"p{k}",
            split=split,
            vendor=("siemens", "ge", "")[k % 3],
            phase=("ED", "ES")[k % 2],
            pathology="",
            slice=i,
            z=i / max(slices - 1, 1),
            completed=False,
            between_mm=between_mm,
        )
        for k in range(patients)
        for i in range(slices)
    )
    images = np.clip(shades, 0, 255).astype(np.uint8)
    about = {
        "spacing_mm": spacing,
        "networks_shape": [4 * side // 5] * 2,
        "cohorts": {"drawn": {"title": "Drawn hearts", "licence": "CC0", "citation": "nobody"}},
    }
    return SliceSet(images, labels, np.ones_like(labels), rows, about)


def on_tiny_grid(slices: SliceSet) -> SliceSet:
    """The same slices as ones of the grid of the tiny model, 64 x 64 pixels of 3 mm."""
    return replace(slices, about={"spacing_mm": 3.0, "networks_shape": [64, 64]})


def recipe(**fields) -> Recipe:
    """A recipe of a few tiny steps."""
    stated = {"name": "tiny", "family": "tiny", "images": 16, "batch_size": 4, "precision": "fp32"}
    return Recipe(**{**stated, "warmup_images": 8, "ema": 0.9, **fields})


class TinyTask:
    """Denoising with two convolutions, and a second network that judges the first."""

    def __init__(self, of_recipe: Recipe):
        torch.manual_seed(of_recipe.seed)
        self.recipe = of_recipe
        self.networks: dict[str, nn.Module] = {
            "tiny": nn.Sequential(
                nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Conv2d(4, 1, 3, padding=1)
            ),
            "judge": nn.Conv2d(1, 1, 3),
        }
        self.rates = {"tiny": 1.0, "judge": 2.0}
        self.words = {"vendor": ("siemens", "ge"), "phase": ("ED", "ES")}

    def losses(self, batch):
        """One value an image, from noise of the image's own."""
        noisy = batch.images + 0.1 * batch.normal(*batch.images.shape[1:])
        found = self.networks["tiny"](noisy)
        yield "tiny", ((found - batch.images) ** 2).mean(dim=(1, 2, 3))
        judged = self.networks["judge"](found.detach())
        yield "judge", ((judged - batch.images[..., 1:-1, 1:-1]) ** 2).mean(dim=(1, 2, 3))

    def unaccounted(self):
        """Nothing."""
        return ""

    def sheet(self, batch):
        """The pictures and what the network makes of them."""
        return self.networks["tiny"](batch.images)[0, 0].cpu().numpy()

    def save(self, folder: Path, *, images_seen: int, minutes: float) -> None:
        """Write the averaged weights."""
        save_weights(folder / "weights.safetensors", state_of(self.networks["tiny"]), bits=16)


@pytest.fixture(scope="session")
def slices() -> SliceSet:
    """Eight drawn slices."""
    return drawn_slices()


@pytest.fixture(scope="session")
def make_recipe():
    """`make_recipe(images=...)`."""
    return recipe


@pytest.fixture(scope="session")
def tiny_task():
    """The class of the small task."""
    return TinyTask
