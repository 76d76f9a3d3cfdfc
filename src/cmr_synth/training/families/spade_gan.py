"""Training the SPADE GAN: hinge and feature matching, with styles encoded or drawn.

A first stage without discriminator (`adversarial: 0`) is a variational autoencoder with a mask: it
brings layout and shades within minutes, which a discriminator would take hours to teach. Then, as
in GauGAN (Park et al. 2019, arXiv:1903.07291) the encoder gives the style of the
real picture, whose counterpart is compared with it; on the other images the style is drawn, as at
use, and the discriminator judges (CVAE-GAN, Bao et al. 2017, arXiv:1703.10155): otherwise drawn
styles would look like none that was trained. Its score alone lets contrast and grain run away
there, so that the statistics of its maps are held to those of the real picture of the same mask.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from torch import Tensor
from torch.nn import functional

from cmr_synth.generators.conditioning import CLASSES, one_hot_mask
from cmr_synth.generators.spade_gan.network import SpadeConfig, SpadeGan
from cmr_synth.networks.weights import state_of
from cmr_synth.training.adversarial import (
    Judgement,
    MatchingDiscriminator,
    spectrum_difference,
)
from cmr_synth.training.batches import Batch
from cmr_synth.training.dropping import Dropping, dropped
from cmr_synth.training.families.family import FamilyTask
from cmr_synth.training.families.sheet import given, shown, tiled
from cmr_synth.training.recipe import Recipe
from cmr_synth.training.weighting import pixel_weight, weighted_mean

STYLES_REMEMBERED = 2000  # images; the prior follows the encoder, which changes while it learns


class SpadeLoss(Dropping):
    """Settings of the losses."""

    encoded: float = Field(0.5, ge=0, le=1, description="share of images with an encoded style")
    difference: float = Field(10.0, ge=0, description="weight of the absolute difference")
    matching: float = Field(10.0, ge=0, description="weight of the discriminator's maps")
    statistics: float = Field(
        10.0,
        ge=0,
        description="weight of the means and deviations of these maps, where the style is drawn",
    )
    spectrum: float = Field(
        0.0, ge=0, description="weight of the difference of log power, beside a discriminator"
    )
    coarse: float = Field(10.0, ge=0, description="weight of the difference of 8 x 8 means")
    divergence: float = Field(0.005, ge=0, description="weight of the style's divergence, in nats")
    adversarial: float = Field(
        1.0, ge=0, description="weight of the discriminator's score; at 0 there is none"
    )
    heart_weight: float = Field(1.0, ge=0, description="added to the weight 1 near the heart")
    learn_styles: bool = Field(
        True, description="train the encoder, and the prior that styles are drawn from"
    )
    fit_prior: bool = Field(
        True, description="fit the prior to the styles of the pictures; else standard normal"
    )
    channels: int = Field(24, gt=0, description="of the discriminator's first layer")
    layers: int = Field(3, gt=0, description="strided layers of the discriminator")
    rate: float = Field(1.0, gt=0, description="discriminator's learning rate, times the recipe's")


class SpadeGanTask(FamilyTask):
    """The SPADE GAN as the training loop sees it."""

    family = "spade-gan"
    settings: type[SpadeLoss] = SpadeLoss

    def __init__(self, recipe: Recipe):
        super().__init__(recipe)
        self.loss = self.loss_settings(self.settings)
        config = self.model_settings(SpadeConfig)
        self.network = self.build(lambda: SpadeGan(config))
        self.network.encoder.requires_grad_(self.loss.learn_styles)
        self.networks = {self.family: self.network}
        self.rates = {self.family: 1.0}
        if self.loss.adversarial:
            self.networks["discriminator"] = MatchingDiscriminator(
                1 + CLASSES + len(config.vendors),
                channels=self.loss.channels,
                layers=self.loss.layers,
            )
            self.rates["discriminator"] = self.loss.rate
        self.words = self.network.generator.conditions.words

    @property
    def _fits_prior(self) -> bool:
        return self.loss.learn_styles and self.loss.fit_prior

    def unaccounted(self) -> str:
        """What no account of privacy covers, or nothing."""
        if self.loss.adversarial:
            return "a discriminator learns from patients too; set loss.adversarial to 0"
        if self._fits_prior:
            return "the prior is fitted to the patients' styles; set loss.fit_prior to false"
        return ""

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Generator and encoder first, then the discriminator on the same pictures."""
        pictures = 2 * batch.images - 1
        labels, conditions = dropped(batch, self.loss)
        mask = one_hot_mask(labels)
        draw = batch.normal(self.network.config.style)
        noise = batch.normal(*pictures.shape[1:])
        encoded = torch.tensor(batch.uniform() < self.loss.encoded, device=pictures.device)
        made, divergence = self.networks[self.family](
            pictures,
            draw,
            encoded,
            noise,
            mask,
            conditions,
            learn_prior=len(batch) / STYLES_REMEMBERED if self._fits_prior else 0.0,
            whole=(one_hot_mask(batch.labels), batch.conditions),
        )
        weight = pixel_weight(batch, self.loss.heart_weight)
        alike = (
            self.loss.difference * weighted_mean((made - pictures).abs(), weight)
            + self.loss.coarse * _coarse_difference(made, pictures, batch.covered)
            + self.loss.divergence * divergence
        )
        if not self.loss.adversarial:
            yield self.family, encoded * alike
            return
        # outside the scan's field of view both are blank, so that nothing is learned from there
        inside = batch.covered
        about = torch.cat([mask, self._planes(conditions, mask)], dim=1)
        real, fake = (torch.cat([p * inside, about], dim=1) for p in (pictures, made))
        judged = Judgement(self.networks["discriminator"], real, fake)
        matching, statistics = judged.matching(), judged.statistics()
        praise = judged.praise(self.loss.adversarial)
        compared = torch.where(
            encoded,
            alike + self.loss.matching * matching,
            self.loss.statistics * statistics,
        )
        if self.loss.spectrum:
            alike_grain = spectrum_difference(made * inside, pictures * inside)
            compared = compared + self.loss.spectrum * alike_grain
        yield self.family, compared - praise
        yield "discriminator", judged.hinge

    def _planes(self, conditions: Sequence[dict[str, Any]], like: Tensor) -> Tensor:
        """(n, vendors, y, x): one where a picture is of the vendor, so that styles are judged."""
        vendors = self.network.config.vendors
        rows = [[float(c.get("vendor") == v) for v in vendors] for c in conditions]
        planes = torch.tensor(rows, device=like.device)[:, :, None, None]
        return planes.expand(-1, -1, *like.shape[2:])

    @torch.no_grad()
    def sheet(self, batch: Batch) -> NDArray[np.float32]:
        """Real pictures, masks, counterparts with the encoded style, and with two drawn ones."""
        pictures = 2 * batch.images - 1
        mask = one_hot_mask(batch.labels)
        rows = given(batch)
        for share in (1.0, 0.0, 0.0):
            encoded = torch.full((len(pictures),), share > 0, device=pictures.device)
            draw = batch.normal(self.network.config.style)
            noise = batch.normal(*pictures.shape[1:])
            made, _ = self.network(pictures, draw, encoded, noise, mask, list(batch.conditions))
            rows.append(shown(made))
        return tiled(rows)

    def finished(self) -> tuple[BaseModel, dict[str, Tensor]]:
        """Encoder, prior and generator, without the discriminator."""
        return self.network.config, state_of(self.network)


def _coarse_difference(made: Tensor, pictures: Tensor, covered: Tensor) -> Tensor:
    """(n,) mean absolute difference of means over 8 x 8 pixels: layout and brightness."""
    shares = functional.avg_pool2d(covered, 8)
    error = functional.avg_pool2d((made - pictures) * covered, 8).abs()
    return error.sum(dim=(1, 2, 3)) / shares.sum(dim=(1, 2, 3)).clamp(min=1)
