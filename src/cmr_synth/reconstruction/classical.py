"""Reconstruction without learning: zero-filling, and compressed sensing with total variation.

sigpy, which has such a reconstruction, has had no release since January 2025 and wants numba;
BART is a program of its own. What is left to write, given scikit-image's total variation, is the
loop of FISTA.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cmr_synth.reconstruction.acquisition import Acquired

WEIGHT = 0.01
"""Of total variation, for pictures whose brightest pixel is 1; chosen on validation patients."""
ITERATIONS = 40
INNER = 15  # of the proximal operator
_CLOSE = 1e-4  # relative change of the picture, from which on it is done


def zero_filled(acquired: Acquired) -> Tensor:
    """Complex pictures (n, y, x) with nought where nothing was measured, coils combined."""
    return acquired.zero_filled()


def compressed_sensing(
    acquired: Acquired, *, weight: float = WEIGHT, iterations: int = ITERATIONS
) -> Tensor:
    """The picture that fits what was measured and has little total variation.

    argmin_x 1/2 |M F S x - y|^2 + weight TV(x) by FISTA (Beck and Teboulle 2009,
    doi:10.1137/080716542) after Lustig et al. 2007 (doi:10.1002/mrm.21391), TV of the real and of
    the imaginary part by Chambolle's projection.

    Parameters
    ----------
    acquired : Acquired
    weight : float
        For pictures whose brightest pixel is 1.
    iterations : int
        At most.

    Returns
    -------
    (n, y, x) complex tensor
    """
    scales = acquired.scales()
    one = acquired.scaled(scales)
    x = one.zero_filled()
    ahead, t = x, 1.0
    for _ in range(iterations):
        # the maps' squares add up to one and the transform is orthonormal: a step of 1 is safe
        new = _smoothed(one.consistent(ahead), weight)
        later = (1 + np.sqrt(1 + 4 * t * t)) / 2
        ahead = new + (t - 1) / later * (new - x)
        change = (new - x).abs().square().sum().sqrt() / new.abs().square().sum().sqrt().clamp(1e-9)
        x, t = new, later
        if change < _CLOSE:
            break
    return x * scales


def _smoothed(pictures: Tensor, weight: float) -> Tensor:
    from skimage.restoration import denoise_tv_chambolle

    parts = torch.view_as_real(pictures).cpu().numpy()  # (n, y, x, 2)
    smooth: list[NDArray[np.float32]] = [
        denoise_tv_chambolle(one, weight=weight, max_num_iter=INNER, channel_axis=-1)
        for one in parts
    ]
    found = torch.from_numpy(np.ascontiguousarray(np.stack(smooth), np.float32))
    return torch.view_as_complex(found).to(pictures.device)
