"""Training the segmenter: Dice plus cross-entropy, unlabelled pixels left out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.nn import functional

from cmr_synth.anatomy.labels import UNLABELLED
from cmr_synth.files import write_file
from cmr_synth.judges.segmenter_network import CLASSES, SegmenterConfig, SegmenterNetwork
from cmr_synth.networks.weights import load_weights, save_weights, set_state, state_of
from cmr_synth.training.batches import Batch
from cmr_synth.training.recipe import Recipe, checked


class SegmenterLoss(BaseModel):
    """Settings of the loss: it has none."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SegmenterTask:
    """The segmenter as the training loop sees it."""

    def __init__(self, recipe: Recipe):
        where = f"recipe {recipe.name!r}"
        checked(SegmenterLoss, recipe.loss, where=where, under="loss")
        config = checked(SegmenterConfig, recipe.model, where=where, under="model")
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.network = SegmenterNetwork(config)
        if recipe.initialize_from:
            set_state(self.network, load_weights(Path(recipe.initialize_from)))
        self.networks: dict[str, nn.Module] = {"segmenter": self.network}
        self.rates = {"segmenter": 1.0}
        self.words: Mapping[str, Sequence[str]] = {}

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
        return np.concatenate([np.concatenate(list(r.cpu().numpy()), axis=1) for r in rows])

    def save(self, folder: Path, *, images_seen: int, minutes: float) -> None:
        """Write `weights.safetensors` (half precision) and `config.json`."""
        save_weights(folder / "weights.safetensors", state_of(self.network), bits=16)
        about: dict[str, Any] = {
            "family": "segmenter",
            "config": self.network.config.model_dump(),
            "recipe": self.recipe.model_dump(mode="json"),
            "images_seen": images_seen,
            "minutes": round(minutes, 1),
        }
        with write_file(folder / "config.json") as path:
            path.write_text(json.dumps(about, indent=2) + "\n")


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
