"""The diffusion's network: noisy picture, step, mask and conditions to what it predicts.

Segmentation-guided diffusion (Konz et al. 2024, arXiv:2402.05210): the U-Net works on pixels and
sees the mask beside them at every step. Folding pixels 4 x 4 into channels makes that cheap enough
for a CPU; with fold 1 it is the published form.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from cmr_synth.generators.backbones.config import BackboneConfig
from cmr_synth.generators.backbones.made import make_backbone
from cmr_synth.generators.conditioning import CLASSES, Conditions
from cmr_synth.generators.diffusion.schedule import signal_shares


class DiffusionConfig(BackboneConfig):
    """Size and vocabulary of the network, and the noise that it was trained with.

    Parameters
    ----------
    fold : 1, 2 or 4
        Pixels are folded so many to a side into channels.
    prediction : "sample", "epsilon" or "v_prediction"
        What the network gives: the clean picture, the noise, or the velocity of Salimans and Ho
        2022, arXiv:2202.00512; named as in diffusers.
    betas : "cosine" or "linear"
    noise_shift : float
        How much stronger the noise is than in the schedule as published; the side in pixels, by 64.
    train_steps : int
        Noise levels.
    sigma_data : float
        Standard deviation of the pixels on the network's scale of [-1, 1].
    """

    fold: Literal[1, 2, 4] = 4
    prediction: Literal["sample", "epsilon", "v_prediction"] = "sample"
    betas: Literal["cosine", "linear"] = "cosine"
    noise_shift: float = Field(2.0, gt=0)
    train_steps: int = Field(1000, ge=50)
    sigma_data: float = Field(0.5, gt=0)

    @property
    def position(self) -> int:
        """Pixels to a side of a position."""
        return self.fold

    @model_validator(mode="after")
    def _fits_together(self) -> DiffusionConfig:
        if self.fold == 4 and self.prediction != "sample":
            raise ValueError(
                f"prediction {self.prediction!r} needs fold 1 or 2: the noise of 16 pixels does "
                "not pass through the channels of one position, and grain stays"
            )
        return self

    @cached_property
    def shares(self) -> Tensor:
        """The picture's share a of every step, (train_steps,) float64; see `schedule`."""
        # where nothing of the picture is left, the noise does not tell what it is
        to_zero = self.prediction != "epsilon"
        return torch.from_numpy(
            signal_shares(self.betas, self.train_steps, shift=self.noise_shift, to_zero=to_zero)
        )


class DiffusionNetwork(nn.Module):
    """The backbone on folded pixels, the mask stacked with the noisy picture."""

    def __init__(self, config: DiffusionConfig | None = None):
        super().__init__()
        self.config = config = config or DiffusionConfig()
        self.unet = make_backbone(
            config, inputs=(1 + CLASSES) * config.fold**2, outputs=config.fold**2
        )
        self.conditions = Conditions(config, config.vector)

    def forward(
        self, noisy: Tensor, step: Tensor, mask: Tensor, conditions: Sequence[dict[str, Any]]
    ) -> Tensor:
        """Predict what the configuration says.

        Parameters
        ----------
        noisy : (n, 1, y, x) tensor
            x_t, for pictures scaled to [-1, 1].
        step : (n,) int64 tensor
            In [0, train_steps).
        mask : (n, 4, y, x) tensor
            One-hot labels; all zero where open.
        conditions : n mappings

        Returns
        -------
        (n, 1, y, x) float32 tensor
        """
        share = self.share(step)
        scale = (share * self.config.sigma_data**2 + 1 - share).rsqrt()  # unit variance
        stacked = functional.pixel_unshuffle(
            torch.cat([noisy * scale, mask], dim=1), self.config.fold
        ).contiguous(memory_format=torch.channels_last)
        time = step.float() * (1000 / self.config.train_steps)
        raw = self.unet(stacked, time, class_labels=self.conditions(conditions)).sample
        return functional.pixel_shuffle(raw.float(), self.config.fold)

    def share(self, step: Tensor) -> Tensor:
        """The picture's share a at the steps given, (n, 1, 1, 1) float32."""
        return self.config.shares[step.cpu()].float().view(-1, 1, 1, 1).to(step.device)

    def picture(self, predicted: Tensor, noisy: Tensor, step: Tensor) -> Tensor:
        """The clean picture that a prediction means, (n, 1, y, x); not clipped."""
        share = self.share(step)
        if self.config.prediction == "epsilon":
            return (noisy - (1 - share).sqrt() * predicted) / share.sqrt()
        if self.config.prediction == "v_prediction":
            return share.sqrt() * noisy - (1 - share).sqrt() * predicted
        return predicted
