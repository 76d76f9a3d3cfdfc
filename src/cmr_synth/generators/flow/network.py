"""The flow's network: noisy picture, time, mask and conditions to an estimate of the clean picture.

Pixels are folded 4 x 4 into channels, so that the U-Net works at 32 x 32 while every pixel and
every mask boundary is kept; there is no autoencoder. The path is the straight one of flow
matching (Lipman et al. 2023, arXiv:2210.02747; Liu et al. 2023, arXiv:2209.03003),
x_t = t x + (1 - t) n with n standard normal: t = 0 is noise, t = 1 the picture.

The mask enters in one of two ways, compared by Moschetto et al. 2025, arXiv:2507.14575, for
pictures as conditions: stacked with x_t (as in MOTFM, Yazdani et al. 2025, arXiv:2503.00266), or
"direct", where the path starts from a picture made of the mask in the place of noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional

from cmr_synth.generators.backbones.config import BackboneConfig
from cmr_synth.generators.backbones.made import make_backbone
from cmr_synth.generators.conditioning import Conditions
from cmr_synth.generators.flow.head import FullResolutionHead
from cmr_synth.generators.phenotypes import Phenotype

FOLD = 4


class AdapterOf(BaseModel):
    """That the weights are a low-rank change of another model's; see `flow.adapter`.

    Parameters
    ----------
    base, sha256 : str
        Name of the other model, and the hash of its `weights.safetensors`.
    rank : int
        Of the change of a matrix or convolution.
    steps : int
        Of the sampler that it was trained for; more are not taken.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    base: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    rank: int = Field(gt=0)
    steps: int = Field(1, gt=0)


class FlowConfig(BackboneConfig):
    """Size and vocabulary of the network; the U-Net's own resolution is 1/4.

    Parameters
    ----------
    sigma_data : float
        Standard deviation of the pixels on the network's scale of [-1, 1].
    source : "noise" or "condition"
        Where the path starts: from noise, and the network sees the mask beside x_t; or from a
        picture made of the mask, and it sees x_t alone.
    shades : tuple of float
        Of that picture: background, LV, myocardium and RV, on the scale of [-1, 1]; further apart
        than their means in scans (-0.62, 0.09, -0.57, 0.02), so that noise hides no outline.
    shade_noise : float
        Standard deviation of the noise on that picture: without any, a mask has one image.
    head : int
        Channels of a light head at full resolution behind the U-Net, see `flow.head`; 0 for none.
    crowding : float
        Of the sampler's time grid, see `sampler.time_grid`; a few-step stage trains at its times.
    adapter : AdapterOf, optional
        If the weights are a change of another model's.
    """

    channels: tuple[PositiveInt, ...] = (64, 128, 192)
    head_width: int = Field(32, gt=0)
    groups: int = Field(32, gt=0)
    sigma_data: float = Field(0.5, gt=0)
    source: Literal["noise", "condition"] = "noise"
    shades: tuple[float, float, float, float] = (-0.6, 0.5, -0.2, 0.15)
    shade_noise: float = Field(0.2, gt=0)
    head: int = Field(0, ge=0)
    crowding: float = Field(1.0, ge=1, le=4)
    adapter: AdapterOf | None = None

    @model_validator(mode="after")
    def _a_shade_for_each_class(self) -> FlowConfig:
        if self.source == "condition" and self.classes != len(self.shades):
            raise ValueError("source: a path from the mask has no shades for scar; choose noise")
        if self.source == "condition" and self.tissues:
            raise ValueError("source: a path from the mask shows no other tissues; choose noise")
        return self

    @property
    def position(self) -> int:
        """Pixels to a side of a position."""
        return FOLD


class FlowNetwork(nn.Module):
    """Estimate of the clean picture.

    The output is the picture itself, not noise or velocity: a folded position holds 16 pixels
    in few channels, enough for anatomy but not for carrying noise through (Li and He 2025,
    arXiv:2511.13720). Preconditioning with a skip from the input, as in EDM, left grain here.
    """

    def __init__(self, config: FlowConfig | None = None):
        super().__init__()
        self.config = config = config or FlowConfig()
        seen = 1 if config.source == "condition" else 1 + config.maps
        self.unet = make_backbone(config, inputs=seen * FOLD**2, outputs=FOLD**2)
        self.conditions = Conditions(config, config.vector)
        self.head = None
        if config.head:
            self.head = FullResolutionHead(
                channels=config.head, classes=config.maps, vector=config.vector
            )

    def forward(
        self, noisy: Tensor, time: Tensor, mask: Tensor, conditions: Sequence[dict[str, Any]]
    ) -> Tensor:
        """Estimate the clean picture; with the source "condition" the mask is not looked at.

        Parameters
        ----------
        noisy : (n, 1, y, x) tensor
            x_t, for pictures scaled to [-1, 1].
        time : (n,) tensor in [0, 1)
        mask : (n, classes, y, x) tensor
            One-hot labels; all zero where open.
        conditions : n mappings

        Returns
        -------
        (n, 1, y, x) float32 tensor
        """
        scaled = noisy * self.input_scale(time)
        seen = [functional.pixel_unshuffle(scaled, FOLD)]
        if self.config.source == "noise":
            seen.append(functional.pixel_unshuffle(mask, FOLD))
        stacked = torch.cat(seen, dim=1).contiguous(memory_format=torch.channels_last)
        vector = self.conditions(conditions)
        raw = self.unet(stacked, 1000 * time, class_labels=vector).sample
        estimate = functional.pixel_shuffle(raw.float(), FOLD)
        if self.head is None:
            return estimate
        finer: Tensor = self.head(estimate, scaled, mask, time, vector)
        return finer.float()

    def know(self, phenotypes: tuple[Phenotype, ...]) -> None:
        """Take over what the training patients had; see `Conditions.know`."""
        self.config = self.config.model_copy(update={"phenotypes": phenotypes})
        self.conditions.know(phenotypes)

    def input_scale(self, time: Tensor) -> Tensor:
        """Factor that gives x_t unit variance at the times given, (n, 1, 1, 1)."""
        t = time.float().view(-1, 1, 1, 1)
        if self.config.source == "condition":  # both ends vary much the same, and alike
            return torch.full_like(t, 1 / self.config.sigma_data)
        return (t**2 * self.config.sigma_data**2 + (1 - t) ** 2).rsqrt()


def start_of(config: FlowConfig, noise: Tensor, mask: Tensor) -> Tensor:
    """Where the path of each image starts: its noise, or the picture made of its mask.

    Parameters
    ----------
    noise : (n, 1, y, x) tensor
        Standard normal.
    mask : (n, 4, y, x) tensor

    Returns
    -------
    (n, 1, y, x) tensor
        Open pixels have the shade of the background.
    """
    if config.source == "noise":
        return noise
    shades = torch.tensor(config.shades, device=mask.device).view(1, -1, 1, 1)
    is_open = 1 - mask.sum(dim=1, keepdim=True)
    picture = (mask * shades).sum(dim=1, keepdim=True) + is_open * config.shades[0]
    return picture + config.shade_noise * noise
