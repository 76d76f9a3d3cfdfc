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
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from cmr_synth.anatomy.labels import UNLABELLED
from cmr_synth.generators.conditioning import CLASSES, one_hot_mask
from cmr_synth.generators.spade_gan.network import SpadeConfig, SpadeGan
from cmr_synth.networks.folder import save_model
from cmr_synth.networks.weights import load_weights, set_state, state_of
from cmr_synth.training.adversarial import (
    MatchingDiscriminator,
    feature_matching,
    hinge_loss,
    mean_score,
    spectrum_difference,
    statistics_matching,
)
from cmr_synth.training.batches import Batch
from cmr_synth.training.dropping import Dropping, dropped
from cmr_synth.training.recipe import Recipe, checked

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


class SpadeGanTask:
    """The SPADE GAN as the training loop sees it."""

    family = "spade-gan"
    settings: type[SpadeLoss] = SpadeLoss

    def __init__(self, recipe: Recipe):
        where = f"recipe {recipe.name!r}"
        self.loss = checked(self.settings, recipe.loss, where=where, under="loss")
        config = checked(SpadeConfig, recipe.model, where=where, under="model")
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.network = SpadeGan(config)
        if recipe.initialize_from:
            set_state(self.network, load_weights(Path(recipe.initialize_from)))
        self.network.encoder.requires_grad_(self.loss.learn_styles)
        self.networks: dict[str, nn.Module] = {self.family: self.network}
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
        alike = (
            self.loss.difference * self._difference(made, pictures, batch)
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
        judge = self.networks["discriminator"]
        of_real, of_fake = judge(real), judge(fake)
        hinge = hinge_loss(_scores(of_real), _scores(judge(fake.detach())))
        # a discriminator that cannot tell the two apart (hinge loss 2) has nothing to say
        knows = (1 - hinge.detach().mean() / 2).clamp(0, 1)
        matching = torch.stack(
            [feature_matching(r, f) for r, f in zip(of_real, of_fake, strict=True)]
        ).mean(dim=0)
        statistics = torch.stack(
            [statistics_matching(r, f) for r, f in zip(of_real, of_fake, strict=True)]
        ).mean(dim=0)
        judged = self.loss.adversarial * knows * mean_score(_scores(of_fake))
        compared = torch.where(
            encoded,
            alike + self.loss.matching * matching,
            self.loss.statistics * statistics,
        )
        if self.loss.spectrum:
            alike_grain = spectrum_difference(made * inside, pictures * inside)
            compared = compared + self.loss.spectrum * alike_grain
        yield self.family, compared - judged
        yield "discriminator", hinge

    def _planes(self, conditions: Sequence[dict[str, Any]], like: Tensor) -> Tensor:
        """(n, vendors, y, x): one where a picture is of the vendor, so that styles are judged."""
        vendors = self.network.config.vendors
        rows = [[float(c.get("vendor") == v) for v in vendors] for c in conditions]
        planes = torch.tensor(rows, device=like.device)[:, :, None, None]
        return planes.expand(-1, -1, *like.shape[2:])

    def _difference(self, made: Tensor, pictures: Tensor, batch: Batch) -> Tensor:
        """(n,) mean absolute difference inside the field of view, more of it near the heart."""
        heart = ((batch.labels > 0) & (batch.labels != UNLABELLED)).float()[:, None]
        near = functional.max_pool2d(heart, 9, stride=1, padding=4)
        weight = batch.covered * (1 + self.loss.heart_weight * near)
        error = (made - pictures).abs() * weight
        return error.sum(dim=(1, 2, 3)) / weight.sum(dim=(1, 2, 3)).clamp(min=1)

    @torch.no_grad()
    def sheet(self, batch: Batch) -> NDArray[np.float32]:
        """Real pictures, masks, counterparts with the encoded style, and with two drawn ones."""
        pictures = 2 * batch.images - 1
        mask = one_hot_mask(batch.labels)
        rows = [batch.images[:, 0], batch.labels.clamp(max=3) / 3]
        for share in (1.0, 0.0, 0.0):
            encoded = torch.full((len(pictures),), share > 0, device=pictures.device)
            draw = batch.normal(self.network.config.style)
            noise = batch.normal(*pictures.shape[1:])
            made, _ = self.network(pictures, draw, encoded, noise, mask, list(batch.conditions))
            rows.append((made[:, 0].clamp(-1, 1) + 1) / 2)
        return np.concatenate([np.concatenate(list(r.cpu().numpy()), axis=1) for r in rows])

    def save(self, folder: Path, *, images_seen: int, minutes: float) -> None:
        """Write `weights.safetensors` (8 bits per channel) and `config.json`."""
        save_model(
            folder,
            family=self.family,
            config=self.network.config,
            weights=state_of(self.network),
            recipe=self.recipe,
            images_seen=images_seen,
            minutes=minutes,
        )


def _coarse_difference(made: Tensor, pictures: Tensor, covered: Tensor) -> Tensor:
    """(n,) mean absolute difference of means over 8 x 8 pixels: layout and brightness."""
    shares = functional.avg_pool2d(covered, 8)
    error = functional.avg_pool2d((made - pictures) * covered, 8).abs()
    return error.sum(dim=(1, 2, 3)) / shares.sum(dim=(1, 2, 3)).clamp(min=1)


def _scores(maps: tuple[list[Tensor], list[Tensor]]) -> tuple[Tensor, Tensor]:
    return maps[0][-1], maps[1][-1]
