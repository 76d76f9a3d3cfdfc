"""Dice against MONAI's, on single slices, where pooling by patient changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cmr_synth.anatomy.labels import STRUCTURES
from cmr_synth.anatomy.template import draw_slice
from cmr_synth.evaluation.adherence.dice import dice_by_patient


def channels(labels: np.ndarray):
    """(y, x) engine labels to (1, 3, y, x), one channel a structure."""
    return torch.from_numpy(np.stack([labels == n for n in STRUCTURES.values()])[None]).float()


@pytest.mark.parametrize("level", ["basal", "mid", "apical"])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_that_of_monai(level: str, seed: int) -> None:
    from monai.metrics import compute_dice

    truth = draw_slice(level=level, seed=seed)
    found = np.roll(draw_slice(level=level, seed=seed + 10), (seed, -2), axis=(0, 1))
    theirs = compute_dice(channels(found), channels(truth), ignore_empty=False)[0].numpy()
    ours = dice_by_patient(found[None], truth[None], np.array(["a"]))
    for k, structure in enumerate(STRUCTURES):
        if not (truth == STRUCTURES[structure]).any():
            continue  # MONAI calls this 1 or 0 where it is empty, ours is NaN where both are
        # whole numbers of pixels, divided in float32 there and in float64 here
        assert ours[structure][0] == pytest.approx(float(theirs[k]), rel=1e-6)


def test_the_mean_over_patients_is_that_of_monais_metric() -> None:
    from monai.metrics import DiceMetric

    truth = np.stack([draw_slice(seed=i) for i in range(4)])
    found = np.roll(truth, 2, axis=2)
    metric = DiceMetric(reduction="mean_batch")
    for f, t in zip(found, truth, strict=True):
        metric(channels(f), channels(t))
    ours = dice_by_patient(found, truth, np.array(list("abcd")))
    means = [ours[structure].mean() for structure in STRUCTURES]
    assert means == pytest.approx(metric.aggregate().tolist(), rel=1e-6)
