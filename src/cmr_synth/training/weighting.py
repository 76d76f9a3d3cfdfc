"""Where an error counts: inside the scan's field of view, and more of it near the heart."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from cmr_synth.anatomy.labels import UNLABELLED
from cmr_synth.training.batches import Batch


def near_heart(labels: Tensor) -> Tensor:
    """(n, 1, y, x): 1 within four pixels of a labelled structure, 0 elsewhere."""
    heart = ((labels > 0) & (labels != UNLABELLED)).float()[:, None]
    return functional.max_pool2d(heart, 9, stride=1, padding=4)


def pixel_weight(batch: Batch, heart_weight: float) -> Tensor:
    """(n, 1, y, x): 1 inside the field of view, `heart_weight` more near the heart."""
    return batch.covered * (1 + heart_weight * near_heart(batch.labels))


def weighted_mean(error: Tensor, weight: Tensor) -> Tensor:
    """(n,) weighted mean over pixels."""
    total: Tensor = (error * weight).sum(dim=(1, 2, 3)) / weight.sum(dim=(1, 2, 3)).clamp(min=1)
    return total
