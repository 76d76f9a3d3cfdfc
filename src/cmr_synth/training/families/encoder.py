"""Training the cardiac encoder: which slices belong together, and what was done to each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

from cmr_synth.imaging.damage import DAMAGES, damaged
from cmr_synth.judges.encoder import EncoderConfig, EncoderNetwork
from cmr_synth.networks.weights import state_of
from cmr_synth.training.batches import Batch
from cmr_synth.training.families.family import FamilyTask
from cmr_synth.training.families.sheet import tiled
from cmr_synth.training.recipe import Recipe

PROJECTION = 64


class EncoderLoss(BaseModel):
    """Settings of the loss.

    Parameters
    ----------
    temperature : float
        Of the contrast between slices.
    damage : float
        Weight of telling what was done to a slice.
    rotation_degrees, scale, shift : float
        Ranges of the second view against the first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    temperature: float = Field(0.2, gt=0)
    damage: float = Field(1.0, ge=0)
    rotation_degrees: float = Field(20.0, ge=0, le=180)
    scale: float = Field(0.15, ge=0, lt=1)
    shift: float = Field(0.06, ge=0, le=0.5)


class _Heads(nn.Module):
    """The encoder and what is thrown away after training."""

    def __init__(self, encoder: EncoderNetwork):
        super().__init__()
        width = encoder.config.channels[-1]
        self.encoder = encoder
        self.projection = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Linear(width, PROJECTION)
        )
        self.damage = nn.Linear(width, len(DAMAGES))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.encoder(images)
        return functional.normalize(self.projection(features), dim=1), self.damage(features)


class EncoderTask(FamilyTask):
    """The encoder as the training loop sees it."""

    family = "encoder"
    bits = 16

    def __init__(self, recipe: Recipe):
        super().__init__(recipe)
        self.loss = self.loss_settings(EncoderLoss)
        config = self.model_settings(EncoderConfig)
        self.network = self.build(lambda: EncoderNetwork(config))
        self.networks = {"encoder": _Heads(self.network)}
        self.rates = {"encoder": 1.0}
        self.words = {}

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Contrast of two views of every slice, and the error of the damage told from each.

        Both views of a slice are damaged alike: a blurred slice shall be near to itself turned, and
        far from itself sharp.
        """
        views, strengths = [], []
        second = _moved(batch.images, batch, self.loss)
        damage = [np.random.default_rng(draw.integers(2**63)) for draw in batch.draws]
        seeds = [int(rng.integers(2**63)) for rng in damage]
        for view in (batch.images, second):
            rngs = [np.random.default_rng(seed) for seed in seeds]  # the same for both
            pictures, amount = damaged(view, rngs)
            views.append(pictures)
            strengths.append(amount)
        places, told = self.networks["encoder"](torch.cat(views))
        contrast = _contrast(places.float(), self.loss.temperature)
        off = functional.smooth_l1_loss(told.float(), torch.cat(strengths), reduction="none")
        per_view = contrast + self.loss.damage * off.mean(dim=1)
        yield "encoder", per_view.view(2, len(batch)).mean(dim=0)

    @torch.no_grad()
    def sheet(self, batch: Batch) -> NDArray[np.float32]:
        """Pictures above what the encoder sees of them after damage."""
        rngs = [np.random.default_rng(i) for i in range(len(batch))]
        rows = [batch.images[:, 0], damaged(batch.images, rngs)[0][:, 0]]
        return tiled(rows)

    def finished(self) -> tuple[BaseModel, dict[str, Tensor]]:
        """The network alone."""
        return self.network.config, state_of(self.network)


def _contrast(places: Tensor, temperature: float) -> Tensor:
    """NT-Xent, (2 n,): each view against its other view among all others (arXiv:2002.05709, eq. 1).

    Slices of one patient rarely meet in a batch and count as different then.
    """
    count = len(places)
    alike = places @ places.T / temperature
    alike = alike.masked_fill(torch.eye(count, dtype=torch.bool, device=places.device), -1e9)
    other = torch.arange(count, device=places.device).roll(count // 2)
    return functional.cross_entropy(alike, other, reduction="none")


def _moved(images: Tensor, batch: Batch, loss: EncoderLoss) -> Tensor:
    """Every picture turned, scaled and shifted by its own generator."""
    thetas = []
    for draw in batch.draws:
        angle, scale, dx, dy = draw.uniform(-1, 1, 4)
        angle = np.deg2rad(angle * loss.rotation_degrees)
        zoom = np.exp(scale * np.log1p(loss.scale))
        cos, sin = np.cos(angle) * zoom, np.sin(angle) * zoom
        thetas.append([[cos, -sin, 2 * dx * loss.shift], [sin, cos, 2 * dy * loss.shift]])
    theta = torch.tensor(thetas, dtype=images.dtype, device=images.device)
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    moved = functional.grid_sample(
        images, grid, mode="bicubic", padding_mode="reflection", align_corners=False
    )
    return moved.clamp(0, 1)
