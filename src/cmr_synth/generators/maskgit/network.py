"""The network on hidden tokens, with its tokenizer: some positions seen, all of them told.

A picture is 32 x 32 positions of an autoencoder. Some are hidden; of all of them the network sees
the folded heart mask, and says what each may be: with the head "tokens" one of the codebook's
entries (MaskGIT, Chang et al. 2022, arXiv:2202.04200), with "flow" a vector from which a small
network draws continuous latents by flow matching, at each position by itself (MAR, Li et al. 2024,
arXiv:2406.11838, with a straight path in the place of its diffusion). Everything hidden is
generation, nothing hidden is reconstruction, and there is every share between the two (Bubeck et
al., "Reconstruct or generate").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from cmr_synth.generators.backbones.config import BackboneConfig
from cmr_synth.generators.backbones.made import make_backbone
from cmr_synth.generators.conditioning import CLASSES, Conditions, waves
from cmr_synth.generators.latent.autoencoder import DOWN, Autoencoder, AutoencoderConfig
from cmr_synth.generators.phenotypes import Phenotype


class MaskgitConfig(BackboneConfig):
    """Size and vocabulary of the network, its head, and its tokenizer.

    Parameters
    ----------
    head : "tokens" or "flow"
        With "tokens" the autoencoder has a codebook.
    hidden, head_blocks : int
        With "flow", width of what is said of a position, and layers of the network that draws
        from it.
    autoencoder : AutoencoderConfig
        On the same grid.
    """

    backbone: Literal["unet", "dit", "uvit"] = "dit"
    depth: int = Field(8, gt=0)
    head_width: int = Field(32, gt=0)
    head: Literal["tokens", "flow"] = "tokens"
    hidden: int = Field(96, gt=0)
    head_blocks: int = Field(3, gt=0)
    autoencoder: AutoencoderConfig = AutoencoderConfig(bottleneck="vq")

    @property
    def position(self) -> int:
        """Pixels to a side of a position."""
        return DOWN

    @property
    def places(self) -> tuple[int, int]:
        """Rows and columns of positions."""
        return self.shape[0] // DOWN, self.shape[1] // DOWN

    @model_validator(mode="after")
    def _fits_together(self) -> MaskgitConfig:
        if self.autoencoder.shape != self.shape:
            raise ValueError(f"shape {self.shape} is not the autoencoder's")
        if self.head == "tokens" and self.autoencoder.bottleneck != "vq":
            raise ValueError(
                "head: tokens need an autoencoder with a codebook; start from one that was trained "
                "by the recipe autoencoder-vq, or choose head: flow"
            )
        return self


class MaskgitNetwork(nn.Module):
    """The backbone on positions, of which some are hidden."""

    def __init__(self, config: MaskgitConfig):
        super().__init__()
        self.config = config
        latent = config.autoencoder.latent
        said = config.autoencoder.codes if config.head == "tokens" else config.hidden
        # of a position: its latents, whether it is hidden, and the mask's 4 x 4 pixels
        self.unet = make_backbone(config, inputs=latent + 1 + CLASSES * DOWN**2, outputs=said)
        self.conditions = Conditions(config, config.vector)
        self.draw = FlowHead(config) if config.head == "flow" else None

    def forward(
        self,
        latents: Tensor,
        hidden: Tensor,
        mask: Tensor,
        conditions: Sequence[dict[str, Any]],
        drawn: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Say what each position may be.

        Parameters
        ----------
        latents : (n, latent, rows, columns) tensor
            As the autoencoder's `encode` gives them; those hidden are not looked at.
        hidden : (n, 1, rows, columns) tensor
            1 where hidden.
        mask : (n, 4, y, x) tensor
            One-hot labels; all zero where open.
        conditions : n mappings
        drawn : (noisy, time), optional
            With the head "flow" in training: latents on the way from noise, and how far each
            image's are.

        Returns
        -------
        tensor
            (n, codes, rows, columns) logits, or (n, hidden, rows, columns) for `draw`; with
            `drawn`, (n, latent, rows, columns) estimates of the clean latents.
        """
        spread = self.config.autoencoder.spread
        seen = latents * (1 - hidden) / spread
        stacked = torch.cat([seen, hidden, functional.pixel_unshuffle(mask, DOWN)], dim=1)
        stacked = stacked.contiguous(memory_format=torch.channels_last)
        share = 999 * hidden.mean(dim=(1, 2, 3))
        said: Tensor = self.unet(
            stacked, share, class_labels=self.conditions(conditions)
        ).sample.float()
        if drawn is None:
            return said
        assert self.draw is not None
        estimate: Tensor = self.draw(said, *drawn)
        return estimate

    def know(self, phenotypes: tuple[Phenotype, ...]) -> None:
        """Take over what the training patients had; see `Conditions.know`."""
        self.config = self.config.model_copy(update={"phenotypes": phenotypes})
        self.conditions.know(phenotypes)


class FlowHead(nn.Module):
    """Draws the latents of each position from what is said of it, and from noise."""

    def __init__(self, config: MaskgitConfig):
        super().__init__()
        latent, width = config.autoencoder.latent, config.hidden
        self.spread = config.autoencoder.spread
        self.first = nn.Conv2d(latent, width, 1)
        self.time = nn.Sequential(nn.Linear(9, width), nn.SiLU(), nn.Linear(width, width))
        self.said = nn.Conv2d(width, width, 1)
        self.blocks = nn.ModuleList(
            [
                nn.Sequential(
                    nn.Conv2d(2 * width, width, 1),
                    nn.SiLU(),
                    nn.Conv2d(width, width, 1),
                )
                for _ in range(config.head_blocks)
            ]
        )
        self.last = nn.Conv2d(width, latent, 1)

    def forward(self, said: Tensor, noisy: Tensor, time: Tensor) -> Tensor:
        """Estimate the clean latents.

        Parameters
        ----------
        said : (n, hidden, rows, columns) tensor
        noisy : (n, latent, rows, columns) tensor
            t x + (1 - t) noise.
        time : (n,) tensor in [0, 1)
        """
        t = time.view(-1, 1, 1, 1)
        x = self.first(noisy * (t**2 * self.spread**2 + (1 - t) ** 2).rsqrt())
        told = self.said(said) + self.time(waves(time))[:, :, None, None]
        for block in self.blocks:
            normed = _normed(x)
            x = x + block(torch.cat([normed, told], dim=1))
        estimate: Tensor = self.spread * self.last(functional.silu(x))
        return estimate


def _normed(x: Tensor) -> Tensor:
    """Each position brought to deviation 1 by itself: no position sees another here."""
    return functional.layer_norm(x.permute(0, 2, 3, 1), x.shape[1:2]).permute(0, 3, 1, 2)


class MaskgitModel(nn.Module):
    """Network and tokenizer, which are saved and loaded together."""

    def __init__(self, config: MaskgitConfig):
        super().__init__()
        self.autoencoder = Autoencoder(config.autoencoder)
        self.network = MaskgitNetwork(config)

    @property
    def config(self) -> MaskgitConfig:
        """Of the network, with what its training patients had."""
        return self.network.config
