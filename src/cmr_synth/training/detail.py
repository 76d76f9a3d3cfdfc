"""A discriminator of fine detail: what a picture holds beyond its 3 x 3 means, at full resolution.

Discriminators that halve the resolution in their first layer overlook the finest third of the
frequencies, and a squared error averages them away. This one sees the high-pass picture beside the
picture and its mask, keeps the resolution in its first layers and normalises nothing, so that the
strength of the grain counts. How fine a scan is differs by scanner (some interpolate), so that the
vendor scales and shifts the maps of every layer (Perez et al. 2018, arXiv:1709.07871).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from cmr_synth.generators.conditioning import CLASSES

GAIN = 4.0  # brings what is left of a picture to its own scale


def high_pass(pictures: Tensor) -> Tensor:
    """Pictures (n, 1, y, x) less their 3 x 3 means, times `GAIN`."""
    padded = functional.pad(pictures, (1, 1, 1, 1), mode="replicate")
    return GAIN * (pictures - functional.avg_pool2d(padded, 3, stride=1))


class DetailDiscriminator(nn.Module):
    """Pictures with masks and vendors to scores of patches.

    Parameters
    ----------
    vendors : sequence of str
        That it tells apart; any other counts as unspecified.
    channels : int
        Of the first two layers, which keep the resolution; the next two halve it, at twice as many.
    classes : int
        Of the masks.
    """

    def __init__(self, vendors: Sequence[str], *, channels: int = 32, classes: int = CLASSES):
        super().__init__()
        self.vendors = tuple(vendors)
        widths = (2 + classes, channels, channels, 2 * channels, 2 * channels)
        self.layers = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride=1 if k < 2 else 2, padding=1)
            for k, (before, after) in enumerate(zip(widths[:-1], widths[1:], strict=True))
        )
        self.looks = nn.ModuleList(
            nn.Embedding(1 + len(self.vendors), 2 * width) for width in widths[1:]
        )
        for look in self.looks:
            nn.init.zeros_(look.weight)  # type: ignore[arg-type]
        self.score = nn.Conv2d(widths[-1], 1, 3, padding=1)

    def forward(
        self, pictures: Tensor, mask: Tensor, conditions: Sequence[Mapping[str, Any]]
    ) -> tuple[Tensor]:
        """Scores (n, 1, a, b), above zero for real.

        Parameters
        ----------
        pictures : (n, 1, y, x) tensor
            On the scale [-1, 1].
        mask : (n, classes, y, x) tensor
        conditions : n mappings
        """
        places = [
            1 + self.vendors.index(c["vendor"]) if c.get("vendor") in self.vendors else 0
            for c in conditions
        ]
        vendor = torch.tensor(places, device=pictures.device)
        maps = torch.cat([high_pass(pictures), pictures, mask], dim=1)
        for layer, look in zip(self.layers, self.looks, strict=True):
            scale, shift = look(vendor)[:, :, None, None].chunk(2, dim=1)
            maps = functional.leaky_relu(layer(maps) * (1 + scale) + shift, 0.2)
        return (self.score(maps),)
