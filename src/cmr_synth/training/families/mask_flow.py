"""Training the mask flow: the velocity error of distance maps; pictures are not looked at."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from torch import Tensor

from cmr_synth.anatomy.labels import UNLABELLED
from cmr_synth.generators.flow.sampler import heun
from cmr_synth.generators.mask_flow.masks import FAMILY
from cmr_synth.generators.mask_flow.network import (
    MAPS,
    MaskFlowConfig,
    MaskFlowNetwork,
    guide_of,
    labels_of,
    maps_of,
)
from cmr_synth.networks.weights import state_of
from cmr_synth.training.batches import Batch
from cmr_synth.training.dropping import Dropping, dropped
from cmr_synth.training.families.family import FamilyTask
from cmr_synth.training.families.sheet import tiled
from cmr_synth.training.recipe import Recipe
from cmr_synth.training.weighting import near_heart, weighted_mean


class MaskFlowLoss(Dropping):
    """Settings of the loss."""

    time_mean: float = 0.0
    time_sd: float = Field(1.0, gt=0)
    drop_mask: float = Field(
        0.2, ge=0, le=1, description="share of masks without a guide, and without any condition"
    )
    drop_guide: float = Field(0.2, ge=0, le=1, description="share of masks without a guide alone")
    heart_weight: float = Field(3.0, ge=0, description="added to the weight 1 near the heart")


class MaskFlowTask(FamilyTask):
    """The mask flow as the training loop sees it.

    Slices on which not everything is drawn teach nothing: they count with weight 0.
    """

    family = FAMILY

    def __init__(self, recipe: Recipe):
        super().__init__(recipe)
        self.loss = self.loss_settings(MaskFlowLoss)
        config = self.model_settings(MaskFlowConfig)
        self.network = self.build(lambda: MaskFlowNetwork(config))
        self.networks = {"mask-flow": self.network}
        self.rates = {"mask-flow": 1.0}
        self.words = config.known_words

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """The squared velocity error, bounded as the flow's."""
        kept, conditions = dropped(batch, self.loss)
        alone = torch.tensor(batch.uniform() < self.loss.drop_guide, device=kept.device)
        guide = guide_of(kept.masked_fill(alone[:, None, None], UNLABELLED), self.network.config)
        maps = self._maps(batch)
        noise = batch.normal(MAPS, *batch.images.shape[2:])
        logit = self.loss.time_mean + self.loss.time_sd * batch.normal()
        time = torch.sigmoid(logit)
        t = time.view(-1, 1, 1, 1)
        estimate = self.networks["mask-flow"](t * maps + (1 - t) * noise, time, guide, conditions)
        scale = 1 / (1 - t).clamp(min=0.1)
        weight = 1 + self.loss.heart_weight * near_heart(batch.labels)
        error = ((estimate - maps) * scale).square().mean(dim=1, keepdim=True)
        whole = (batch.labels != UNLABELLED).all(dim=2).all(dim=1)
        yield "mask-flow", weighted_mean(error, weight) * whole

    def _maps(self, batch: Batch) -> Tensor:
        found = maps_of(batch.labels.cpu().numpy(), self.network.config)
        return torch.from_numpy(found).to(batch.labels.device)

    @torch.no_grad()
    def sheet(self, batch: Batch) -> NDArray[np.float32]:
        """Masks of patients, and drawn ones with and without these as guides."""
        config = self.network.config
        start = batch.normal(MAPS, *batch.images.shape[2:])
        guide = guide_of(batch.labels, config)
        rows = [batch.labels.clamp(max=3) / 3]
        for given in (guide, torch.zeros_like(guide)):
            *_, maps = heun(self.network, start, given, list(batch.conditions), steps=8)
            rows.append(torch.from_numpy(labels_of(maps.cpu().numpy()) / np.float32(3)))
        return tiled(rows)

    def finished(self) -> tuple[BaseModel, dict[str, Tensor]]:
        """The network alone."""
        return self.network.config, state_of(self.network)
