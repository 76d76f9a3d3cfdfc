"""Training the autoencoder of latent models: difference, edges, feature matching, a discriminator.

As in latent diffusion (Rombach et al. 2022, arXiv:2112.10752), whose first stage is judged by a
patch discriminator too; the perceptual loss there is that of the discriminator's own maps here
(Larsen et al. 2016, arXiv:1512.09300).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from cmr_synth.anatomy.labels import UNLABELLED
from cmr_synth.generators.conditioning import CLASSES, one_hot_mask
from cmr_synth.generators.latent.autoencoder import DOWN, Autoencoder, AutoencoderConfig
from cmr_synth.networks.folder import save_model
from cmr_synth.networks.weights import load_weights, set_state, state_of
from cmr_synth.training.adversarial import (
    MatchingDiscriminator,
    feature_matching,
    hinge_loss,
    mean_score,
)
from cmr_synth.training.batches import Batch
from cmr_synth.training.dropping import Dropping, dropped
from cmr_synth.training.recipe import Recipe, checked

FAMILY = "autoencoder"
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


class AutoencoderTask:
    """The autoencoder as the training loop sees it."""

    def __init__(self, recipe: Recipe):
        where = f"recipe {recipe.name!r}"
        self.loss = checked(AutoencoderLoss, recipe.loss, where=where, under="loss")
        config = checked(AutoencoderConfig, recipe.model, where=where, under="model")
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.network = Autoencoder(config)
        if recipe.initialize_from:
            set_state(self.network, load_weights(Path(recipe.initialize_from)))
        self.networks: dict[str, nn.Module] = {"autoencoder": self.network}
        self.rates = {"autoencoder": 1.0}
        if self.loss.adversarial:
            self.networks["discriminator"] = MatchingDiscriminator(
                1 + CLASSES, channels=self.loss.channels, layers=self.loss.layers
            )
            self.rates["discriminator"] = self.loss.rate
        # it sees no words, so that any vendor may be learned
        self.words: dict[str, tuple[str, ...]] = {}

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """The autoencoder first, then the discriminator on the same pictures."""
        pictures = 2 * batch.images - 1
        labels, _ = dropped(batch, self.loss)
        mask = one_hot_mask(labels)
        made, cost = self.networks["autoencoder"](
            pictures, mask, self._draw(batch), learn_spread=len(batch) / LATENTS_REMEMBERED
        )
        weight = self._weight(batch)
        alike = (
            self.loss.difference * _mean((made - pictures).abs(), weight)
            + self.loss.edges * _edge_difference(made, pictures, weight)
            + self.loss.bottleneck * cost
        )
        if not self.loss.adversarial:
            yield "autoencoder", alike
            return
        real, fake = (torch.cat([p * batch.covered, mask], dim=1) for p in (pictures, made))
        judge = self.networks["discriminator"]
        of_real, of_fake = judge(real), judge(fake)
        hinge = hinge_loss(_scores(of_real), _scores(judge(fake.detach())))
        # a discriminator that cannot tell the two apart (hinge loss 2) has nothing to say
        knows = (1 - hinge.detach().mean() / 2).clamp(0, 1)
        matching = torch.stack(
            [feature_matching(r, f) for r, f in zip(of_real, of_fake, strict=True)]
        ).mean(dim=0)
        judged = self.loss.adversarial * knows * mean_score(_scores(of_fake))
        yield "autoencoder", alike + self.loss.matching * matching - judged
        yield "discriminator", hinge

    def _draw(self, batch: Batch) -> Tensor:
        rows, columns = (side // DOWN for side in batch.images.shape[2:])
        return batch.normal(self.network.config.latent, rows, columns)

    def _weight(self, batch: Batch) -> Tensor:
        """(n, 1, y, x): pixels inside the field of view count, near the heart more."""
        heart = ((batch.labels > 0) & (batch.labels != UNLABELLED)).float()[:, None]
        near = functional.max_pool2d(heart, 9, stride=1, padding=4)
        return batch.covered * (1 + self.loss.heart_weight * near)

    @torch.no_grad()
    def sheet(self, batch: Batch) -> NDArray[np.float32]:
        """Real pictures, their masks, pictures through the bottleneck, and with an open mask."""
        pictures = 2 * batch.images - 1
        mask = one_hot_mask(batch.labels)
        latents = self.network.encode(pictures)
        rows = [batch.images[:, 0], batch.labels.clamp(max=3) / 3]
        for seen in (mask, torch.zeros_like(mask)):
            made = self.network.decode(latents, seen)
            rows.append((made[:, 0].clamp(-1, 1) + 1) / 2)
        return np.concatenate([np.concatenate(list(r.cpu().numpy()), axis=1) for r in rows])

    def save(self, folder: Path, *, images_seen: int, minutes: float) -> None:
        """Write `weights.safetensors` (half precision) and `config.json`."""
        save_model(
            folder,
            family=FAMILY,
            config=self.network.config,
            weights=state_of(self.network),
            recipe=self.recipe,
            images_seen=images_seen,
            minutes=minutes,
            bits=16,
        )


def _mean(error: Tensor, weight: Tensor) -> Tensor:
    """(n,) weighted mean over pixels."""
    total: Tensor = (error * weight).sum(dim=(1, 2, 3)) / weight.sum(dim=(1, 2, 3)).clamp(min=1)
    return total


def _edge_difference(made: Tensor, pictures: Tensor, weight: Tensor) -> Tensor:
    """(n,) mean absolute difference of the steps from pixel to pixel, down and across."""
    off = made - pictures
    down, across = off.diff(dim=2).abs(), off.diff(dim=3).abs()
    return _mean(down, weight[:, :, 1:]) + _mean(across, weight[:, :, :, 1:])


def _scores(maps: tuple[list[Tensor], list[Tensor]]) -> tuple[Tensor, Tensor]:
    return maps[0][-1], maps[1][-1]
