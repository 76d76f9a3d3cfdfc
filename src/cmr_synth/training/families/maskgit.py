"""Training masked tokens: what is hidden is told from what is seen, at every share of hiding.

With the head "tokens" the loss is the cross-entropy of the hidden tokens (Chang et al. 2022,
arXiv:2202.04200, eq. 1); with "flow" the velocity error of their latents (Li et al. 2024,
arXiv:2406.11838, eq. 2, on a straight path). The tokenizer stays as it is and is saved along. Start
with the weights of an autoencoder, or of an earlier model with its own.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from torch import Tensor
from torch.nn import functional

from cmr_synth.generators.conditioning import one_hot_mask
from cmr_synth.generators.latent.autoencoder import DOWN
from cmr_synth.generators.maskgit.generator import DEFAULT_STEPS, FAMILY
from cmr_synth.generators.maskgit.network import MaskgitConfig, MaskgitModel
from cmr_synth.generators.maskgit.sampler import fill_in, hidden_at_random, noise_shape
from cmr_synth.networks.weights import state_of
from cmr_synth.training.batches import Batch, Batches
from cmr_synth.training.dropping import Dropping, dropped
from cmr_synth.training.families.earlier import on_autoencoder
from cmr_synth.training.families.family import FamilyTask
from cmr_synth.training.families.sheet import given, shown, tiled
from cmr_synth.training.recipe import Recipe
from cmr_synth.training.weighting import pixel_weight, weighted_mean


class MaskgitLoss(Dropping):
    """Settings of the loss."""

    smoothing: float = Field(
        0.1, ge=0, lt=1, description="share of the goal that is spread over all tokens"
    )
    time_mean: float = Field(0.0, description="of the logit of the flow head's times")
    time_sd: float = Field(1.0, gt=0)
    heart_weight: float = Field(1.0, ge=0, description="added to the weight 1 near the heart")


class MaskgitTask(FamilyTask):
    """The network of masked tokens as the training loop sees it."""

    family = FAMILY
    knows_phenotypes = True

    def __init__(self, recipe: Recipe):
        super().__init__(recipe)
        self.loss = self.loss_settings(MaskgitLoss)
        self.model = self._started()
        self.model.autoencoder.eval().requires_grad_(False)
        self.network = self.model.network
        self.networks = {"maskgit": self.network}
        self.rates = {"maskgit": 1.0}
        self.words = self.network.conditions.words
        self.phenotypes = tuple(one.name for one in self.model.config.phenotypes)

    def _started(self) -> MaskgitModel:
        """The model with the weights of an autoencoder, or of an earlier model, in it."""
        tokenizer = "autoencoder" if self.recipe.model.get("head") == "flow" else "autoencoder-vq"
        return on_autoencoder(
            self,
            MaskgitModel,
            MaskgitConfig,
            recipe_of_it=tokenizer,
            what="a model of masked tokens",
        )

    def begin(self, batches: Batches) -> None:
        """Learn what the training patients measure, which is the scale of what is asked."""
        self.network.know(self.measured(self.network.config, batches))

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """The error of what is hidden, of a share of each image that follows the cosine."""
        pictures = 2 * batch.images - 1
        labels, conditions = dropped(batch, self.loss)
        mask = one_hot_mask(labels)
        share = torch.tensor(np.cos(np.pi / 2 * batch.uniform()), device=mask.device)
        least = 1 / np.prod(self.model.config.places)  # or nothing would be asked
        hidden = hidden_at_random(batch.normal(1, *self.model.config.places), share.clamp(least, 1))
        weight = functional.avg_pool2d(pixel_weight(batch, self.loss.heart_weight), DOWN) * hidden
        if self.model.config.head == "tokens":
            tokens, latents = self._tokens(pictures)
            logits = self.networks["maskgit"](latents, hidden, mask, conditions)
            error = functional.cross_entropy(
                logits, tokens, reduction="none", label_smoothing=self.loss.smoothing
            )[:, None]
        else:
            latents = self._encoded(pictures)
            time = torch.sigmoid(self.loss.time_mean + self.loss.time_sd * batch.normal())
            t = time.view(-1, 1, 1, 1)
            noisy = t * latents + (1 - t) * batch.normal(*latents.shape[1:])
            estimate = self.networks["maskgit"](latents, hidden, mask, conditions, (noisy, time))
            # the velocity's error; bounded, or late times would drown the others
            level = 1 / (1 - t).clamp(min=0.1) ** 2 / self.model.config.autoencoder.spread**2
            error = (level * (estimate - latents) ** 2).mean(dim=1, keepdim=True)
        yield "maskgit", weighted_mean(error, weight)

    @torch.no_grad()
    def _tokens(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        autoencoder = self.model.autoencoder.to(pictures.device)
        tokens = autoencoder.tokens(pictures)
        return tokens, autoencoder.of_tokens(tokens)

    @torch.no_grad()
    def _encoded(self, pictures: Tensor) -> Tensor:
        return self.model.autoencoder.to(pictures.device).encode(pictures)

    @torch.no_grad()
    def sheet(self, batch: Batch) -> NDArray[np.float32]:
        """Real pictures, their masks, real ones with half of them hidden, and synthetic ones."""
        mask = one_hot_mask(batch.labels)
        latents = self._encoded(2 * batch.images - 1)
        noise = batch.normal(*noise_shape(self.model))
        rows = given(batch)
        for share in (0.5, 1.0):
            *_, made = fill_in(
                self.model,
                latents,
                hidden_at_random(noise[:, 1:2], share),
                noise,
                mask,
                list(batch.conditions),
                steps=DEFAULT_STEPS,
            )
            rows.append(shown(self.model.autoencoder.decode(made, mask)))
        return tiled(rows)

    def finished(self) -> tuple[BaseModel, dict[str, Tensor]]:
        """Network and tokenizer."""
        return self.model.config, state_of(self.model)
