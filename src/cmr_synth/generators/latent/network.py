"""The network on latents, with its autoencoder: noisy latents, time, mask and conditions to clean.

With the objective "flow" the path is the straight one of `generators.flow` and the network gives
its estimate of the clean latents; with "diffusion" noise is that of `generators.diffusion.schedule`
and the network gives the clean latents too, as the "sample" prediction of diffusers. In both, the
mask stands beside the latents at full detail: its 4 x 4 pixels a position are folded into channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import torch
from pydantic import model_validator
from torch import Tensor, nn
from torch.nn import functional

from cmr_synth.generators.backbones.config import BackboneConfig
from cmr_synth.generators.backbones.made import make_backbone
from cmr_synth.generators.conditioning import Conditions
from cmr_synth.generators.diffusion.schedule import signal_shares
from cmr_synth.generators.latent.autoencoder import DOWN, Autoencoder, AutoencoderConfig

TRAIN_STEPS = 1000


class LatentConfig(BackboneConfig):
    """Size and vocabulary of the network, its objective, and its autoencoder.

    Parameters
    ----------
    objective : "flow" or "diffusion"
    autoencoder : AutoencoderConfig
        On the same grid.
    """

    objective: Literal["flow", "diffusion"] = "flow"
    autoencoder: AutoencoderConfig = AutoencoderConfig()

    @property
    def position(self) -> int:
        """Pixels to a side of a position."""
        return DOWN

    @model_validator(mode="after")
    def _fits_together(self) -> LatentConfig:
        if self.autoencoder.shape != self.shape:
            raise ValueError(f"shape {self.shape} is not the autoencoder's")
        if self.autoencoder.classes != self.classes:
            raise ValueError(
                f"masks of {self.classes} classes, and the autoencoder's have "
                f"{self.autoencoder.classes}; state the contrasts that it was trained with"
            )
        return self

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of the latents."""
        return self.autoencoder.latent, self.shape[0] // DOWN, self.shape[1] // DOWN

    @property
    def train_steps(self) -> int:
        """With "diffusion", the number of noise levels."""
        return TRAIN_STEPS

    @cached_property
    def shares(self) -> Tensor:
        """With "diffusion", the latents' share a at every step, (1000,) float64."""
        # 32 x 32 positions, near the 64 x 64 pixels for which the schedule was published
        return torch.from_numpy(signal_shares("cosine", TRAIN_STEPS, shift=1.0, to_zero=True))


class LatentNetwork(nn.Module):
    """The backbone on latents, the folded mask stacked with them."""

    def __init__(self, config: LatentConfig):
        super().__init__()
        self.config = config
        latent = config.autoencoder.latent
        self.unet = make_backbone(config, inputs=latent + config.classes * DOWN**2, outputs=latent)
        self.conditions = Conditions(config, config.vector)

    def forward(
        self, noisy: Tensor, time: Tensor, mask: Tensor, conditions: Sequence[dict[str, Any]]
    ) -> Tensor:
        """Estimate the clean latents.

        Parameters
        ----------
        noisy : (n, latent, y / 4, x / 4) tensor
        time : (n,) tensor
            In [0, 1) with the objective "flow"; a step in [0, 1000) with "diffusion".
        mask : (n, classes, y, x) tensor
            One-hot labels; all zero where open.
        conditions : n mappings

        Returns
        -------
        (n, latent, y / 4, x / 4) float32 tensor
        """
        scaled = noisy * self._scale(time)
        stacked = torch.cat([scaled, functional.pixel_unshuffle(mask, DOWN)], dim=1)
        stacked = stacked.contiguous(memory_format=torch.channels_last)
        steps = 1000 * time if self.config.objective == "flow" else time.float()
        estimate: Tensor = self.unet(
            stacked, steps, class_labels=self.conditions(conditions)
        ).sample.float()
        return estimate

    def share(self, step: Tensor) -> Tensor:
        """The latents' share a at the steps given, (n, 1, 1, 1) float32."""
        return self.config.shares[step.cpu()].float().view(-1, 1, 1, 1).to(step.device)

    def picture(self, predicted: Tensor, noisy: Tensor, step: Tensor) -> Tensor:
        """What a prediction means; here it is the clean latents themselves."""
        return predicted

    def _scale(self, time: Tensor) -> Tensor:
        """Factor that gives noisy latents unit variance, (n, 1, 1, 1)."""
        spread = self.config.autoencoder.spread
        if self.config.objective == "flow":
            t = time.float().view(-1, 1, 1, 1)
            return (t**2 * spread**2 + (1 - t) ** 2).rsqrt()
        share = self.share(time.long())
        return (share * spread**2 + 1 - share).rsqrt()


class LatentModel(nn.Module):
    """Network and autoencoder, which are saved and loaded together."""

    def __init__(self, config: LatentConfig):
        super().__init__()
        self.config = config
        self.autoencoder = Autoencoder(config.autoencoder)
        self.network = LatentNetwork(config)
