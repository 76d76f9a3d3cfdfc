"""Strong changes of how a picture looks: what costs no generator, and so has to be beaten by one.

Curves of grey, contrast, bias field, ringing, spikes in k-space and sharpening as MONAI makes them,
each with the chance of one half that BigAug has (Zhang et al. 2020, doi:10.1109/TMI.2020.2973595),
the rarer artefacts with one tenth; before them, with one half, amplitudes of the low frequencies
are mixed with those of another training picture (Xu et al. 2021,
doi:10.1109/CVPR46437.2021.01415).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from cmr_synth.cohorts.shards import Pixels

OFTEN, SELDOM = 0.5, 0.1
LOW = 0.1  # of the sampling rate: contrast and shading, not the outlines of organs


class Styles:
    """Draws a style for a picture, and puts it on.

    Parameters
    ----------
    pictures : (n, rows, columns) uint8 array
        Training pictures, of which amplitudes are borrowed.
    """

    def __init__(self, pictures: Pixels):
        from monai import transforms

        self.pictures = pictures
        self.changes = [
            transforms.RandHistogramShift(num_control_points=(4, 8), prob=OFTEN),
            transforms.RandAdjustContrast(gamma=(0.5, 2.0), prob=OFTEN),
            transforms.RandBiasField(degree=3, coeff_range=(0.0, 0.2), prob=OFTEN),
            transforms.RandGaussianSharpen(alpha=(1.0, 5.0), prob=OFTEN / 2),
            transforms.RandGibbsNoise(alpha=(0.0, 0.5), prob=SELDOM),
            transforms.RandKSpaceSpikeNoise(prob=SELDOM),
        ]

    def __call__(self, image: Tensor, draw: np.random.Generator) -> Tensor:
        """A picture (1, rows, columns) in another style, in [0, 1]."""
        if draw.random() < OFTEN:
            other = self.pictures[draw.integers(len(self.pictures))].astype(np.float32) / 255
            image = with_amplitudes_of(image, torch.from_numpy(other), float(draw.random()))
        for change in self.changes:
            change.set_random_state(seed=int(draw.integers(2**32)))
            changed = change(image)
            image = torch.as_tensor(
                changed.as_tensor() if hasattr(changed, "as_tensor") else changed
            )
        return image.float().clamp(0, 1)


def with_amplitudes_of(image: Tensor, other: Tensor, share: float) -> Tensor:
    """Low frequencies with amplitudes between one's own and another picture's, phases kept.

    Parameters
    ----------
    image : (1, rows, columns) tensor
    other : (rows, columns) tensor
    share : float
        Of the other's amplitudes, 0 to 1.
    """
    own = torch.fft.fft2(image[0])
    rows, columns = (torch.fft.fftfreq(n) for n in image.shape[1:])
    low = (rows[:, None] ** 2 + columns[None, :] ** 2).sqrt() < LOW
    amplitude = own.abs().lerp(torch.fft.fft2(other).abs(), share)
    mixed = torch.where(low, torch.polar(amplitude, own.angle()), own)
    return torch.fft.ifft2(mixed).real[None]
