"""Training DCGAN and the progressive GAN: a discriminator's score, and a penalty on its gradient.

The score is the non-saturating logistic loss (Goodfellow et al. 2014) or the hinge loss; the
penalty is R1 (Mescheder et al. 2018, arXiv:1801.04406), measured on a share of the images only.
A progressive GAN grows with the images that were seen, as a share of the recipe's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from torch import Tensor, nn
from torch.nn import functional

from cmr_synth.generators.dcgan.build import make_discriminator, make_generator
from cmr_synth.generators.dcgan.generator import FAMILY
from cmr_synth.generators.dcgan.network import DcganConfig
from cmr_synth.generators.dcgan.progressive import at_growth
from cmr_synth.networks.weights import state_of
from cmr_synth.training.batches import Batch
from cmr_synth.training.dropping import Dropping, dropped
from cmr_synth.training.families.family import FamilyTask
from cmr_synth.training.families.sheet import shown, tiled
from cmr_synth.training.recipe import Recipe

PROGRESSIVE_ONLY = ("grown_at", "group")


class DcganLoss(Dropping):
    """Settings of the losses; `drop_mask` is the share of images without any condition."""

    score: Literal["logistic", "hinge"] = "logistic"
    penalty: float = Field(
        1.0, ge=0, description="weight of half the squared gradient of the score of a real picture"
    )
    penalised: float = Field(
        0.25, gt=0, le=1, description="share of images on which it is measured, and weighs more"
    )
    rate: float = Field(1.0, gt=0, description="discriminator's learning rate, times the recipe's")
    grown_at: float = Field(
        0.5, gt=0, le=1, description="share of the training at which all levels have grown"
    )
    group: int = Field(
        4, gt=0, description="images whose differences the discriminator is told; 1: none"
    )


class DcganTask(FamilyTask):
    """DCGAN or the progressive GAN as the training loop sees it."""

    family = FAMILY

    def __init__(self, recipe: Recipe):
        super().__init__(recipe)
        self.loss = self.loss_settings(DcganLoss)
        self.config = self.model_settings(DcganConfig)
        useless = [field for field in PROGRESSIVE_ONLY if field in recipe.loss]
        if useless and not self.config.progressive:
            raise self.wrong(
                f"loss.{useless[0]}",
                "is for a network that grows; leave it out, or set 'model.progressive' to true.",
            )
        if self.config.growth is not None:
            raise self.wrong("model.growth", "is for loading; training sets it from 'images'.")
        self.network = self.build(lambda: make_generator(self.config))
        self.growing = Growing(
            self.network, self.config, images=recipe.images, grown_at=self.loss.grown_at
        )
        self.networks = {
            "discriminator": make_discriminator(self.config),
            "generator": self.growing,
        }
        self.rates = {"discriminator": self.loss.rate, "generator": 1.0}
        self.words = self.config.known_words

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """The discriminator first, then the generator against the one so improved."""
        growth = self.growing.growth()
        _, conditions = dropped(batch, self.loss)
        # outside the scan's field of view both are blank, so that nothing is learned from there
        inside = self._shown(batch.covered, growth)
        real = self._shown((2 * batch.images - 1) * batch.covered, growth)
        made = self.networks["generator"](batch.normal(self.config.latent), conditions) * inside
        judge, group = self.networks["discriminator"], self.loss.group
        of_real = judge(real, conditions, growth, group)
        of_made = judge(made.detach(), conditions, growth, group)
        chosen = batch.uniform() < self.loss.penalised
        yield (
            "discriminator",
            self._against(of_real, of_made) + self._penalty(real, conditions, growth, chosen),
        )
        of_made = judge(made, conditions, growth, group)
        self.growing.count(len(batch))
        yield "generator", self._for(of_made)

    def _against(self, of_real: Tensor, of_made: Tensor) -> Tensor:
        """(n,) losses of the discriminator."""
        if self.loss.score == "hinge":
            return functional.relu(1 - of_real) + functional.relu(1 + of_made)
        return functional.softplus(-of_real) + functional.softplus(of_made)

    def _for(self, of_made: Tensor) -> Tensor:
        """(n,) losses of the generator."""
        return -of_made if self.loss.score == "hinge" else functional.softplus(-of_made)

    def _penalty(
        self,
        real: Tensor,
        conditions: Sequence[dict[str, Any]],
        growth: float,
        chosen: NDArray[np.bool_],
    ) -> Tensor:
        """(n,): R1 of the chosen images, weighted so that its expectation is that of all."""
        none = torch.zeros(len(real), device=real.device)
        if not self.loss.penalty or not chosen.any():
            return none
        rows = np.flatnonzero(chosen).tolist()
        index = torch.tensor(rows, device=real.device)
        pictures = real[index].detach().requires_grad_()
        # each for itself: who else was chosen must not matter
        scores = self.networks["discriminator"](
            pictures, [conditions[i] for i in rows], growth, group=1
        )
        (gradient,) = torch.autograd.grad(scores.sum(), pictures, create_graph=True)
        squares = gradient.float().square().sum(dim=(1, 2, 3))
        weight = self.loss.penalty / (2 * self.loss.penalised)
        return none.index_copy(0, index, weight * squares)

    def _shown(self, pictures: Tensor, growth: float) -> Tensor:
        return at_growth(pictures, self.config, growth) if self.config.progressive else pictures

    @torch.no_grad()
    def sheet(self, batch: Batch) -> NDArray[np.float32]:
        """Real pictures, and three rows of synthetic ones of the same vendors and phases."""
        rows = [batch.images[:, 0]]
        for _ in range(3):
            latent = batch.normal(self.config.latent)
            made = self.network(latent, list(batch.conditions), self.growing.growth())
            made = functional.interpolate(made, size=batch.images.shape[2:], mode="nearest")
            rows.append(shown(made))
        return tiled(rows)

    def finished(self) -> tuple[BaseModel, dict[str, Tensor]]:
        """The generator, and in its configuration how far it has grown."""
        growth = self.growing.growth()
        partly = self.config.progressive and growth < self.config.fully_grown
        config = self.config.model_copy(update={"growth": growth if partly else None})
        return config, state_of(self.network)


class Growing(nn.Module):
    """A generator that counts the images it has seen, so that a checkpoint knows its growth.

    Parameters
    ----------
    network : nn.Module
    config : DcganConfig
    images : int
        Length of the training.
    grown_at : float
        Share of it after which all levels have grown. Until then each level is faded in for as
        long as it then stays alone.
    """

    def __init__(self, network: nn.Module, config: DcganConfig, *, images: int, grown_at: float):
        super().__init__()
        self.network = network
        self.full, self.span = config.fully_grown, images * grown_at
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        self.seen: Tensor

    def forward(self, latent: Tensor, conditions: Sequence[dict[str, Any]]) -> Tensor:
        """Pictures of the present growth; see `ProgressiveNetwork`."""
        made: Tensor = self.network(latent, conditions, self.growth())
        return made

    def growth(self) -> float:
        """Levels grown so far: rests at 0, rises to 1, rests there, and so on."""
        done = 2 * self.full * int(self.seen) / self.span  # in rests and rises
        if done >= 2 * self.full:
            return self.full
        level, rest = divmod(done, 2)
        return level + max(0.0, rest - 1)

    def count(self, images: int) -> None:
        """Count images of this process, and as many of each other."""
        distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
        self.seen += images * (torch.distributed.get_world_size() if distributed else 1)
