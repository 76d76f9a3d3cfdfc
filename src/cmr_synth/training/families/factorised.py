"""Training the factorised VAE: two codes, of which one knows the heart and the other the scanner.

After FFD-VAE (Zhang et al. 2025, "DiffuSeg"). The bundled segmenter looks at every picture, and
what it sees is to be read from the anatomy's code alone (distillation, Hinton et al. 2015,
arXiv:1503.02531). The vendor is to be told from the domain's code. And each picture is decoded once
more with the domain of another vendor: the encoders have to find that domain in it, and the heart
that was there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from torch import Tensor
from torch.nn import functional

from cmr_synth.generators.conditioning import one_hot_mask
from cmr_synth.generators.factorised.generator import FAMILY
from cmr_synth.generators.factorised.network import (
    DOWN,
    FactorisedConfig,
    FactorisedNetwork,
    Gaussian,
)
from cmr_synth.judges.segmenter import Segmenter
from cmr_synth.networks.weights import state_of
from cmr_synth.training.batches import Batch
from cmr_synth.training.dropping import Dropping, dropped
from cmr_synth.training.families.family import FamilyTask
from cmr_synth.training.families.sheet import given, shown, tiled
from cmr_synth.training.recipe import Recipe
from cmr_synth.training.weighting import pixel_weight, weighted_mean

SEGMENTER_MM = 1.5


class FactorisedLoss(Dropping):
    """Settings of the losses."""

    difference: float = Field(10.0, ge=0, description="weight of the absolute difference")
    edges: float = Field(10.0, ge=0, description="weight of that of neighbouring pixels' steps")
    anatomy: float = Field(0.02, ge=0, description="weight of that code's divergence, in nats")
    domain: float = Field(0.1, ge=0, description="weight of that code's divergence, in nats")
    distill: float = Field(1.0, ge=0, description="weight of what the segmenter sees")
    vendor: float = Field(0.2, ge=0, description="weight of telling the vendor")
    swap: float = Field(1.0, ge=0, description="weight of both codes after an exchange")
    heart_weight: float = Field(1.0, ge=0, description="added to the weight 1 near the heart")


class FactorisedTask(FamilyTask):
    """The factorised VAE as the training loop sees it."""

    family = FAMILY

    def __init__(self, recipe: Recipe):
        super().__init__(recipe)
        self.loss = self.loss_settings(FactorisedLoss)
        config = self.model_settings(FactorisedConfig)
        if self.loss.distill and abs(config.spacing_mm - SEGMENTER_MM) > 1e-3:
            raise self.wrong(
                "model.spacing_mm",
                f"the segmenter that is distilled looks at {SEGMENTER_MM:g} mm; choose that, or "
                "set loss.distill to 0.",
            )
        self.network = self.build(lambda: FactorisedNetwork(config))
        self.networks = {FAMILY: self.network}
        self.rates = {FAMILY: 1.0}
        self.words = self.network.conditions.words
        self._teacher: Segmenter | None = None

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """The sum of all, an image each."""
        pictures = 2 * batch.images - 1
        labels, conditions = dropped(batch, self.loss)
        config = self.network.config
        rows, columns = (side // DOWN for side in config.shape)
        draws = (
            batch.normal(config.anatomy, rows, columns),
            batch.normal(config.domain),
            batch.normal(config.domain),
        )
        other = self._others(batch, conditions)
        mask = one_hot_mask(labels)
        found = self.networks[FAMILY](pictures, mask, conditions, other, draws)
        weight = pixel_weight(batch, self.loss.heart_weight)
        off = found["made"] - pictures
        down, across = off.diff(dim=2).abs(), off.diff(dim=3).abs()
        loss = (
            self.loss.difference * weighted_mean(off.abs(), weight)
            + self.loss.edges * weighted_mean(down, weight[:, :, 1:])
            + self.loss.edges * weighted_mean(across, weight[:, :, :, 1:])
            + self.loss.anatomy * _divergence(found["anatomy"], found["anatomy_prior"])
            + self.loss.domain * _divergence(found["domain"], found["domain_prior"])
            + self.loss.vendor * self._vendor_missed(found["vendor"], batch)
            + self.loss.swap * (found["taken_again"] - found["taken"].detach()).abs().mean(dim=1)
        )
        if self.loss.distill:
            sees = self._sees(batch.images)
            missed = _missed(found["seen"], sees, weight)
            again = _missed(found["seen_again"], sees, weight)
            loss = loss + self.loss.distill * (missed + self.loss.swap * again)
        yield FAMILY, loss

    def _others(self, batch: Batch, conditions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The conditions of a batch with a vendor drawn for each."""
        vendors = self.network.config.vendors
        if not vendors:
            return conditions
        chosen = (batch.uniform() * len(vendors)).astype(int)
        return [{**c, "vendor": vendors[k]} for c, k in zip(conditions, chosen, strict=True)]

    def _vendor_missed(self, logits: Tensor, batch: Batch) -> Tensor:
        """(n,) cross-entropy of the vendor; 0 where it is unknown."""
        vendors = self.network.config.vendors
        told = [c.get("vendor") for c in batch.conditions]
        rows = [vendors.index(v) if v in vendors else -100 for v in told]
        goal = torch.tensor(rows, device=logits.device)
        return functional.cross_entropy(logits, goal, reduction="none", ignore_index=-100)

    @torch.no_grad()
    def _sees(self, images: Tensor) -> Tensor:
        """(n, 4, y, x) shares that the segmenter gives to each class."""
        if self._teacher is None or self._teacher.device != images.device:
            self._teacher = Segmenter.load(device=str(images.device))
        return self._teacher.network(images.float()).float().softmax(dim=1)

    @torch.no_grad()
    def sheet(self, batch: Batch) -> NDArray[np.float32]:
        """Real pictures, masks, own codes, each in the domain of the next, and drawn pictures."""
        pictures = 2 * batch.images - 1
        network, conditions = self.network, list(batch.conditions)
        anatomy, domain = network.encode(pictures)[0], network.domain(pictures)[0]
        rows = given(batch)
        for taken in (domain, domain.roll(1, dims=0)):
            rows.append(shown(network.decode(anatomy, taken)))
        noise = batch.normal(*pictures.shape[1:])
        expected = network.prior_of_domain(conditions)[0]
        rows.append(shown(network.draw(expected, noise, one_hot_mask(batch.labels), conditions)))
        return tiled(rows)

    def finished(self) -> tuple[BaseModel, dict[str, Tensor]]:
        """Encoders, priors and decoder."""
        return self.network.config, state_of(self.network)


def _divergence(code: Gaussian, prior: Gaussian) -> Tensor:
    """(n,) Kullback-Leibler divergence of a code from its prior, in nats a channel and place."""
    (mean, log_variance), (expected, log_expected) = code, prior
    off = (mean - expected) ** 2 + log_variance.exp()
    each = 0.5 * (log_expected - log_variance + off / log_expected.exp() - 1)
    return each.flatten(2).sum(dim=1).mean(dim=1) if each.dim() > 2 else each.sum(dim=1)


def _missed(logits: Tensor, sees: Tensor, weight: Tensor) -> Tensor:
    """(n,) cross-entropy of what a code says with what the segmenter sees."""
    return weighted_mean(-(sees * logits.log_softmax(dim=1)).sum(dim=1, keepdim=True), weight)
