"""A light head at full resolution: what a folded position cannot draw.

A position of the U-Net holds 4 x 4 pixels, whose grain it decides at once, with a seam between
neighbours. The head sees the unfolded estimate beside x_t and the mask, and adds to it what a few
convolutions of single pixels make of them, scaled and shifted by time and conditions (Perez et al.
2018, arXiv:1709.07871): scanners differ in their finest detail. It starts as no change.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from cmr_synth.generators.conditioning import waves

NAME = "head"
"""Of the part in a network."""
WAVES = 9  # of `waves`


class FullResolutionHead(nn.Module):
    """An estimate of the picture with finer detail.

    Parameters
    ----------
    channels : int
        Of its layers.
    classes : int
        Of the mask.
    vector : int
        Length of the vector of conditions.
    """

    def __init__(self, *, channels: int, classes: int, vector: int):
        super().__init__()
        self.enter = nn.Conv2d(2 + classes, channels, 3, padding=1)
        self.inner = nn.Conv2d(channels, channels, 3, padding=1)
        self.look = nn.Linear(vector + WAVES, 2 * channels)
        self.leave = nn.Conv2d(channels, 1, 3, padding=1)
        for weight in (*self.look.parameters(), *self.leave.parameters()):
            nn.init.zeros_(weight)

    def forward(
        self, estimate: Tensor, noisy: Tensor, mask: Tensor, time: Tensor, vector: Tensor
    ) -> Tensor:
        """Add detail to an estimate.

        Parameters
        ----------
        estimate, noisy : (n, 1, y, x) tensors
            The U-Net's picture on the scale [-1, 1], and x_t at unit variance.
        mask : (n, classes, y, x) tensor
        time : (n,) tensor in [0, 1)
        vector : (n, v) tensor
            Of conditions.

        Returns
        -------
        (n, 1, y, x) tensor
        """
        maps = torch.cat([estimate, noisy, mask], dim=1)
        maps = functional.silu(self.enter(maps.contiguous(memory_format=torch.channels_last)))
        told = torch.cat([vector.expand(len(time), -1), waves(time.float())], dim=1)
        scale, shift = self.look(told)[:, :, None, None].chunk(2, dim=1)
        maps = functional.silu(self.inner(maps) * (1 + scale) + shift)
        detail: Tensor = self.leave(maps)
        return estimate + detail


def with_new_head(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a network that had no head, for one that has one, which starts as no change.

    Parameters
    ----------
    state : mapping
        The weights that are there.
    own : mapping
        Those of the network that is to have them.
    """
    return {k: v for k, v in own.items() if k.startswith(f"{NAME}.")} | dict(state)
