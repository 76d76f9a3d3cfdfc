"""Training the latent diffusion of volumes, on what a trained autoencoder of volumes encodes.

As the latent diffusion of slices, in three dimensions; Cheng et al. train one on volumes with their
masks. Start with the weights of the autoencoder, or of an earlier latent model with its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from torch import Tensor

from cmr_synth.cohorts.slices import SliceSet
from cmr_synth.generators.diffusion.sampler import denoise
from cmr_synth.generators.volumes.autoencoder import FAMILY as AUTOENCODER
from cmr_synth.generators.volumes.autoencoder import VolumeConfig
from cmr_synth.generators.volumes.generator import DEFAULT_STEPS, FAMILY
from cmr_synth.generators.volumes.network import LatentVolumeConfig, LatentVolumeModel
from cmr_synth.networks.weights import state_of
from cmr_synth.training.batches import Batch
from cmr_synth.training.dropping import Dropping, dropped
from cmr_synth.training.families.diffusion import level_weight
from cmr_synth.training.families.earlier import on_autoencoder
from cmr_synth.training.families.family import FamilyTask
from cmr_synth.training.families.volume_autoencoder import SHOWN, volume_sheet
from cmr_synth.training.recipe import Recipe
from cmr_synth.training.volumes import VolumeBatches, volume_batches


class LatentVolumeLoss(Dropping):
    """Settings of the loss."""

    snr_bound: float = Field(
        20.0, gt=0, description="from this signal-to-noise ratio on all noise levels weigh alike"
    )


class LatentVolumeTask(FamilyTask):
    """The latent network as the training loop sees it."""

    family = FAMILY

    def __init__(self, recipe: Recipe):
        super().__init__(recipe)
        self.loss = self.loss_settings(LatentVolumeLoss)
        self.model = on_autoencoder(
            self,
            LatentVolumeModel,
            LatentVolumeConfig,
            inner_kind=VolumeConfig,
            inner_family=AUTOENCODER,
            recipe_of_it="autoencoder-stack",
            what="a latent model of volumes",
        )
        self.model.autoencoder.eval().requires_grad_(False)
        self.network = self.model.network
        self.networks = {FAMILY: self.network}
        self.rates = {FAMILY: 1.0}
        self.words = self.network.conditions.words

    def batches(self, slices: SliceSet) -> VolumeBatches:
        """Volumes in the place of slices."""
        return volume_batches(self.recipe, slices, self.model.autoencoder.config)

    def remarks(self, slices: SliceSet) -> list[str]:
        """What of the training patients is left out."""
        batches = self.batches(slices)
        return batches.left_out.told(batches.depth)

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Weighted squared error of the clean latents at one random noise level a volume."""
        latents = self._encoded(batch)
        _, conditions = dropped(batch, self.loss)
        noise = batch.normal(*latents.shape[1:])
        steps = (batch.uniform() * self.model.config.train_steps).astype(np.int64)
        step = torch.tensor(steps, device=latents.device)
        share = self.network.share(step)
        noisy = share.sqrt() * latents + (1 - share).sqrt() * noise
        found = self.networks[FAMILY](noisy, step, noise, conditions)
        level = level_weight("sample", share.flatten(), self.loss.snr_bound)
        spread = self.model.config.autoencoder.spread
        yield FAMILY, level * ((found - latents) ** 2).mean(dim=(1, 2, 3, 4)) / spread**2

    @torch.no_grad()
    def _encoded(self, batch: Batch) -> Tensor:
        autoencoder = self.model.autoencoder.to(batch.images.device)
        return autoencoder.encode(2 * batch.images - 1, batch.labels)

    @torch.no_grad()
    def sheet(self, batch: Batch) -> NDArray[np.float32]:
        """Real volumes and their masks, slice by slice, and synthetic ones of their conditions."""
        noise = batch.normal(*self.model.config.autoencoder.latent_shape)[:SHOWN]
        given = list(batch.conditions)[:SHOWN]
        network: Any = self.network  # the samplers take it for one of slices
        *_, latents = denoise(network, noise, noise[:, :1], given, steps=DEFAULT_STEPS)
        return volume_sheet(batch, *self.model.autoencoder.to(noise.device).decode(latents))

    def finished(self) -> tuple[BaseModel, dict[str, Tensor]]:
        """Network and autoencoder."""
        return self.model.config, state_of(self.model)
