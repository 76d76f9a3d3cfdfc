"""Training the network of a latent model, on what a trained autoencoder encodes.

The objective is flow matching (Lipman et al. 2023, arXiv:2210.02747) or denoising diffusion (Ho et
al. 2020, arXiv:2006.11239); both as in pixel space, on latents (Rombach et al. 2022,
arXiv:2112.10752). The autoencoder stays as it is and is saved along, so that the model folder is
complete. Start with the weights of the autoencoder, or of an earlier latent model with its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from torch import Tensor
from torch.nn import functional

from cmr_synth.cohorts.examination import CONTRASTS
from cmr_synth.generators.conditioning import one_hot_mask
from cmr_synth.generators.latent.autoencoder import DOWN
from cmr_synth.generators.latent.generator import DEFAULT_STEPS, FAMILY, LatentGenerator
from cmr_synth.generators.latent.network import LatentConfig, LatentModel
from cmr_synth.networks.weights import state_of
from cmr_synth.training.batches import Batch
from cmr_synth.training.dropping import Dropping, dropped
from cmr_synth.training.families.diffusion import level_weight
from cmr_synth.training.families.earlier import on_autoencoder
from cmr_synth.training.families.family import FamilyTask
from cmr_synth.training.families.sheet import given, shown, tiled
from cmr_synth.training.recipe import Recipe
from cmr_synth.training.weighting import pixel_weight, weighted_mean


class LatentLoss(Dropping):
    """Settings of the loss."""

    time_mean: float = Field(-0.4, description="of the logit of the flow's times")
    time_sd: float = Field(1.0, gt=0)
    snr_bound: float = Field(
        20.0, gt=0, description="of the diffusion: from this ratio on all noise levels weigh alike"
    )
    heart_weight: float = Field(1.0, ge=0, description="added to the weight 1 near the heart")


class LatentTask(FamilyTask):
    """The latent network as the training loop sees it."""

    family = FAMILY
    contrasts = tuple(CONTRASTS)
    knows_contrasts = True
    loss_kind: ClassVar[type[LatentLoss]] = LatentLoss
    loss: LatentLoss
    model: Any  # a `LatentModel`, or what has its network and autoencoder

    def __init__(self, recipe: Recipe):
        super().__init__(recipe)
        self.loss = self.loss_settings(self.loss_kind)
        self.model = self._started()
        self.model.autoencoder.eval().requires_grad_(False)
        config = self.model.config
        self.contrast = tuple(config.contrasts) or config.contrast
        self.network = self.model.network
        self.networks = {"latent": self.network}
        self.rates = {"latent": 1.0}
        self.words = self.network.conditions.words

    def _started(self) -> Any:
        """The model with the weights of an autoencoder, or of an earlier model, in it."""
        return on_autoencoder(
            self, LatentModel, LatentConfig, recipe_of_it="autoencoder", what="a latent model"
        )

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Weighted squared error of the clean latents at one random time an image."""
        latents = self._encoded(2 * batch.images - 1)
        labels, conditions = dropped(batch, self.loss)
        noise = batch.normal(*latents.shape[1:])
        if self.model.config.objective == "flow":
            time = torch.sigmoid(self.loss.time_mean + self.loss.time_sd * batch.normal())
            t = time.view(-1, 1, 1, 1)
            noisy = t * latents + (1 - t) * noise
            # the velocity's error; bounded, or late times would drown the others
            level = 1 / (1 - time).clamp(min=0.1) ** 2
        else:
            steps = self.model.config.train_steps
            time = torch.tensor((batch.uniform() * steps).astype(np.int64), device=latents.device)
            share = self.network.share(time)
            noisy = share.sqrt() * latents + (1 - share).sqrt() * noise
            level = level_weight("sample", share.flatten(), self.loss.snr_bound)
        found = self.networks["latent"](noisy, time, *self.told(batch, labels, conditions))
        spread = self.model.config.autoencoder.spread
        yield "latent", level * self._error(found, latents, batch) / spread**2

    def told(
        self, batch: Batch, labels: Tensor, conditions: list[dict[str, Any]]
    ) -> tuple[Tensor, list[dict[str, Any]]]:
        """What the network is told of a batch beside what is noisy: masks, and conditions."""
        return one_hot_mask(labels, self.model.config.classes), conditions

    @torch.no_grad()
    def _encoded(self, pictures: Tensor) -> Tensor:
        autoencoder = self.model.autoencoder.to(pictures.device)
        return autoencoder.encode(pictures)

    def _error(self, found: Tensor, latents: Tensor, batch: Batch) -> Tensor:
        """(n,) mean squared error of positions in the field of view, more of it near the heart."""
        weight = functional.avg_pool2d(pixel_weight(batch, self.loss.heart_weight), DOWN)
        return weighted_mean(((found - latents) ** 2).mean(dim=1, keepdim=True), weight)

    @torch.no_grad()
    def sheet(self, batch: Batch) -> NDArray[np.float32]:
        """Real pictures, their masks, real ones through the autoencoder, and synthetic ones."""
        mask = one_hot_mask(batch.labels, self.model.config.classes)
        autoencoder = self.model.autoencoder.to(mask.device)
        noise = batch.normal(*self.model.config.latent_shape)
        generator = LatentGenerator(self.model, device=str(mask.device))
        objective = self.model.config.objective
        for made in generator.solve(
            noise, mask, list(batch.conditions), steps=DEFAULT_STEPS[objective]
        ):
            latents = made
        rows = given(batch)
        for coded in (self._encoded(2 * batch.images - 1), latents):
            rows.append(shown(autoencoder.decode(coded, mask)))
        return tiled(rows)

    def finished(self) -> tuple[BaseModel, dict[str, Tensor]]:
        """Network and autoencoder."""
        return self.model.config, state_of(self.model)
