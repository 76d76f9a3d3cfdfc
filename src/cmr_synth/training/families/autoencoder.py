"""Training the autoencoder of latent models: difference, edges, feature matching, a discriminator.

As in latent diffusion (Rombach et al. 2022, arXiv:2112.10752), whose first stage is judged by a
patch discriminator too; the perceptual loss there is that of the discriminator's own maps here
(Larsen et al. 2016, arXiv:1512.09300).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from torch import Tensor

from cmr_synth.cohorts.examination import CONTRASTS
from cmr_synth.generators.conditioning import one_hot_mask
from cmr_synth.generators.latent.autoencoder import DOWN, Autoencoder, AutoencoderConfig
from cmr_synth.networks.weights import state_of
from cmr_synth.training.adversarial import Judgement, MatchingDiscriminator
from cmr_synth.training.batches import Batch
from cmr_synth.training.dropping import Dropping, dropped
from cmr_synth.training.families.family import FamilyTask
from cmr_synth.training.families.sheet import given, shown, tiled
from cmr_synth.training.recipe import Recipe
from cmr_synth.training.weighting import pixel_weight, weighted_mean

LATENTS_REMEMBERED = 2000  # images; the spread of the latents follows the encoder


class AutoencoderLoss(Dropping):
    """Settings of the losses."""

    difference: float = Field(10.0, ge=0, description="weight of the absolute difference")
    edges: float = Field(10.0, ge=0, description="weight of that of neighbouring pixels' steps")
    bottleneck: float = Field(0.05, ge=0, description="weight of what the bottleneck costs")
    matching: float = Field(5.0, ge=0, description="weight of the discriminator's maps")
    adversarial: float = Field(
        0.5, ge=0, description="weight of the discriminator's score; at 0 there is none"
    )
    heart_weight: float = Field(1.0, ge=0, description="added to the weight 1 near the heart")
    channels: int = Field(24, gt=0, description="of the discriminator's first layer")
    layers: int = Field(3, gt=0, description="strided layers of the discriminator")
    rate: float = Field(1.0, gt=0, description="discriminator's learning rate, times the recipe's")


class AutoencoderTask(FamilyTask):
    """The autoencoder as the training loop sees it."""

    family = "autoencoder"
    bits = 16
    contrasts = tuple(CONTRASTS)
    knows_contrasts = True

    def __init__(self, recipe: Recipe):
        super().__init__(recipe)
        self.loss = self.loss_settings(AutoencoderLoss)
        config = self.model_settings(AutoencoderConfig)
        self.contrast = tuple(config.contrasts) or config.contrast
        self.network = self.build(lambda: Autoencoder(config))
        self.networks = {"autoencoder": self.network}
        self.rates = {"autoencoder": 1.0}
        if self.loss.adversarial:
            self.networks["discriminator"] = MatchingDiscriminator(
                1 + config.classes, channels=self.loss.channels, layers=self.loss.layers
            )
            self.rates["discriminator"] = self.loss.rate
        # it sees no words, so that any vendor may be learned
        self.words = {}

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """The autoencoder first, then the discriminator on the same pictures."""
        pictures = 2 * batch.images - 1
        labels, _ = dropped(batch, self.loss)
        mask = one_hot_mask(labels, self.network.config.classes)
        made, cost = self.networks["autoencoder"](
            pictures, mask, self._draw(batch), learn_spread=len(batch) / LATENTS_REMEMBERED
        )
        weight = pixel_weight(batch, self.loss.heart_weight)
        alike = (
            self.loss.difference * weighted_mean((made - pictures).abs(), weight)
            + self.loss.edges * _edge_difference(made, pictures, weight)
            + self.loss.bottleneck * cost
        )
        if not self.loss.adversarial:
            yield "autoencoder", alike
            return
        real, fake = (torch.cat([p * batch.covered, mask], dim=1) for p in (pictures, made))
        judged = Judgement(self.networks["discriminator"], real, fake)
        matching = judged.matching()
        praise = judged.praise(self.loss.adversarial)
        yield "autoencoder", alike + self.loss.matching * matching - praise
        yield "discriminator", judged.hinge

    def _draw(self, batch: Batch) -> Tensor:
        rows, columns = (side // DOWN for side in batch.images.shape[2:])
        return batch.normal(self.network.config.latent, rows, columns)

    @torch.no_grad()
    def sheet(self, batch: Batch) -> NDArray[np.float32]:
        """Real pictures, their masks, pictures through the bottleneck, and with an open mask."""
        pictures = 2 * batch.images - 1
        mask = one_hot_mask(batch.labels, self.network.config.classes)
        latents = self.network.encode(pictures)
        rows = given(batch)
        for seen in (mask, torch.zeros_like(mask)):
            made = self.network.decode(latents, seen)
            rows.append(shown(made))
        return tiled(rows)

    def finished(self) -> tuple[BaseModel, dict[str, Tensor]]:
        """The autoencoder without its discriminator."""
        return self.network.config, state_of(self.network)


def _edge_difference(made: Tensor, pictures: Tensor, weight: Tensor) -> Tensor:
    """(n,) mean absolute difference of the steps from pixel to pixel, down and across."""
    off = made - pictures
    down, across = off.diff(dim=2).abs(), off.diff(dim=3).abs()
    return weighted_mean(down, weight[:, :, 1:]) + weighted_mean(across, weight[:, :, :, 1:])
