"""The autoencoder of volumes: pictures with their mask to latents, and back to both.

A volume is a stack of slices from base to apex (z, y, x), or one slice over a heartbeat (t, y, x).
As in Cheng et al. the mask goes through the bottleneck together with the picture, so that whatever
is decoded has a mask that belongs to it. The networks are MONAI's `AutoencoderKL` (Rombach et al.
2022, arXiv:2112.10752) in three dimensions.

Pixels are 1.5 mm and slices 8 to 10 mm: `fold` x `fold` pixels are put into channels first, so that
a position is about as wide as slices are apart, before all three axes are halved alike.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional

from cmr_synth.generators.conditioning import CLASSES, one_hot_mask
from cmr_synth.generators.vocabulary import Vocabulary

FAMILY = "volume-autoencoder"
SEEN = 1 + CLASSES  # the picture, and one channel a label


class VolumeConfig(Vocabulary):
    """What a volume is, and the size of its autoencoder.

    Parameters
    ----------
    axis : "z" or "t"
        Slices from base to apex, or frames from one end-diastole to the next.
    depth : int
        Slices or frames.
    between_mm : float
        Distance of slices. Stacks with another one are resampled along z: pictures linearly,
        labels as in the nearest slice. A cine is brought to `depth` frames a beat in the same way.
    least : int
        Slices (after resampling) or frames that a patient must have to be learned from.
    fold : int
        Pixels to a side that become channels of one position.
    latent : int
        Channels of the latents.
    channels : tuple of int
        Of the networks at 1, 1/2, ... of the positions.
    blocks : int
        Residual blocks a level.
    groups : int
        Of the group norms.
    spread : float
        Standard deviation to which latents are brought for the network that makes them.
    """

    axis: Literal["z", "t"] = "z"
    depth: int = Field(12, gt=1)
    between_mm: float = Field(10.0, gt=0)
    least: int = Field(5, gt=1)
    fold: PositiveInt = 4
    latent: PositiveInt = 8
    channels: tuple[PositiveInt, ...] = (48, 96)
    blocks: PositiveInt = 1
    groups: PositiveInt = 8
    spread: float = Field(0.3, gt=0)

    @model_validator(mode="after")
    def _fits_together(self) -> VolumeConfig:
        if not self.channels or any(width % self.groups for width in self.channels):
            raise ValueError(f"channels {self.channels} do not divide by groups {self.groups}")
        if any(side % (self.fold * self.halved) for side in self.shape):
            raise ValueError(f"shape {self.shape} does not divide by {self.fold * self.halved}")
        if self.depth % self.halved:
            raise ValueError(f"depth {self.depth} does not divide by {self.halved}")
        return self

    @property
    def halved(self) -> int:
        """Positions to a side of a latent position."""
        return 2 ** (len(self.channels) - 1)

    @property
    def latent_shape(self) -> tuple[int, int, int, int]:
        """Channels, slices or frames, rows and columns of the latents."""
        rows, columns = (side // (self.fold * self.halved) for side in self.shape)
        return self.latent, self.depth // self.halved, rows, columns


class VolumeAutoencoder(nn.Module):
    """Encoder, narrow Gaussian, decoder."""

    def __init__(self, config: VolumeConfig):
        super().__init__()
        from monai.networks.nets import AutoencoderKL

        self.config = config
        self.body = AutoencoderKL(
            spatial_dims=3,
            in_channels=SEEN * config.fold**2,
            out_channels=SEEN * config.fold**2,
            num_res_blocks=[config.blocks] * len(config.channels),
            channels=config.channels,
            attention_levels=[False] * len(config.channels),
            latent_channels=config.latent,
            norm_num_groups=config.groups,
            with_encoder_nonlocal_attn=False,
            with_decoder_nonlocal_attn=False,
        )
        self.register_buffer("mean", torch.zeros(config.latent))
        self.register_buffer("deviation", torch.ones(config.latent))
        self.mean: Tensor
        self.deviation: Tensor

    def forward(
        self, pictures: Tensor, labels: Tensor, draw: Tensor, learn_spread: float = 0.0
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Volumes through the bottleneck and back, as in training.

        Parameters
        ----------
        pictures : (n, 1, d, y, x) tensor on the scale [-1, 1]
        labels : (n, d, y, x) int64 tensor
            Engine labels; 255 where open.
        draw : (n, *latent_shape) tensor
            Standard normal.
        learn_spread : float
            Share of the way by which mean and deviation of the latents move to those seen.

        Returns
        -------
        (n, 1, d, y, x), (n, 4, d, y, x) and (n,) tensors
            Pictures, scores of the labels, and the divergence of the latents from the standard
            normal in nats each.
        """
        mean, sigma = self._latents(pictures, labels)
        latents = mean + sigma * draw
        if learn_spread:
            self._learn_spread(latents, learn_spread)
        cost = 0.5 * (mean**2 + sigma**2 - 1 - 2 * sigma.log()).mean(dim=(1, 2, 3, 4))
        return *self._made(latents), cost

    def encode(self, pictures: Tensor, labels: Tensor) -> Tensor:
        """Latents (n, *latent_shape) with mean 0 and deviation `spread`."""
        mean, _ = self._latents(pictures, labels)
        return (mean - _wide(self.mean)) / _wide(self._unit)

    def decode(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures on the scale [-1, 1] and scores of labels, of latents as from `encode`."""
        return self._made(latents * _wide(self._unit) + _wide(self.mean))

    @property
    def _unit(self) -> Tensor:
        return self.deviation.clamp(min=1e-6) / self.config.spread

    def _latents(self, pictures: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        seen = torch.cat([pictures, indicators(labels)], dim=1)
        mean, sigma = self.body.encode(_folded(seen, self.config.fold))
        return mean.float(), sigma.float().clamp(2e-3, 12)  # as exp(-12 / 2) and exp(5 / 2)

    def _made(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        made = _unfolded(self.body.decode(latents), self.config.fold).float()
        return made[:, :1], made[:, 1:]

    @torch.no_grad()
    def _learn_spread(self, latents: Tensor, share: float) -> None:
        over = (0, 2, 3, 4)
        self.mean.lerp_(latents.mean(dim=over), share)
        off = latents - _wide(self.mean)
        self.deviation.copy_(torch.lerp(self.deviation**2, (off**2).mean(dim=over), share).sqrt())


def indicators(labels: Tensor) -> Tensor:
    """(n, 4, d, y, x) of labels (n, d, y, x); all zero where unlabelled."""
    found = one_hot_mask(labels.flatten(1, 2))  # it is one tall picture to it
    return found.unflatten(2, labels.shape[1:3])


def _wide(values: Tensor) -> Tensor:
    return values.view(1, -1, 1, 1, 1)


def _folded(volumes: Tensor, fold: int) -> Tensor:
    """(n, c, d, y, x) to (n, c * fold^2, d, y / fold, x / fold)."""
    planes = functional.pixel_unshuffle(volumes.transpose(1, 2), fold)  # (n, d, c, y, x)
    return planes.transpose(1, 2).contiguous()


def _unfolded(volumes: Tensor, fold: int) -> Tensor:
    planes = functional.pixel_shuffle(volumes.transpose(1, 2), fold)
    return planes.transpose(1, 2).contiguous()
