"""Variety: how alike the pictures of one mask are, beside how alike real patients are."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

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
