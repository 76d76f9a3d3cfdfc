"""Generator and discriminator that grow while they are trained.

Karras et al. 2017, arXiv:1710.10196: training begins at the coarsest resolution; each further level
is faded in, its picture being mixed with that of the level before, enlarged. Weights are scaled
when they are used (section 4.1), each pixel's channels are normalised (4.2), and the discriminator
is told how much the pictures of a group differ (section 3).

The growth is one number: 2.0 shows the third level, 2.3 the third with 0.3 of the fourth.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from cmr_synth.generators.conditioning import Conditions
from cmr_synth.generators.dcgan.network import DcganConfig, projected


class ProgressiveNetwork(nn.Module):
    """Latent vector and conditions to a picture of the resolution grown to."""

    def __init__(self, config: DcganConfig):
        super().__init__()
        self.config = config
        self.conditions = Conditions(config, config.width)
        first = config.channels[0]
        rows, columns = config.coarse_shape
        self.start = Scaled(nn.Linear(config.latent + config.width, first * rows * columns))
        before = (first, *config.channels[:-1])
        self.levels = nn.ModuleList(
            [
                nn.Sequential(*_layer(inputs, outputs), *_layer(outputs, outputs))
                for inputs, outputs in zip(before, config.channels, strict=True)
            ]
        )
        self.to_grey = nn.ModuleList(
            [Scaled(nn.Conv2d(width, 1, 1), gain=1.0) for width in config.channels]
        )

    def forward(
        self, latent: Tensor, conditions: Sequence[dict[str, Any]], growth: float
    ) -> Tensor:
        """Make pictures.

        Parameters
        ----------
        latent : (n, latent) tensor
            Standard normal.
        conditions : n mappings
        growth : float
            0 to `config.fully_grown`.

        Returns
        -------
        (n, 1, y, x) float32 tensor
            On the scale [-1, 1], not clipped; each level has twice the rows and columns of the one
            before.
        """
        level, share = level_of(growth)
        given = torch.cat([_normalised(latent), self.conditions(conditions)], dim=1)
        x = self.start(given).view(len(given), -1, *self.config.coarse_shape)
        x = functional.leaky_relu(x.contiguous(memory_format=torch.channels_last), 0.2)
        x = self.levels[0](_normalised(x))
        last = x
        for stage in list(self.levels)[1 : level + 1]:
            last, x = x, stage(_larger(x))
        picture = self.to_grey[level](x)
        if share < 1:
            coarse = _larger(self.to_grey[level - 1](last))
            picture = torch.lerp(coarse.float(), picture.float(), share)
        used = range(level - (share < 1), level + 1)
        picture = picture + _nothing_of(_others(self.to_grey, used), self.levels[level + 1 :])
        return picture.float()


class ProgressiveDiscriminator(nn.Module):
    """Picture of the resolution grown to, and conditions, to a score, above zero for real."""

    def __init__(self, config: DcganConfig):
        super().__init__()
        self.conditions = Conditions(config, config.width)
        channels = config.channels
        self.from_grey = nn.ModuleList([Scaled(nn.Conv2d(1, width, 1)) for width in channels])
        # the coarsest level sees one more channel: how much its group differs
        after = (channels[0], *channels[:-1])
        self.levels = nn.ModuleList(
            [
                nn.Sequential(
                    *_layer(inputs + (level == 0), inputs, norm=False),
                    *_layer(inputs, outputs, norm=False),
                )
                for level, (inputs, outputs) in enumerate(zip(channels, after, strict=True))
            ]
        )
        rows, columns = config.coarse_shape
        self.score = Scaled(nn.Linear(channels[0] * rows * columns, 1 + config.width), gain=1.0)

    def forward(
        self,
        pictures: Tensor,
        conditions: Sequence[dict[str, Any]],
        growth: float,
        group: int = 1,
    ) -> Tensor:
        """(n,) scores.

        Parameters
        ----------
        pictures : (n, 1, y, x) tensor
            As of `ProgressiveNetwork` for the same growth.
        conditions : n mappings
        growth : float
        group : int
            Neighbours in the batch whose differences the score of each takes into account.
        """
        level, share = level_of(growth)
        x = functional.leaky_relu(self.from_grey[level](pictures), 0.2)
        for at in range(level, 0, -1):
            x = functional.avg_pool2d(self.levels[at](x), 2)
            if at == level and share < 1:
                coarse = functional.avg_pool2d(pictures, 2)
                coarse = functional.leaky_relu(self.from_grey[level - 1](coarse), 0.2)
                x = torch.lerp(coarse.float(), x.float(), share)
        x = self.levels[0](torch.cat([x, deviation(x, group)], dim=1))
        found = self.score(x.flatten(1))
        used = range(level - (share < 1), level + 1)
        found = found + _nothing_of(_others(self.from_grey, used), self.levels[level + 1 :])
        return projected(found, self.conditions(conditions))


class Scaled(nn.Module):
    """A linear layer or convolution, with weights of variance one that are scaled at use.

    Parameters
    ----------
    layer : nn.Linear or nn.Conv2d
    gain : float
        He's for leaky rectifiers; 1 where none follows.
    """

    def __init__(self, layer: nn.Linear | nn.Conv2d, *, gain: float = math.sqrt(2)):
        super().__init__()
        self.layer = layer
        nn.init.normal_(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
        self.scale = gain / math.sqrt(layer.weight[0].numel())

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.layer(x * self.scale)
        return made


class PixelNorm(nn.Module):
    """Channels of every pixel divided by their root mean square."""

    def forward(self, x: Tensor) -> Tensor:
        return _normalised(x)


def level_of(growth: float) -> tuple[int, float]:
    """The finest level of a growth, and its share in the picture: 2.3 is level 3 with 0.3."""
    level = math.ceil(growth)
    return level, 1.0 if level == growth else growth - math.floor(growth)


def at_growth(pictures: Tensor, config: DcganConfig, growth: float) -> Tensor:
    """Real pictures (n, 1, y, x) as a progressive network of some growth would show them."""
    level, share = level_of(growth)
    factor = 2 ** (config.doublings - level)
    pictures = functional.avg_pool2d(pictures, factor) if factor > 1 else pictures
    if share < 1:
        pictures = torch.lerp(_larger(functional.avg_pool2d(pictures, 2)), pictures, share)
    return pictures


def deviation(x: Tensor, group: int) -> Tensor:
    """(n, 1, y, x): mean standard deviation of maps (n, channels, y, x) over groups of neighbours.

    Groups are of successive images, the last may be smaller.
    """
    parts = []
    for part in x.split(group):
        spread = (part.var(dim=0, correction=0) + 1e-8).sqrt().mean()
        parts.append(spread.expand(len(part), 1, *x.shape[2:]))
    return torch.cat(parts)


def _layer(inputs: int, outputs: int, *, norm: bool = True) -> list[nn.Module]:
    layer = [Scaled(nn.Conv2d(inputs, outputs, 3, padding=1)), nn.LeakyReLU(0.2)]
    return [*layer, PixelNorm()] if norm else layer


def _normalised(x: Tensor) -> Tensor:
    return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


def _larger(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2, mode="nearest")


def _others(modules: nn.ModuleList, used: range) -> list[nn.Module]:
    return [module for i, module in enumerate(modules) if i not in used]


def _nothing_of(*modules: Iterable[nn.Module]) -> Tensor | float:
    """Zero, with a gradient of zero for parameters not in use yet.

    Training on several processes waits for a gradient of every parameter.
    """
    idle = [p.sum() for some in modules for module in some for p in module.parameters()]
    return 0.0 * torch.stack(idle).sum() if idle else 0.0
