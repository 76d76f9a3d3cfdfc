"""Training the segmenter: Dice plus cross-entropy; what nobody drew is not counted.

Of partly labelled slices either the labelled pixels alone are counted, or all that is known: where
the left cavity was drawn, a pixel without label is not of it. The latter are the marginal losses of
Shi et al. 2021 (doi:10.1016/j.media.2021.101979): what a pixel may be is one class.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from cmr_synth.anatomy.labels import BACKGROUND, MYO, SCAR, UNLABELLED, WALL
from cmr_synth.cohorts.examination import CONTRASTS
from cmr_synth.judges.segmenter import SegmenterConfig, SegmenterNetwork
from cmr_synth.networks.weights import state_of
from cmr_synth.training.batches import Batch
from cmr_synth.training.families.family import FamilyTask
from cmr_synth.training.families.sheet import tiled
from cmr_synth.training.recipe import Recipe

SMOOTHING = 10.0  # pixels


class SegmenterLoss(BaseModel):
    """Settings of the loss."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    partial: Literal["ignored", "marginal"] = Field(
        "ignored",
        description="what pixels without label count for: nothing, or not being of a structure "
        "that was drawn on their slice",
    )
    dice: Literal["picture", "batch"] = Field(
        "picture",
        description="of a structure in each picture, or in all pictures of a batch together: "
        "small ones that most pictures lack, such as scar, are learned steadily",
    )


class SegmenterTask(FamilyTask):
    """The segmenter as the training loop sees it."""

    family = "segmenter"
    bits = 16
    contrasts = tuple(CONTRASTS)

    def __init__(self, recipe: Recipe):
        super().__init__(recipe)
        self.loss = self.loss_settings(SegmenterLoss)
        config = self.model_settings(SegmenterConfig)
        self.contrast = config.contrast
        self.network = self.build(lambda: SegmenterNetwork(config))
        self.networks = {"segmenter": self.network}
        self.rates = {"segmenter": 1.0}
        self.words = {}

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Soft Dice over the structures plus cross-entropy, both where something is known."""
        scores = self.networks["segmenter"](batch.images).float()
        labels, classes = (
            known_labels(batch.labels, self.network.config),
            self.network.config.labels,
        )
        may_be = possible(labels, classes, marginal=self.loss.partial == "marginal")
        inside = (batch.covered[:, 0] > 0).float()
        # nothing is learned where a pixel may be anything: its class is certain
        known = inside * (~may_be.all(dim=1)).float()
        fitting = scores.masked_fill(~may_be, float("-inf"))
        entropy = scores.logsumexp(dim=1) - fitting.logsumexp(dim=1)
        entropy = (entropy * known).sum(dim=(1, 2)) / known.sum(dim=(1, 2)).clamp(min=1)
        together = self.loss.dice == "batch"
        dice = _dice_loss(scores.softmax(dim=1), may_be, inside, together=together)
        yield "segmenter", entropy + dice

    @torch.no_grad()
    def sheet(self, batch: Batch) -> NDArray[np.float32]:
        """Pictures above what was drawn above what is found."""
        classes = torch.tensor(self.network.config.labels, device=batch.images.device)
        found = classes[self.network(batch.images).argmax(dim=1)]
        most = max(self.network.config.labels)
        return tiled([batch.images[:, 0], batch.labels.clamp(max=most) / most, found / most])

    def finished(self) -> tuple[BaseModel, dict[str, Tensor]]:
        """The network alone."""
        return self.network.config, state_of(self.network)


def known_labels(labels: Tensor, config: SegmenterConfig) -> Tensor:
    """Labels as a segmenter knows them: scar is wall to one that tells none apart.

    What else it does not know is background to it.

    Parameters
    ----------
    labels : (n, rows, columns) int64 tensor
        Engine labels, 255 unlabelled.
    config : SegmenterConfig
    """
    for scar in set(SCAR.values()) - set(config.labels):
        labels = labels.masked_fill(labels == scar, MYO)
    known = torch.tensor([*config.labels, UNLABELLED], device=labels.device)
    return labels.where(torch.isin(labels, known), BACKGROUND)


def possible(labels: Tensor, classes: Sequence[int], *, marginal: bool) -> Tensor:
    """What each pixel may be, (n, classes, rows, columns) bool.

    Parameters
    ----------
    labels : (n, rows, columns) int64 tensor
        Engine labels among `classes`, 255 unlabelled.
    classes : sequence of int
        Engine label of each class, the background first.
    marginal : bool
        Whether an unlabelled pixel is known not to be of a structure that its slice has, nor scar
        where the wall was drawn; else it may be anything.
    """
    numbers = torch.tensor(classes, device=labels.device)
    given = labels[:, None] == numbers[:, None, None]
    hidden = torch.ones(len(labels), len(classes), dtype=torch.bool, device=labels.device)
    if marginal:
        hidden = ~given.any(dim=(2, 3))
        wall = torch.isin(labels, torch.tensor(WALL, device=labels.device)).any(dim=(1, 2))
        for k, label in enumerate(classes):
            if label in WALL:
                hidden[:, k] = ~wall
        hidden[:, 0] = True
    return given | ((labels == UNLABELLED)[:, None] & hidden[:, :, None, None])


def _dice_loss(shares: Tensor, may_be: Tensor, inside: Tensor, *, together: bool) -> Tensor:
    """One minus soft Dice, (n,): mean over structures, in each picture or in all `together`.

    A structure counts where it is known whether a pixel is of it. `SMOOTHING` pixels keep the ratio
    of a structure that is not there steady.
    """
    alone = may_be.sum(dim=1, keepdim=True) == 1
    known = (alone | ~may_be) * inside[:, None]
    truth = (may_be & alone) * known
    shares = shares * known
    overlap = (shares * truth)[:, 1:].sum(dim=(2, 3))
    total = (shares + truth)[:, 1:].sum(dim=(2, 3))
    if together:
        overlap, total = overlap.sum(dim=0, keepdim=True), total.sum(dim=0, keepdim=True)
    lost = (1 - (2 * overlap + SMOOTHING) / (total + SMOOTHING)).mean(dim=1)
    return lost.expand(len(shares))
