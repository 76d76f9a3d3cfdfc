"""The network on latents of volumes: noisy latents, a step and conditions to clean latents.

Denoising diffusion (Ho et al. 2020, arXiv:2006.11239) on the latents of `autoencoder`, with MONAI's
`DiffusionModelUNet` in three dimensions; the schedule and samplers are those of the family
`diffusion`, which come from diffusers.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from cmr_synth.generators.conditioning import Conditions
from cmr_synth.generators.diffusion.schedule import signal_shares
from cmr_synth.generators.vocabulary import Vocabulary
from cmr_synth.generators.volumes.autoencoder import VolumeAutoencoder, VolumeConfig

TRAIN_STEPS = 1000


class LatentVolumeConfig(Vocabulary):
    """Size and vocabulary of the network, and its autoencoder.

    Parameters
    ----------
    channels : tuple of int
        Of the U-Net at 1, 1/2, ... of the latents.
    attention : tuple of bool
        Whether a level has self-attention.
    layers : int
        Residual blocks a level.
    head_width, groups : int
        Channels of an attention head; groups of the normalisation.
    autoencoder : VolumeConfig
        On the same grid.
    """

    channels: tuple[PositiveInt, ...] = (96, 192)
    attention: tuple[bool, ...] = (False, True)
    layers: PositiveInt = 1
    head_width: PositiveInt = 32
    groups: PositiveInt = 16
    autoencoder: VolumeConfig = Field(default_factory=VolumeConfig)

    @model_validator(mode="after")
    def _fits_together(self) -> LatentVolumeConfig:
        if self.autoencoder.shape != self.shape:
            raise ValueError(f"shape {self.shape} is not the autoencoder's")
        if len(self.channels) != len(self.attention) or not self.channels:
            raise ValueError(
                f"channels has {len(self.channels)} levels and attention {len(self.attention)}; "
                "both need one entry a level"
            )
        if any(width % self.groups or width % self.head_width for width in self.channels):
            raise ValueError(
                f"channels {self.channels} do not divide by groups {self.groups} and head_width "
                f"{self.head_width}"
            )
        factor = 2 ** (len(self.channels) - 1)
        if any(side % factor for side in self.autoencoder.latent_shape[1:]):
            raise ValueError(
                f"latents of {self.autoencoder.latent_shape[1:]} do not divide by {factor}, for "
                f"{len(self.channels)} levels"
            )
        return self

    @property
    def train_steps(self) -> int:
        """Number of noise levels."""
        return TRAIN_STEPS

    @cached_property
    def shares(self) -> Tensor:
        """The latents' share a at every step, (1000,) float64."""
        return torch.from_numpy(signal_shares("cosine", TRAIN_STEPS, shift=1.0, to_zero=True))


class LatentVolumeNetwork(nn.Module):
    """A U-Net on latents; words and position are added to the vector of time."""

    def __init__(self, config: LatentVolumeConfig):
        super().__init__()
        from monai.networks.nets import DiffusionModelUNet

        self.config = config
        latent = config.autoencoder.latent
        self.unet = DiffusionModelUNet(
            spatial_dims=3,
            in_channels=latent,
            out_channels=latent,
            num_res_blocks=[config.layers] * len(config.channels),
            channels=config.channels,
            attention_levels=config.attention,
            norm_num_groups=config.groups,
            num_head_channels=config.head_width,
            num_class_embeds=1,
        )
        self.unet.class_embedding = nn.Identity()  # it is given vectors in the place of classes
        self.conditions = Conditions(config, 4 * config.channels[0])

    def forward(
        self, noisy: Tensor, step: Tensor, mask: Tensor, conditions: Sequence[dict[str, Any]]
    ) -> Tensor:
        """Estimate the clean latents.

        Parameters
        ----------
        noisy : (n, c, d, y, x) tensor
        step : (n,) tensor
            In [0, 1000).
        mask : tensor
            Not looked at; here so that the samplers of slices serve.
        conditions : n mappings

        Returns
        -------
        (n, c, d, y, x) float32 tensor
        """
        share = self.share(step.long())
        scaled = noisy * (share * self.config.autoencoder.spread**2 + 1 - share).rsqrt()
        vector = self.conditions(conditions)
        estimate: Tensor = self.unet(scaled, step.float(), class_labels=vector)
        return estimate.float()

    def share(self, step: Tensor) -> Tensor:
        """The latents' share a at the steps given, (n, 1, 1, 1, 1) float32."""
        return self.config.shares[step.cpu()].float().view(-1, 1, 1, 1, 1).to(step.device)

    def picture(self, predicted: Tensor, noisy: Tensor, step: Tensor) -> Tensor:
        """What a prediction means; here it is the clean latents themselves."""
        return predicted


class LatentVolumeModel(nn.Module):
    """Network and autoencoder, which are saved and loaded together."""

    def __init__(self, config: LatentVolumeConfig):
        super().__init__()
        self.config = config
        self.autoencoder = VolumeAutoencoder(config.autoencoder)
        self.network = LatentVolumeNetwork(config)
