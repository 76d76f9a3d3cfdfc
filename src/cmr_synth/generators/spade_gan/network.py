"""SPADE generator and style encoder (Park et al. 2019, arXiv:1903.07291).

A style (a vector for the look, and a coarse map for the layout of the chest, as the noise of OASIS,
Sushko et al. 2020, arXiv:2012.04781) and the conditions start a coarse picture; at every resolution
the mask scales and shifts the normalised channels, so that boundaries are where the mask has them.
At 1/4 and 1/2 of the resolution the mask is folded into channels, not shrunk: no boundary pixel is
lost. Most of the work is done at 1/4, the last step up is a pixel shuffle, which makes one pass
fast on a CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional

from cmr_synth.generators.conditioning import CLASSES, Conditions
from cmr_synth.generators.spade import SpadeBlock, start_smooth
from cmr_synth.generators.spade_gan.prior import StylePrior
from cmr_synth.generators.vocabulary import Vocabulary

COARSEST = 16  # the first level is at 1/16 of the resolution


class SpadeConfig(Vocabulary):
    """Size and vocabulary of the generator and its encoder.

    Parameters
    ----------
    channels : tuple of four int
        At 1/16, 1/8, 1/4 and 1/2 of the resolution.
    full_channels : int
        At full resolution.
    blocks : int
        Residual blocks at 1/4.
    hidden : int
        Channels of the maps that scales and shifts are computed from.
    look : int
        Length of the style's vector.
    layout : int
        Channels of the style's map, at 1/16 of the resolution.
    encoder : tuple of int
        Channels of the style encoder's strided convolutions.
    groups : int
        Of the group norms.
    """

    channels: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt] = (192, 160, 104, 40)
    full_channels: PositiveInt = 16
    blocks: int = Field(2, gt=0)
    hidden: PositiveInt = 48
    look: PositiveInt = 16
    layout: PositiveInt = 8
    encoder: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt] = (24, 48, 96, 128)
    groups: PositiveInt = 8

    @model_validator(mode="after")
    def _fits_together(self) -> SpadeConfig:
        if any(width % self.groups for width in (*self.channels, *self.encoder)):
            raise ValueError(
                f"channels {self.channels} and encoder {self.encoder} must divide by groups "
                f"{self.groups}"
            )
        if any(side % COARSEST for side in self.shape):
            raise ValueError(f"shape {self.shape} does not divide by {COARSEST}")
        return self

    @property
    def coarse_shape(self) -> tuple[int, int]:
        """Rows and columns of the first level."""
        return self.shape[0] // COARSEST, self.shape[1] // COARSEST

    @property
    def style(self) -> int:
        """Numbers of a style, vector and map; standard normal when sampling."""
        rows, columns = self.coarse_shape
        return self.look + self.layout * rows * columns


class SpadeGenerator(nn.Module):
    """Mask, style vector, noise and conditions to a picture."""

    def __init__(self, config: SpadeConfig):
        super().__init__()
        self.config = config
        coarse, middle, fine, half = config.channels
        width = 128
        self.conditions = Conditions(config, width)
        self.style = nn.Sequential(
            nn.Linear(config.look + width, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        )
        self.start = nn.Conv2d(config.layout, coarse, 3, padding=1)
        self.start_style = nn.Linear(width, coarse)
        self.place = nn.Parameter(torch.randn(1, coarse, *config.coarse_shape) * 0.1)

        def block(inputs: int, outputs: int, folded: int) -> SpadeBlock:
            return SpadeBlock(
                inputs,
                outputs,
                CLASSES * folded**2,
                width,
                hidden=config.hidden,
                groups=config.groups,
            )

        # at the two coarsest levels the mask's shares say enough
        self.at_16 = block(coarse, middle, 1)
        self.at_8 = block(middle, fine, 1)
        self.at_4 = nn.ModuleList([block(fine, fine, 4) for _ in range(config.blocks)])
        self.to_2 = nn.Conv2d(fine, 4 * half, 1)
        self.at_2 = block(half, half, 2)
        self.grain = nn.ModuleDict(
            {"4": nn.Conv2d(16, fine, 1, bias=False), "2": nn.Conv2d(4, half, 1, bias=False)}
        )
        self.to_1 = nn.Conv2d(half, 4 * config.full_channels, 3, padding=1)
        full = config.full_channels
        self.at_1 = nn.Conv2d(full + CLASSES + 1, full, 3, padding=1)
        self.out = nn.Conv2d(full, 1, 3, padding=1)
        for shuffled in (self.to_2, self.to_1):
            start_smooth(shuffled)

    def forward(
        self, style: Tensor, noise: Tensor, mask: Tensor, conditions: Sequence[dict[str, Any]]
    ) -> Tensor:
        """Make pictures.

        Parameters
        ----------
        style : (n, style) tensor
            Standard normal, or from `StyleEncoder`.
        noise : (n, 1, y, x) tensor
            Standard normal: the grain.
        mask : (n, 4, y, x) tensor
            One-hot labels; all zero where open.
        conditions : n mappings

        Returns
        -------
        (n, 1, y, x) float32 tensor
            On the scale [-1, 1], not clipped.
        """
        look, layout = style[:, : self.config.look], style[:, self.config.look :]
        code = self.style(torch.cat([look, self.conditions(conditions)], dim=1))
        layout = layout.view(len(layout), self.config.layout, *self.config.coarse_shape)
        x = self.start(layout) + self.start_style(code)[:, :, None, None] + self.place
        x = _up(self.at_16(x, functional.avg_pool2d(mask, 16), code))
        x = _up(self.at_8(x, functional.avg_pool2d(mask, 8), code))
        x = x + self.grain["4"](functional.pixel_unshuffle(noise, 4))
        folded = functional.pixel_unshuffle(mask, 4)
        for block in self.at_4:
            x = block(x, folded, code)
        x = functional.pixel_shuffle(self.to_2(x), 2)
        x = x + self.grain["2"](functional.pixel_unshuffle(noise, 2))
        x = self.at_2(x, functional.pixel_unshuffle(mask, 2), code)
        x = functional.pixel_shuffle(self.to_1(functional.leaky_relu(x, 0.2)), 2)
        x = torch.cat([x, mask, noise], dim=1)
        x = functional.leaky_relu(self.at_1(x), 0.2)
        return self.out(x).float()


class StyleEncoder(nn.Module):
    """Picture to mean and log variance of its style vector, as in GauGAN."""

    def __init__(self, config: SpadeConfig):
        super().__init__()
        layers: list[nn.Module] = []
        before = 1
        for width in config.encoder:
            layers += [
                nn.Conv2d(before, width, 4, stride=2, padding=1),
                nn.GroupNorm(config.groups, width),
                nn.SiLU(),
            ]
            before = width
        self.layers = nn.Sequential(*layers)
        self.look = nn.Linear(before, 2 * config.look)
        self.layout = nn.Conv2d(before, 2 * config.layout, 1)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance, each (n, style), of pictures (n, 1, y, x) on the scale [-1, 1]."""
        seen = self.layers(pictures)
        look = self.look(seen.mean(dim=(2, 3))).float().chunk(2, dim=1)
        layout = self.layout(seen).float().chunk(2, dim=1)
        mean, log_variance = (
            torch.cat([a, b.flatten(1)], dim=1) for a, b in zip(look, layout, strict=True)
        )
        return mean, log_variance.clamp(-10, 5)


class SpadeGan(nn.Module):
    """Encoder, prior of styles and generator, which are saved and loaded together."""

    def __init__(self, config: SpadeConfig):
        super().__init__()
        self.config = config
        self.encoder = StyleEncoder(config)
        self.prior = StylePrior(config.style, config)
        self.generator = SpadeGenerator(config)

    def forward(
        self,
        pictures: Tensor,
        draw: Tensor,
        encoded: Tensor,
        noise: Tensor,
        mask: Tensor,
        conditions: Sequence[dict[str, Any]],
        learn_prior: float = 0.0,
        whole: tuple[Tensor, Sequence[dict[str, Any]]] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Pictures with the style of given ones where `encoded`, with a drawn style elsewhere.

        Parameters
        ----------
        pictures : (n, 1, y, x) tensor
            On the scale [-1, 1].
        draw : (n, style) tensor
            Standard normal.
        encoded : (n,) bool tensor
        noise, mask, conditions :
            As for the generator.
        learn_prior : float
            Share of the way by which the prior moves to the styles of the pictures.
        whole : mask and conditions, optional
            Of the same pictures, with nothing dropped, for the prior to learn from.

        Returns
        -------
        (n, 1, y, x) and (n,) tensors
            Pictures, and the divergence of each encoded style from the standard normal, in nats.
        """
        mean, log_variance = self.encoder(pictures)
        own = mean + (0.5 * log_variance).exp() * draw
        if learn_prior:
            self.prior.update(own, *(whole or (mask, conditions)), learn_prior)
        style = own
        if not bool(encoded.all()):
            style = torch.where(encoded[:, None], own, self.prior(draw, mask, conditions))
        divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(dim=1)
        return self.generator(style, noise, mask, conditions), divergence


def _up(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2, mode="nearest")
