"""Training a latent model on the codes of a factorised VAE (after DiffuSeg, Zhang et al. 2025).

Autoencoder and factorised VAE are trained already and stay as they are; both are saved along. The
loss is that of the latent model. Each picture's own codes are its conditions, with the noise that
their encoders have; the anatomy is dropped where a mask would be, and the domain by itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from cmr_synth.anatomy.labels import UNLABELLED
from cmr_synth.generators.factorised.generator import FAMILY as FACTORISED
from cmr_synth.generators.factorised.network import FactorisedConfig
from cmr_synth.generators.latent_codes.generator import FAMILY, LatentCodesGenerator
from cmr_synth.generators.latent_codes.network import (
    DOMAIN,
    LatentCodesConfig,
    LatentCodesModel,
    told_anatomy,
)
from cmr_synth.networks.folder import read_config, with_weights
from cmr_synth.training.batches import Batch
from cmr_synth.training.families.earlier import on_autoencoder
from cmr_synth.training.families.latent import LatentLoss, LatentTask
from cmr_synth.training.families.sheet import given, tiled


class LatentCodesLoss(LatentLoss):
    """Settings of the loss."""

    drop_domain: float = Field(0.15, ge=0, le=1, description="by itself, so that it may be open")


class LatentCodesTask(LatentTask):
    """The latent network on codes as the training loop sees it; the loss is inherited."""

    family = FAMILY
    contrasts = ("cine",)
    knows_contrasts = False
    loss_kind = LatentCodesLoss
    loss: LatentCodesLoss
    model: LatentCodesModel

    def _started(self) -> LatentCodesModel:
        """The model with an autoencoder and a factorised VAE, or an earlier model, in it."""
        stated = dict(self.recipe.model)
        named = stated.pop(FACTORISED, None)
        if not isinstance(named, str):
            raise self.wrong(
                f"model.{FACTORISED}",
                "names the folder of a trained factorised model; train the recipe 'factorised'.",
            )
        folder = Path(named)
        inner = read_config(folder, FactorisedConfig, family=FACTORISED)
        whole = self.recipe
        self.recipe = whole.model_copy(update={"model": {**stated, FACTORISED: inner}})
        try:
            model = on_autoencoder(
                self,
                LatentCodesModel,
                LatentCodesConfig,
                recipe_of_it="autoencoder",
                what="a latent model of codes",
            )
        finally:
            self.recipe = whole
        with_weights(model.factorised, folder, device="cpu")
        model.factorised.requires_grad_(False)
        return model

    def told(
        self, batch: Batch, labels: Tensor, conditions: list[dict[str, Any]]
    ) -> tuple[Tensor, list[dict[str, Any]]]:
        """What the network is told: the codes in the place of the mask, and of a word."""
        codes = self.model.factorised.to(batch.images.device)
        config = self.model.config.factorised
        pictures = 2 * batch.images - 1
        rows, columns = self.model.config.latent_shape[1:]
        with torch.no_grad():
            mean, log_variance = codes.encode(pictures)
            noise = batch.normal(config.anatomy, rows, columns)
            anatomy, _ = told_anatomy(codes, mean + (0.5 * log_variance).exp() * noise)
            mean, log_variance = codes.domain(pictures)
            domain = mean + (0.5 * log_variance).exp() * batch.normal(config.domain)
        is_open = (labels == UNLABELLED).all(dim=2).all(dim=1)
        alone = batch.uniform() < self.loss.drop_domain
        asked = [
            {**one, DOMAIN: None if alone[i] or bool(is_open[i]) else domain[i]}
            for i, one in enumerate(conditions)
        ]
        return anatomy * ~is_open.view(-1, 1, 1, 1), asked

    @torch.no_grad()
    def sheet(self, batch: Batch) -> NDArray[np.float32]:
        """Real pictures, their masks, and these drawn anew in the domain of the next."""
        generator = LatentCodesGenerator(self.model, device=str(batch.images.device))
        real = batch.images[:, 0].cpu().numpy()
        made = generator.exchanged(real, looks=np.roll(real, -1, axis=0))
        return tiled([*given(batch), torch.from_numpy(made)])
