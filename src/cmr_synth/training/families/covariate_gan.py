"""Training the covariate GAN on one picture a person, which is all that cross-sections have.

After Campello et al. 2022 (Frontiers in Cardiovascular Medicine 9:983091): a Wasserstein critic
(Arjovsky et al. 2017, arXiv:1701.07875) with a gradient penalty (Gulrajani et al. 2017,
arXiv:1704.00028) sees a picture beside its covariates, and judges whether a person of these looks
so. The pair of one person before and after is made, not given: changed to the covariates of
somebody else of the training and back it has to be what it was (cycle), and changed to its own it
has to stay (identity), so that nothing but the covariate is changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from cmr_synth.cohorts.slices import persons_of
from cmr_synth.generators.covariate_gan.network import (
    FAMILY,
    CovariateGanConfig,
    CovariateGanNetwork,
)
from cmr_synth.generators.covariate_gan.ranges import CovariateRange
from cmr_synth.generators.measures import Measures
from cmr_synth.networks.weights import state_of
from cmr_synth.training.batches import Batch, Batches
from cmr_synth.training.families.family import FamilyTask
from cmr_synth.training.families.sheet import shown, tiled
from cmr_synth.training.recipe import Recipe
from cmr_synth.training.weighting import weighted_mean

TOLD = 8  # numbers that tell the critic of the covariates


class CovariateGanLoss(BaseModel):
    """Settings of the losses."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    adversarial: float = Field(1.0, ge=0, description="weight of the critic's score")
    cycle: float = Field(20.0, ge=0, description="weight of there and back again")
    identity: float = Field(20.0, ge=0, description="weight of a change to the own covariates")
    penalty: float = Field(10.0, ge=0, description="weight of the critic's gradient off 1")
    channels: tuple[int, ...] = Field((16, 32, 64, 64), min_length=2, description="of the critic")
    rate: float = Field(2.0, gt=0, description="critic's learning rate, times the recipe's")


class Critic(nn.Module):
    """Score of a picture with its covariates, by projection (Miyato and Koyama 2018,
    arXiv:1802.05637): one of the picture alone, and one of how it goes with what is told.

    MONAI's convolutions, without normalisation: a norm over the picture would hide its brightness,
    and one over the batch would mix gradients of the penalty.
    """

    def __init__(self, config: CovariateGanConfig, channels: Sequence[int]):
        super().__init__()
        from monai.networks.nets import Classifier

        self.told = Measures(config.covariates, TOLD)
        nn.init.normal_(self.told.last.weight, std=0.5)  # people differ for it from the start
        self.seen = Classifier(
            in_shape=(1, *config.shape),
            classes=1 + TOLD,
            channels=tuple(channels),
            strides=(2,) * len(channels),
            num_res_units=0,
            norm=None,
        )

    def forward(self, pictures: Tensor, given: Sequence[Mapping[str, float]]) -> Tensor:
        """(n,) scores; higher for a person who looks as the covariates have it."""
        told = self.told([{"phenotypes": one} for one in given])
        seen: Tensor = self.seen(pictures).float()
        return seen[:, 0] + (seen[:, 1:] * told).sum(dim=1)


class CovariateGanTask(FamilyTask):
    """The changing network and its critic as the training loop sees them."""

    family = FAMILY

    def __init__(self, recipe: Recipe):
        super().__init__(recipe)
        self.loss = self.loss_settings(CovariateGanLoss)
        config = self.model_settings(CovariateGanConfig)
        self.covariates = tuple(one.name for one in config.covariates)
        self.network = self.build(lambda: CovariateGanNetwork(config))
        self.critic = Critic(config, self.loss.channels)
        self.networks = {"critic": self.critic, "change": self.network}
        self.rates = {"critic": self.loss.rate, "change": 1.0}
        self.words: dict[str, tuple[str, ...]] = {}  # it is told of no words
        self._people: list[Mapping[str, float]] = []

    def begin(self, batches: Batches) -> None:
        """Learn what the training patients have: the scale, and whom to change people to."""
        rows = [batches.slices.rows[i] for i in batches.index]
        self._people = [row.covariates for row in rows]
        own = dict(zip(persons_of(rows).tolist(), self._people, strict=True))
        ranges = [
            CovariateRange.of(name, [known[name] for known in own.values() if name in known])
            for name in self.covariates
        ]
        self.network.know(ranges)
        self.critic.told.phenotypes = tuple(ranges)

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """The critic first, then the changing network against the one so improved."""
        real = (2 * batch.images - 1) * batch.covered
        before = self._own(batch.conditions)
        after = self._others(batch, before)
        made = self.networks["change"](real, before, after) * batch.covered
        critic, fake = self.networks["critic"], made.detach()
        share = torch.tensor(batch.uniform(), dtype=real.dtype, device=real.device)
        wrong = critic(fake, after) - critic(real, before)
        yield "critic", wrong + self.loss.penalty * self._penalty(real, fake, before, share)
        back = self.networks["change"](made, after, before)
        same = self.networks["change"](real, before, before)
        yield (
            "change",
            self.loss.cycle * weighted_mean((back - real).abs(), batch.covered)
            + self.loss.identity * weighted_mean((same - real).abs(), batch.covered)
            - self.loss.adversarial * critic(made, after),
        )

    def _penalty(
        self, real: Tensor, fake: Tensor, given: Sequence[Mapping[str, float]], share: Tensor
    ) -> Tensor:
        """(n,) squared distance of the gradient's norm from 1, between real and changed."""
        t = share.view(-1, 1, 1, 1)
        between = (t * real + (1 - t) * fake).requires_grad_()
        score = self.networks["critic"](between, given).sum()
        (gradient,) = torch.autograd.grad(score, between, create_graph=True)
        return (gradient.flatten(1).norm(dim=1) - 1) ** 2

    def _own(self, conditions: Sequence[dict[str, Any]]) -> list[dict[str, float]]:
        known = [c.get("covariates") or {} for c in conditions]
        return [{n: one[n] for n in self.covariates if n in one} for one in known]

    def _others(
        self, batch: Batch, before: Sequence[Mapping[str, float]]
    ) -> list[dict[str, float]]:
        """Covariates of somebody of the training for each image; without any, of the next one."""
        if not self._people:
            return [dict(one) for one in (*before[1:], *before[:1])]
        chosen = (batch.uniform() * len(self._people)).astype(int)
        return self._own([{"covariates": self._people[k]} for k in chosen])

    @torch.no_grad()
    def sheet(self, batch: Batch) -> NDArray[np.float32]:
        """Real pictures; changed to the lowest and to the highest of the training; what differs."""
        real = (2 * batch.images - 1) * batch.covered
        before = self._own(batch.conditions)
        rows, made = [batch.images[:, 0]], []
        for end in ("low", "high"):
            asked = {one.name: getattr(one, end) for one in self.network.config.covariates}
            made.append(self.network(real, before, [asked] * len(batch)))
            rows.append(shown(made[-1]))
        rows.append(shown(made[1] - made[0]))
        return tiled(rows)

    def finished(self) -> tuple[BaseModel, dict[str, Tensor]]:
        """The changing network without its critic."""
        return self.network.config, state_of(self.network)
