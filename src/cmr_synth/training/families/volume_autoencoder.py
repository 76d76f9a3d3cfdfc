"""Training the autoencoder of volumes: pictures and masks through one bottleneck.

The losses are those of the autoencoder of slices (Rombach et al. 2022, arXiv:2112.10752), with the
cross-entropy of the decoded mask. The discriminator looks at single slices, each with its mask.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional

from cmr_synth.anatomy.labels import UNLABELLED
from cmr_synth.cohorts.slices import SliceSet
from cmr_synth.generators.conditioning import CLASSES
from cmr_synth.generators.volumes.autoencoder import (
    FAMILY,
    VolumeAutoencoder,
    VolumeConfig,
    indicators,
)
from cmr_synth.networks.weights import state_of
from cmr_synth.training.adversarial import Judgement, MatchingDiscriminator
from cmr_synth.training.batches import Batch
from cmr_synth.training.families.family import FamilyTask
from cmr_synth.training.families.sheet import tiled
from cmr_synth.training.recipe import Recipe
from cmr_synth.training.volumes import VolumeBatches, volume_batches
from cmr_synth.training.weighting import near_heart

LATENTS_REMEMBERED = 400  # volumes; the spread of the latents follows the encoder
SHOWN = 2  # volumes on a sheet


class VolumeAutoencoderLoss(BaseModel):
    """Settings of the losses."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    difference: float = Field(10.0, ge=0, description="weight of the absolute difference")
    edges: float = Field(10.0, ge=0, description="weight of that of neighbouring pixels' steps")
    labels: float = Field(2.0, ge=0, description="weight of the cross-entropy of the mask")
    bottleneck: float = Field(0.02, ge=0, description="weight of what the bottleneck costs")
    matching: float = Field(5.0, ge=0, description="weight of the discriminator's maps")
    adversarial: float = Field(
        0.5, ge=0, description="weight of the discriminator's score; at 0 there is none"
    )
    judged: int = Field(2, gt=0, description="slices of a volume that the discriminator sees")
    heart_weight: float = Field(3.0, ge=0, description="added to the weight 1 near the heart")
    channels: int = Field(24, gt=0, description="of the discriminator's first layer")
    layers: int = Field(3, gt=0, description="strided layers of the discriminator")
    rate: float = Field(1.0, gt=0, description="discriminator's learning rate, times the recipe's")


class VolumeAutoencoderTask(FamilyTask):
    """The autoencoder as the training loop sees it."""

    family = FAMILY
    bits = 16

    def __init__(self, recipe: Recipe):
        super().__init__(recipe)
        self.loss = self.loss_settings(VolumeAutoencoderLoss)
        config = self.model_settings(VolumeConfig)
        self.network = self.build(lambda: VolumeAutoencoder(config))
        self.networks = {FAMILY: self.network}
        self.rates = {FAMILY: 1.0}
        if self.loss.adversarial:
            self.networks["discriminator"] = MatchingDiscriminator(
                1 + CLASSES, channels=self.loss.channels, layers=self.loss.layers
            )
            self.rates["discriminator"] = self.loss.rate
        # it sees no words, so that any vendor may be learned
        self.words = {}

    def batches(self, slices: SliceSet) -> VolumeBatches:
        """Volumes in the place of slices."""
        return volume_batches(self.recipe, slices, self.network.config)

    def remarks(self, slices: SliceSet) -> list[str]:
        """What of the training patients is left out."""
        batches = self.batches(slices)
        return batches.left_out.told(batches.depth)

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """The autoencoder first, then the discriminator on the same volumes."""
        pictures = 2 * batch.images - 1
        made, scores, cost = self.networks[FAMILY](
            pictures,
            batch.labels,
            batch.normal(*self.network.config.latent_shape),
            learn_spread=len(batch) / LATENTS_REMEMBERED,
        )
        weight = volume_weight(batch, self.loss.heart_weight)
        missed = functional.cross_entropy(
            scores, batch.labels, ignore_index=UNLABELLED, reduction="none"
        )
        alike = (
            self.loss.difference * volume_mean((made - pictures).abs(), weight)
            + self.loss.edges * _edge_difference(made, pictures, weight)
            + self.loss.labels * volume_mean(missed[:, None], weight)
            + self.loss.bottleneck * cost
        )
        if not self.loss.adversarial:
            yield FAMILY, alike
            return
        chosen = self._judged(batch)
        mask = indicators(batch.labels)
        real, fake = (
            _slices(torch.cat([p * batch.covered, mask], dim=1), chosen) for p in (pictures, made)
        )
        judged = Judgement(self.networks["discriminator"], real, fake)
        praise = judged.praise(self.loss.adversarial)
        opinion = (self.loss.matching * judged.matching() - praise).view(len(batch), -1)
        yield FAMILY, alike + opinion.mean(dim=1)
        yield "discriminator", judged.hinge.view(len(batch), -1).mean(dim=1)

    def _judged(self, batch: Batch) -> Tensor:
        """(n, judged) numbers of the slices that the discriminator sees."""
        depth = batch.labels.shape[1]
        count = min(self.loss.judged, depth)
        drawn = [draw.permutation(depth)[:count] for draw in batch.draws]
        return torch.from_numpy(np.stack(drawn)).to(batch.labels.device)

    @torch.no_grad()
    def sheet(self, batch: Batch) -> NDArray[np.float32]:
        """Real volumes and their masks, slice by slice, and both through the bottleneck."""
        pictures = 2 * batch.images[:SHOWN] - 1
        labels = batch.labels[:SHOWN]
        return volume_sheet(batch, *self.network.decode(self.network.encode(pictures, labels)))

    def finished(self) -> tuple[BaseModel, dict[str, Tensor]]:
        """The autoencoder without its discriminator."""
        return self.network.config, state_of(self.network)


def volume_weight(batch: Batch, heart_weight: float) -> Tensor:
    """(n, 1, d, y, x): 1 inside the field of view, `heart_weight` more near the heart."""
    near = near_heart(batch.labels.flatten(0, 1)).unflatten(0, batch.labels.shape[:2])
    return batch.covered * (1 + heart_weight * near.transpose(1, 2))


def volume_mean(error: Tensor, weight: Tensor) -> Tensor:
    """(n,) weighted mean over voxels."""
    over = (1, 2, 3, 4)
    total: Tensor = (error * weight).sum(dim=over) / weight.sum(dim=over).clamp(min=1)
    return total


def volume_sheet(batch: Batch, pictures: Tensor, scores: Tensor) -> NDArray[np.float32]:
    """Rows of slices: real pictures and masks, then the pictures and masks given, by volume."""
    rows = []
    for k in range(min(SHOWN, len(pictures))):
        rows += [batch.images[k, 0], batch.labels[k].clamp(max=3) / 3]
        rows += [(pictures[k, 0].clamp(-1, 1) + 1) / 2, scores[k].argmax(dim=0) / 3]
    return tiled(rows)


def _slices(volumes: Tensor, chosen: Tensor) -> Tensor:
    """(n * k, c, y, x): of each volume (n, c, d, y, x) the slices chosen (n, k)."""
    pairs = zip(volumes, chosen, strict=True)
    return torch.cat([volume[:, own].transpose(0, 1) for volume, own in pairs])


def _edge_difference(made: Tensor, pictures: Tensor, weight: Tensor) -> Tensor:
    """(n,) mean absolute difference of the steps from pixel to pixel, down and across."""
    off = made - pictures
    down, across = off.diff(dim=3).abs(), off.diff(dim=4).abs()
    return volume_mean(down, weight[:, :, :, 1:]) + volume_mean(across, weight[..., 1:])
