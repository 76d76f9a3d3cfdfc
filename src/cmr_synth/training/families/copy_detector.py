"""Training the copy detector: changed copies to be found among the other pictures of a batch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional

from cmr_synth.imaging.copies import (
    Change,
    changed,
    intensity_warp,
    occluded,
    pasted,
    random_change,
)
from cmr_synth.judges.copy_detector import GRID, CopyDetectorConfig, CopyDetectorNetwork
from cmr_synth.networks.weights import state_of
from cmr_synth.training.batches import Batch
from cmr_synth.training.families.family import FamilyTask
from cmr_synth.training.families.sheet import tiled
from cmr_synth.training.recipe import Recipe


class CopyDetectorLoss(BaseModel):
    """Settings of the loss.

    Parameters
    ----------
    temperature : float
        Of the contrast between pictures.
    spread : float
        Weight of the term that keeps descriptors apart.
    window : float
        Weight of the contrast between windows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    temperature: float = Field(0.07, gt=0)
    spread: float = Field(0.1, ge=0)
    window: float = Field(1.0, ge=0)


class CopyDetectorTask(FamilyTask):
    """The copy detector as the training loop sees it."""

    family = "copy-detector"
    bits = 16

    def __init__(self, recipe: Recipe):
        super().__init__(recipe)
        self.loss = self.loss_settings(CopyDetectorLoss)
        config = self.model_settings(CopyDetectorConfig)
        self.network = self.build(lambda: CopyDetectorNetwork(config))
        self.networks = {"detector": self.network}
        self.rates = {"detector": 1.0}
        self.words = {}

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Contrast of originals with two changed copies of each, as wholes and by a window."""
        copies, mixed, at = self._copies(batch)
        whole, window = self.network(torch.cat([batch.images, copies, mixed]))
        count = len(batch)
        originals, moved, parts = whole.float().split(count)
        temperature = self.loss.temperature
        loss = _contrast(originals, moved, temperature) + _contrast(originals, parts, temperature)
        here = torch.arange(count, device=window.device)
        place = torch.from_numpy(at).to(window.device)
        first, _, third = window.float().split(count)
        # every picture's window at the very place: what a part must be told from
        alike = torch.einsum("kd,kjd->kj", third[here, place], first[:, place].transpose(0, 1))
        loss = loss + self.loss.window * functional.cross_entropy(
            alike / temperature, here, reduction="none"
        )
        yield "detector", loss + self.loss.spread * _spread(originals)

    def _copies(self, batch: Batch) -> tuple[Tensor, Tensor, NDArray[np.int64]]:
        """Moved and degraded copies, copies mixed with others, and the window that shows them."""
        count = len(batch)
        copies, mixed, at = [], [], np.zeros(count, np.int64)
        for k, (image, draw) in enumerate(zip(batch.images, batch.draws, strict=True)):
            other = batch.images[(k + 1 + int(draw.integers(max(count - 1, 1)))) % count]
            copy = changed(image, random_change(draw), draw)
            if draw.random() < 0.3:
                copy = intensity_warp(copy, draw)
            if draw.random() < 0.3:
                copy = occluded(copy, other, draw)
            copies.append(copy)
            part = changed(image, _mild(draw), draw)
            rows, columns = image.shape[-2:]
            if draw.random() < 0.4:
                at[k] = int(draw.integers(GRID * GRID))
                weight = float(draw.uniform(0.55, 0.9))
                mixed.append(weight * part + (1 - weight) * other)
            else:
                side = tuple(int(s * draw.uniform(0.45, 0.6)) for s in (rows, columns))
                top = int(draw.integers(rows - side[0] + 1))
                left = int(draw.integers(columns - side[1] + 1))
                # the window that shows most of the part
                middle = ((top + side[0] / 2) / rows, (left + side[1] / 2) / columns)
                row, column = (int(np.clip(round(8 * m - 2), 0, GRID - 1)) for m in middle)
                at[k] = row * GRID + column
                mixed.append(pasted(part, other, (top, left), (side[0], side[1])))
        return torch.stack(copies), torch.stack(mixed), at

    @torch.no_grad()
    def sheet(self, batch: Batch) -> NDArray[np.float32]:
        """Pictures above the two changed copies of each."""
        copies, mixed, _ = self._copies(batch)
        rows = [batch.images[:, 0], copies[:, 0], mixed[:, 0]]
        return tiled(rows)

    def finished(self) -> tuple[BaseModel, dict[str, Tensor]]:
        """The network alone."""
        return self.network.config, state_of(self.network)


def _mild(draw: np.random.Generator) -> Change:
    """The changes of a copy that is mixed with something else."""
    down, right, gamma = draw.uniform(-1, 1, 3)
    return Change(
        shift=(0.02 * down, 0.02 * right) if draw.random() < 0.5 else (0.0, 0.0),
        blur=float(draw.random()) if draw.random() < 0.3 else 0.0,
        noise=0.04 * float(draw.random()) if draw.random() < 0.3 else 0.0,
        gamma=0.3 * gamma if draw.random() < 0.3 else 0.0,
    )


def _contrast(originals: Tensor, copies: Tensor, temperature: float) -> Tensor:
    """InfoNCE both ways, (n,): every copy against the other pictures (arXiv:1807.03748, eq. 4).

    Descriptors have length 1. Other originals count as others too, so that originals are apart.
    """
    count = len(originals)
    alike = originals @ copies.T / temperature
    among = (originals @ originals.T / temperature).masked_fill(
        torch.eye(count, dtype=torch.bool, device=originals.device), -1e9
    )
    which = torch.arange(count, device=originals.device)
    there = functional.cross_entropy(torch.cat([alike, among], 1), which, reduction="none")
    back = functional.cross_entropy(torch.cat([alike.T, among], 1), which, reduction="none")
    return (there + back) / 2


def _spread(places: Tensor) -> Tensor:
    """Minus the logarithm of the distance to the nearest other, (n,) (arXiv:1806.03198, eq. 2)."""
    apart = torch.cdist(places, places.detach())
    apart = apart + 10 * torch.eye(len(places), device=places.device)
    return -torch.log(apart.min(dim=1).values + 1e-4)
