"""Training a SPADE GAN whose discriminator alone looks at patients, so that it alone is private.

As in RDP-CGAN (Torfi et al. 2022) and DPGAN (Xie et al. 2018, arXiv:1802.06739): noise is added to
the discriminator's gradients; the generator learns from the discriminator and from nothing else,
and what is made of private weights is as private as they are (Dwork and Roth 2014, proposition
2.1). Its masks in training are therefore drawn in code, its styles standard normal, and what
compares it with a patient's picture (differences, feature matching, the encoder of styles) is left
out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from torch import Tensor

from cmr_synth.anatomy.template import draw_slice
from cmr_synth.generators.conditioning import CLASSES, one_hot_mask
from cmr_synth.generators.private_gan.generator import FAMILY
from cmr_synth.generators.spade_gan.network import SpadeConfig, SpadeGan
from cmr_synth.networks.weights import state_of
from cmr_synth.training.adversarial import Discriminator, hinge_loss, mean_score
from cmr_synth.training.batches import Batch
from cmr_synth.training.dropping import Dropping, dropped
from cmr_synth.training.families.family import FamilyTask
from cmr_synth.training.families.sheet import given, shown, tiled
from cmr_synth.training.recipe import Recipe

ANATOMIES = ("normal", "dilated", "hypertrophic")
PHASES = ("ED", "ES")
DISCRIMINATOR = "discriminator"


class PrivateGanLoss(Dropping):
    """Settings of the losses."""

    channels: int = Field(12, gt=0, description="of the discriminator's first layer")
    layers: int = Field(2, gt=0, description="strided layers of the discriminator")
    rate: float = Field(1.0, gt=0, description="generator's learning rate, times the recipe's")
    contrast: float = Field(
        1.0, ge=0, description="weight by which pictures of one mask in two styles are to differ"
    )


class PrivateGanTask(FamilyTask):
    """The private GAN as the training loop sees it; without `privacy` the same without noise."""

    family = FAMILY
    private_network = DISCRIMINATOR

    def __init__(self, recipe: Recipe):
        super().__init__(recipe)
        self.loss = self.loss_settings(PrivateGanLoss)
        config = self.model_settings(SpadeConfig)
        self.network = self.build(lambda: SpadeGan(config))
        self.network.encoder.requires_grad_(False)  # it would look at patients
        self.networks = {
            DISCRIMINATOR: Discriminator(
                1 + CLASSES + len(config.vendors),
                channels=self.loss.channels,
                layers=self.loss.layers,
            ),
            FAMILY: self.network,
        }
        self.rates = {DISCRIMINATOR: 1.0, FAMILY: self.loss.rate}
        self.words = self.network.generator.conditions.words

    def unaccounted(self) -> str:
        """Nothing: whatever looks at patients is in the discriminator."""
        return ""

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """The discriminator, on patients; then the generator, on no patient."""
        labels, conditions = dropped(batch, self.loss)
        mask = one_hot_mask(labels)
        about = torch.cat([mask, self._planes(conditions, mask)], dim=1)
        with torch.no_grad():
            made = self._made(batch.draws, mask, conditions)
        real = 2 * batch.images - 1
        # outside the scan's field of view both are blank, so that nothing is learned from there
        seen = [torch.cat([p * batch.covered, about], dim=1) for p in (real, made)]
        judge = self.networks[DISCRIMINATOR]
        yield DISCRIMINATOR, hinge_loss(judge(seen[0]), judge(seen[1]))
        yield from self.afterwards(batch.draws, device=real.device)

    def afterwards(
        self, draws: Sequence[np.random.Generator], *, device: torch.device | str
    ) -> Iterator[tuple[str, Tensor]]:
        """What is learned from the private network without a patient: the generator's loss.

        Parameters
        ----------
        draws : one random generator an image
            For its mask, conditions, style and grain.
        """
        drawn = [self._drawn(draw) for draw in draws]
        mask = one_hot_mask(torch.from_numpy(np.stack([m for m, _ in drawn])).long()).to(device)
        conditions = [c for _, c in drawn]
        about = torch.cat([mask, self._planes(conditions, mask)], dim=1)
        one, two = (self._made(draws, mask, conditions) for _ in range(2))
        judge = self.networks[DISCRIMINATOR]
        praise = mean_score(judge(torch.cat([one, about], dim=1)))
        # else all styles come to one picture: a discriminator sees one at a time
        apart = (one - two).abs().mean(dim=(1, 2, 3)).clamp(max=0.2)
        yield FAMILY, -praise - self.loss.contrast * apart

    def _drawn(self, draw: np.random.Generator) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """A mask drawn in code, and conditions that suit it."""
        config = self.network.config
        phase = PHASES[int(draw.integers(2))]
        z = float(draw.random())
        mask = draw_slice(
            shape=config.shape,
            spacing=(config.spacing_mm, config.spacing_mm),
            level=z,
            phase=phase,  # type: ignore[arg-type]
            anatomy=ANATOMIES[int(draw.integers(3))],  # type: ignore[arg-type]
            seed=int(draw.integers(2**31)),
        )
        told: dict[str, Any] = {"phase": phase if phase in config.phases else None, "z": z}
        if config.vendors:
            told["vendor"] = config.vendors[int(draw.integers(len(config.vendors)))]
        return mask, told

    def _made(
        self, draws: Sequence[np.random.Generator], mask: Tensor, conditions: list[dict[str, Any]]
    ) -> Tensor:
        """Pictures of masks in drawn styles; the encoder is shown nothing."""
        n, device = len(draws), mask.device

        def normal(*shape: int) -> Tensor:
            noise = [draw.standard_normal(shape, dtype=np.float32) for draw in draws]
            return torch.from_numpy(np.stack(noise)).to(device)

        blank = torch.zeros(n, 1, *mask.shape[2:], device=device)
        none = torch.zeros(n, dtype=torch.bool, device=device)
        style, grain = normal(self.network.config.style), normal(*blank.shape[1:])
        made: Tensor = self.networks[FAMILY](blank, style, none, grain, mask, conditions)[0]
        return made

    def _planes(self, conditions: Sequence[dict[str, Any]], like: Tensor) -> Tensor:
        """(n, vendors, y, x): one where a picture is of the vendor, so that styles are judged."""
        vendors = self.network.config.vendors
        rows = [[float(c.get("vendor") == v) for v in vendors] for c in conditions]
        planes = torch.tensor(rows, device=like.device).view(len(rows), -1, 1, 1)
        return planes.expand(-1, -1, *like.shape[2:])

    @torch.no_grad()
    def sheet(self, batch: Batch) -> NDArray[np.float32]:
        """Real pictures, masks, and pictures of these masks in two drawn styles."""
        mask = one_hot_mask(batch.labels)
        rows = given(batch)
        for _ in range(2):
            rows.append(shown(self._made(batch.draws, mask, list(batch.conditions))))
        return tiled(rows)

    def finished(self) -> tuple[BaseModel, dict[str, Tensor]]:
        """The generator, without the discriminator."""
        return self.network.config, state_of(self.network)
