"""The network on latents that sees codes: a map of the anatomy, and a vector of the domain.

After DiffuSeg (Zhang et al. 2025), whose diffusion is conditioned on the codes of an FFD-VAE. The
anatomy's code stands beside the latents, with the segmenter's shares that are read from it, so that
edges are sharp; the domain's is added to time and words. Either may be left open.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from pydantic import model_validator
from torch import Tensor, nn

from cmr_synth.generators.backbones.made import make_backbone
from cmr_synth.generators.conditioning import CLASSES, Conditions
from cmr_synth.generators.factorised.network import FactorisedConfig, FactorisedNetwork
from cmr_synth.generators.latent.autoencoder import DOWN, Autoencoder
from cmr_synth.generators.latent.network import LatentConfig, LatentNetwork

DOMAIN = "domain"
"""Where a condition has the domain's code, (domain,) numbers."""


class LatentCodesConfig(LatentConfig):
    """Size and vocabulary, the autoencoder, and the factorised VAE whose codes it reads.

    Parameters
    ----------
    factorised : FactorisedConfig
        On the same grid.
    """

    factorised: FactorisedConfig = FactorisedConfig()

    @model_validator(mode="after")
    def _codes_fit(self) -> LatentCodesConfig:
        if self.factorised.shape != self.shape:
            raise ValueError(f"shape {self.shape} is not that of the factorised model")
        if self.contrasts or self.classes != CLASSES:
            raise ValueError("a factorised model knows cine alone; leave contrasts out")
        return self


class LatentCodesNetwork(LatentNetwork):
    """The backbone on latents, with the codes in the place of the mask."""

    config: LatentCodesConfig

    def __init__(self, config: LatentCodesConfig):
        nn.Module.__init__(self)
        self.config = config
        latent, codes = config.autoencoder.latent, config.factorised
        # what the segmenter sees is folded as the mask of a latent model is
        self.unet = make_backbone(
            config, inputs=latent + codes.anatomy + CLASSES * DOWN**2, outputs=latent
        )
        self.conditions = Conditions(config, config.vector)
        self.domain = nn.Linear(codes.domain + 1, config.vector)

    def forward(
        self, noisy: Tensor, time: Tensor, mask: Tensor, conditions: Sequence[dict[str, Any]]
    ) -> Tensor:
        """Estimate the clean latents; parameters as for `LatentNetwork`, but for `mask`.

        Parameters
        ----------
        mask : (n, anatomy + 64, y / 4, x / 4) tensor
            As `told_anatomy` makes it of a code; all zero where open.
        conditions : n mappings
            With the domain's code as `DOMAIN` where it is not open.
        """
        stacked = torch.cat([noisy * self._scale(time), mask], dim=1)
        stacked = stacked.contiguous(memory_format=torch.channels_last)
        steps = 1000 * time if self.config.objective == "flow" else time.float()
        told = self.conditions(conditions) + self.domain(self._domains(conditions, noisy.device))
        estimate: Tensor = self.unet(stacked, steps, class_labels=told).sample.float()
        return estimate

    def _domains(self, conditions: Sequence[dict[str, Any]], device: torch.device) -> Tensor:
        """(n, domain + 1): the codes and a one, or zeros where they are open."""
        width = self.config.factorised.domain
        rows = torch.zeros(len(conditions), width + 1, device=device)
        for i, one in enumerate(conditions):
            if one.get(DOMAIN) is not None:
                rows[i, :width], rows[i, width] = one[DOMAIN].to(device), 1.0
        return rows


class LatentCodesModel(nn.Module):
    """Network, autoencoder and factorised VAE, which are saved and loaded together."""

    def __init__(self, config: LatentCodesConfig):
        super().__init__()
        self.config = config
        self.autoencoder = Autoencoder(config.autoencoder)
        self.factorised = FactorisedNetwork(config.factorised)
        self.network = LatentCodesNetwork(config)


def told_anatomy(factorised: FactorisedNetwork, anatomy: Tensor) -> tuple[Tensor, Tensor]:
    """What the network is told of a code of anatomy, and the mask that its decoder sees.

    Returns
    -------
    (n, anatomy + 64, y / 4, x / 4) and (n, 4, y, x) tensors
        The code beside the shares of each structure that are read from it, and those shares.
    """
    shares = factorised.segmentation(anatomy).softmax(dim=1)
    return torch.cat([anatomy, nn.functional.pixel_unshuffle(shares, DOWN)], dim=1), shares
