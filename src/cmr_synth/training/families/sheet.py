"""Sheets of pictures: rows of what the networks make, below what they are made from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cmr_synth.training.batches import Batch


def tiled(rows: Sequence[Tensor]) -> NDArray[np.float32]:
    """Rows of pictures, each (n, y, x) in [0, 1], as one picture."""
    return np.concatenate([np.concatenate(list(row.cpu().numpy()), axis=1) for row in rows])


def shown(pictures: Tensor) -> Tensor:
    """Pictures (n, 1, y, x) on the scale [-1, 1] as a row in [0, 1]."""
    return (pictures[:, 0].clamp(-1, 1) + 1) / 2


def given(batch: Batch) -> list[Tensor]:
    """Two rows: the real pictures, and their masks in grey."""
    return [batch.images[:, 0], batch.labels.clamp(max=3) / 3]
