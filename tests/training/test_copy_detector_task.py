"""Training the copy detector: copies told from the rest, and a folder that the audit opens."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cmr_synth.judges.copy_detector import CopyDetector
from cmr_synth.training.batches import Batches
from cmr_synth.training.families.copy_detector import CopyDetectorTask
from cmr_synth.training.loop import train
from cmr_synth.training.recipe import Augmentation, load_recipe

TINY = {"channels": [16, 16, 16, 16], "width": 16, "window_width": 8, "layout": 2}


@pytest.fixture
def task(make_recipe):
    return CopyDetectorTask(make_recipe(family="copy-detector", model=TINY, images=12))


def test_each_image_has_a_loss_and_every_weight_learns(task, slices):
    batch = Batches(slices, augmentation=Augmentation(), seed=0).batch(0, 6)
    ((name, loss),) = task.losses(batch)
    assert name == "detector" and loss.shape == (6,) and torch.isfinite(loss).all()
    loss.mean().backward()
    parameters = task.networks["detector"].parameters()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in parameters)


def test_a_training_ends_in_a_folder_that_the_audit_opens(task, slices, tmp_path):
    for _ in train(task, task.recipe, slices, tmp_path / "run"):
        pass
    detector = CopyDetector.load(tmp_path / "run")
    whole, windows = detector.descriptors(np.random.default_rng(0).random((3, 128, 128)))
    assert whole.shape == (3, 16) and windows.shape == (3, 25, 8)
    assert np.allclose(np.linalg.norm(whole, axis=1), 1, atol=1e-4)
    assert np.allclose(np.linalg.norm(windows, axis=2), 1, atol=1e-4)


def test_the_bundled_recipe_is_of_the_bundled_detector():
    task = CopyDetectorTask(load_recipe("copy-detector"))
    assert task.network.config == CopyDetector.load().network.config
