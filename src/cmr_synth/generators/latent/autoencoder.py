"""The autoencoder: a picture to 1/4 of its resolution and back, the mask drawn sharp on the way.

As in latent diffusion (Rombach et al. 2022, arXiv:2112.10752) the bottleneck is a narrow Gaussian
("kl") or a codebook ("vq"). A latent position stands for 4 x 4 pixels, too coarse for the boundary
of a thin wall, so that the decoder sees the mask again: SPADE blocks at 1/4 and 1/2, where it is
folded into channels, and the mask itself at full resolution.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional

from cmr_synth.generators.spade import SpadeBlock, start_smooth
from cmr_synth.generators.vocabulary import Vocabulary

DOWN = 4  # pixels to a side of a latent position
CODE = 8  # width of the learned vector that stands for the style in SPADE blocks


class AutoencoderConfig(Vocabulary):
    """Size of the autoencoder.

    Parameters
    ----------
    latent : int
        Channels of the latents.
    encoder : (int, int)
        Channels at 1/2 and 1/4 of the resolution.
    decoder : (int, int, int)
        Channels at 1/4, 1/2 and full resolution.
    blocks : int
        Residual blocks at 1/4, of encoder and decoder.
    hidden : int
        Channels of the maps that scales and shifts are computed from.
    groups : int
        Of the group norms.
    bottleneck : "kl" or "vq"
    codes : int
        Entries of the codebook, with "vq".
    spread : float
        Standard deviation to which latents are brought for the network that makes them.
    """

    latent: PositiveInt = 4
    encoder: tuple[PositiveInt, PositiveInt] = (32, 64)
    decoder: tuple[PositiveInt, PositiveInt, PositiveInt] = (96, 40, 16)
    blocks: int = Field(2, gt=0)
    hidden: PositiveInt = 32
    groups: PositiveInt = 8
    bottleneck: Literal["kl", "vq"] = "kl"
    codes: int = Field(512, gt=1)
    spread: float = Field(0.3, gt=0)

    @model_validator(mode="after")
    def _fits_together(self) -> AutoencoderConfig:
        if any(width % self.groups for width in (*self.encoder, *self.decoder[:2])):
            raise ValueError(
                f"encoder {self.encoder} and decoder {self.decoder} must divide by groups "
                f"{self.groups}"
            )
        if any(side % DOWN for side in self.shape):
            raise ValueError(f"shape {self.shape} does not divide by {DOWN}")
        return self


class Autoencoder(nn.Module):
    """Encoder, bottleneck and decoder."""

    def __init__(self, config: AutoencoderConfig):
        super().__init__()
        self.config = config
        self.encoder = _Encoder(config)
        self.decoder = _Decoder(config)
        self.codebook = (
            nn.Embedding(config.codes, config.latent) if config.bottleneck == "vq" else None
        )
        self.register_buffer("mean", torch.zeros(config.latent))
        self.register_buffer("deviation", torch.ones(config.latent))
        self.mean: Tensor
        self.deviation: Tensor

    def forward(
        self, pictures: Tensor, mask: Tensor, draw: Tensor, learn_spread: float = 0.0
    ) -> tuple[Tensor, Tensor]:
        """Pictures through the bottleneck and back, as in training.

        Parameters
        ----------
        pictures : (n, 1, y, x) tensor on the scale [-1, 1]
        mask : (n, classes, y, x) tensor
            One-hot labels; all zero where open.
        draw : (n, latent, y / 4, x / 4) tensor
            Standard normal; not used with a codebook.
        learn_spread : float
            Share of the way by which mean and deviation of the latents move to those seen.

        Returns
        -------
        (n, 1, y, x) and (n,) tensors
            Pictures, and what the bottleneck costs: the divergence from the standard normal in
            nats a latent, or the commitment and codebook loss (van den Oord et al. 2017,
            arXiv:1711.00937, eq. 3).
        """
        mean, log_variance = self.encoder(pictures)
        if self.codebook is None:
            latents = mean + (0.5 * log_variance).exp() * draw
            cost = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).mean(dim=(1, 2, 3))
        else:
            nearest = self._nearest(mean)
            cost = ((nearest - mean.detach()) ** 2 + 0.25 * (nearest.detach() - mean) ** 2).mean(
                dim=(1, 2, 3)
            )
            latents = mean + (nearest - mean).detach()  # gradients pass straight through
        if learn_spread:
            self._learn_spread(latents, learn_spread)
        return self.decoder(latents, mask), cost

    def encode(self, pictures: Tensor) -> Tensor:
        """Latents (n, latent, y / 4, x / 4) with mean 0 and deviation `spread`."""
        mean, _ = self.encoder(pictures)
        return self._scaled(mean)

    def decode(self, latents: Tensor, mask: Tensor) -> Tensor:
        """Pictures (n, 1, y, x) on the scale [-1, 1] of latents as `encode` gives them."""
        deviation = self.deviation.clamp(min=1e-6) / self.config.spread
        own = latents * deviation.view(1, -1, 1, 1) + self.mean.view(1, -1, 1, 1)
        if self.codebook is not None:
            own = self._nearest(own)
        pictures: Tensor = self.decoder(own, mask)
        return pictures

    def tokens(self, pictures: Tensor) -> Tensor:
        """Entries of the codebook, (n, y / 4, x / 4) int64, that stand for pictures."""
        mean, _ = self.encoder(pictures)
        return self._entries(mean)

    def of_tokens(self, tokens: Tensor) -> Tensor:
        """Latents as `encode` gives them, of entries of the codebook (n, y / 4, x / 4)."""
        assert self.codebook is not None
        return self._scaled(self.codebook(tokens).permute(0, 3, 1, 2))

    def _scaled(self, latents: Tensor) -> Tensor:
        deviation = self.deviation.clamp(min=1e-6) / self.config.spread
        return (latents - self.mean.view(1, -1, 1, 1)) / deviation.view(1, -1, 1, 1)

    def _nearest(self, latents: Tensor) -> Tensor:
        """The codebook's entry nearest to each position."""
        assert self.codebook is not None
        nearest: Tensor = self.codebook(self._entries(latents))
        return nearest.permute(0, 3, 1, 2)

    def _entries(self, latents: Tensor) -> Tensor:
        assert self.codebook is not None
        flat = latents.permute(0, 2, 3, 1)  # (n, c, y, x) -> (n, y, x, c)
        distance = torch.cdist(flat.flatten(0, 2)[None], self.codebook.weight[None])[0]
        return distance.argmin(dim=1).view(flat.shape[:3])

    @torch.no_grad()
    def _learn_spread(self, latents: Tensor, share: float) -> None:
        self.mean.lerp_(latents.mean(dim=(0, 2, 3)), share)
        off = latents - self.mean.view(1, -1, 1, 1)
        self.deviation.copy_(
            torch.lerp(self.deviation**2, (off**2).mean(dim=(0, 2, 3)), share).sqrt()
        )


class _Encoder(nn.Module):
    def __init__(self, config: AutoencoderConfig):
        super().__init__()
        half, quarter = config.encoder
        # 2 x 2 pixels folded into channels: nothing is computed at full resolution
        self.first = nn.Conv2d(4, half, 3, padding=1)
        self.at_2 = _Residual(half, config.groups)
        self.down = nn.Conv2d(half, quarter, 4, stride=2, padding=1)
        self.at_4 = nn.Sequential(
            *[_Residual(quarter, config.groups) for _ in range(config.blocks)]
        )
        self.out = nn.Conv2d(quarter, 2 * config.latent, 3, padding=1)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        x = self.at_2(self.first(functional.pixel_unshuffle(pictures, 2)))
        mean, log_variance = self.out(self.at_4(self.down(x))).float().chunk(2, dim=1)
        return mean, log_variance.clamp(-12, 5)


class _Decoder(nn.Module):
    def __init__(self, config: AutoencoderConfig):
        super().__init__()
        quarter, half, full = config.decoder
        classes = config.classes
        shared = {"hidden": config.hidden, "groups": config.groups}
        self.code = nn.Parameter(torch.zeros(1, CODE))
        self.first = nn.Conv2d(config.latent, quarter, 3, padding=1)
        self.at_4 = nn.ModuleList(
            [
                SpadeBlock(quarter, quarter, 16 * classes, CODE, **shared)
                for _ in range(config.blocks)
            ]
        )
        self.to_2 = nn.Conv2d(quarter, 4 * half, 1)
        self.at_2 = SpadeBlock(half, half, 4 * classes, CODE, **shared)
        self.to_1 = nn.Conv2d(half, 4 * full, 3, padding=1)
        self.at_1 = nn.Conv2d(full + classes, full, 3, padding=1)
        self.out = nn.Conv2d(full, 1, 3, padding=1)
        for shuffled in (self.to_2, self.to_1):
            start_smooth(shuffled)

    def forward(self, latents: Tensor, mask: Tensor) -> Tensor:
        code = self.code.expand(len(latents), -1)
        x = self.first(latents)
        folded = functional.pixel_unshuffle(mask, 4)
        for block in self.at_4:
            x = block(x, folded, code)
        x = functional.pixel_shuffle(self.to_2(x), 2)
        x = self.at_2(x, functional.pixel_unshuffle(mask, 2), code)
        x = functional.pixel_shuffle(self.to_1(functional.leaky_relu(x, 0.2)), 2)
        x = functional.leaky_relu(self.at_1(torch.cat([x, mask], dim=1)), 0.2)
        pictures: Tensor = self.out(x).float()
        return pictures


class _Residual(nn.Module):
    def __init__(self, channels: int, groups: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.GroupNorm(groups, channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.GroupNorm(groups, channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.body(x)
        return out
