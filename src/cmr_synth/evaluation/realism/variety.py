"""Variety: how alike the pictures of one mask are, beside how alike real patients are."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cmr_synth.evaluation.sample import Sample
    from cmr_synth.generators.interface import Generator

# the first four of the five weights of Wang et al. 2003 (doi:10.1109/ACSSC.2003.1292216),
# normalised; a fifth scale does not fit 128 pixels with an 11-pixel window
MS_SSIM_WEIGHTS = (0.0517, 0.3295, 0.3462, 0.2726)


def pairwise_ms_ssim(images: NDArray[np.float32]) -> NDArray[np.float64]:
    """MS-SSIM of every pair.

    Parameters
    ----------
    images : (n, y, x) float32 array in [0, 1]
        At least 99 pixels a side.

    Returns
    -------
    (n (n - 1) / 2,) array
    """
    import torch
    from monai.metrics import MultiScaleSSIMMetric

    metric = MultiScaleSSIMMetric(spatial_dims=2, data_range=1.0, weights=MS_SSIM_WEIGHTS)
    pairs = list(combinations(range(len(images)), 2))
    first = torch.from_numpy(images[[i for i, _ in pairs]])[:, None]
    second = torch.from_numpy(images[[j for _, j in pairs]])[:, None]
    return metric(first, second)[:, 0].double().numpy()


def seed_similarity(
    generator: Generator,
    sample: Sample,
    index: NDArray[np.int64],
    *,
    seed: int,
    steps: int | None = None,
    images: int = 8,
) -> float:
    """Mean MS-SSIM between pictures of one mask with different noise, over some real masks.

    Parameters
    ----------
    index : (n,) array
        Slices of the sample whose masks and conditions are repeated.
    images : int
        Of each mask.
    """
    from cmr_synth.evaluation.counterparts import counterparts

    means = []
    for chosen in index:
        repeated = np.full(images, chosen)
        many = counterparts(generator, sample, repeated, seed=seed, steps=steps)
        means.append(pairwise_ms_ssim(np.concatenate(list(many))).mean())
    return float(np.mean(means))
