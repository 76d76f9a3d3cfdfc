"""Training the segmenter: Dice plus cross-entropy, unlabelled pixels left out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch import Tensor
from torch.nn import functional

from cmr_synth.anatomy.labels import UNLABELLED
from cmr_synth.judges.segmenter import CLASSES, SegmenterConfig, SegmenterNetwork
from cmr_synth.networks.weights import state_of
from cmr_synth.training.batches import Batch
from cmr_synth.training.families.family import FamilyTask
from cmr_synth.training.families.sheet import tiled
from cmr_synth.training.recipe import Recipe


class SegmenterLoss(BaseModel):
    """Settings of the loss: it has none."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SegmenterTask(FamilyTask):
    """The segmenter as the training loop sees it."""

    family = "segmenter"
    bits = 16

    def __init__(self, recipe: Recipe):
        super().__init__(recipe)
        self.loss_settings(SegmenterLoss)
        config = self.model_settings(SegmenterConfig)
        self.network = self.build(lambda: SegmenterNetwork(config))
        self.networks = {"segmenter": self.network}
        self.rates = {"segmenter": 1.0}
        self.words = {}

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Soft Dice over the structures plus cross-entropy, both on labelled pixels."""
        scores = self.networks["segmenter"](batch.images).float()
        known = ((batch.labels != UNLABELLED) & (batch.covered[:, 0] > 0)).float()
        target = batch.labels.where(batch.labels != UNLABELLED, torch.zeros_like(batch.labels))
        entropy = functional.cross_entropy(scores, target, reduction="none")
        entropy = (entropy * known).sum(dim=(1, 2)) / known.sum(dim=(1, 2)).clamp(min=1)
        yield "segmenter", entropy + _dice_loss(scores.softmax(dim=1), target, known)

    @torch.no_grad()
    def sheet(self, batch: Batch) -> NDArray[np.float32]:
        """Pictures above what was drawn above what is found."""
        found = self.network(batch.images).argmax(dim=1)
        rows = [batch.images[:, 0], batch.labels.clamp(max=3) / 3, found / 3]
        return tiled(rows)

    def finished(self) -> tuple[BaseModel, dict[str, Tensor]]:
        """The network alone."""
        return self.network.config, state_of(self.network)


def _dice_loss(shares: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """One minus soft Dice per image, over all structures of the picture.

    Sums over the picture's structures before dividing, so that an absent structure adds no
    unstable ratio of small numbers.
    """
    truth = functional.one_hot(target, CLASSES).permute(0, 3, 1, 2).float() * known[:, None]
    shares = shares * known[:, None]
    overlap = (shares * truth)[:, 1:].sum(dim=(2, 3))
    total = (shares + truth)[:, 1:].sum(dim=(2, 3))
    return (1 - (2 * overlap + 10) / (total + 10)).mean(dim=1)
