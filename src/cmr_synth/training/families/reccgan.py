"""Training RecCGAN: reconstructions alike in picture and k-space, judged beside the zero-filled.

The conditions of the GAN are what was measured: generator and discriminator see the zero-filled
picture. Scans are simulated from each training slice anew, with other coils, phases and samples.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from torch import Tensor

from cmr_synth.networks.weights import state_of
from cmr_synth.reconstruction.acquisition import Acquired, Scanner, simulated
from cmr_synth.reconstruction.network import ReconstructionConfig, ReconstructionNetwork
from cmr_synth.reconstruction.sampling import Sampling
from cmr_synth.training.adversarial import Judgement, MatchingDiscriminator
from cmr_synth.training.batches import Batch
from cmr_synth.training.families.family import FamilyTask
from cmr_synth.training.families.sheet import tiled
from cmr_synth.training.recipe import Recipe


class ReccganLoss(BaseModel):
    """Settings of the losses."""

    model_config = {"frozen": True, "extra": "forbid"}
    spatial: float = Field(10.0, ge=0, description="weight of the pictures' absolute difference")
    kspace: float = Field(1.0, ge=0, description="weight of that of k-space, over all samples")
    matching: float = Field(1.0, ge=0, description="weight of the discriminator's maps")
    adversarial: float = Field(
        0.1, ge=0, description="weight of the discriminator's score; at 0 there is none"
    )
    channels: int = Field(16, gt=0, description="of the discriminator's first layer")
    layers: int = Field(3, gt=0, description="strided layers of the discriminator")
    rate: float = Field(1.0, gt=0, description="discriminator's learning rate, times the recipe's")


class ReccganTask(FamilyTask):
    """The conditional GAN of reconstruction as the training loop sees it."""

    family = "reccgan"
    bits = 16

    def __init__(self, recipe: Recipe):
        super().__init__(recipe)
        self.loss = self.loss_settings(ReccganLoss)
        config = self.model_settings(ReconstructionConfig)
        self.network = self.build(lambda: ReconstructionNetwork(config))
        self.networks = {self.family: self.network}
        self.rates = {self.family: 1.0}
        if self.loss.adversarial:
            self.networks["discriminator"] = MatchingDiscriminator(
                2, channels=self.loss.channels, layers=self.loss.layers
            )
            self.rates["discriminator"] = self.loss.rate
        self.words = {}  # a scan is reconstructed alike whoever's it is

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """The generator first, then the discriminator on the same pictures."""
        acquired, truth = self._scanned(batch)
        found = self.networks[self.family](acquired)
        off = _absolute(found - truth).mean(dim=(1, 2))
        off_kspace = _absolute(acquired.seen(found - truth)).mean(dim=(1, 2, 3))
        alike = self.loss.spatial * off + self.loss.kspace * off_kspace
        if not self.loss.adversarial:
            yield self.family, alike
            return
        given = acquired.zero_filled().abs()
        real, made = (
            torch.stack([2 * _absolute(one) - 1, 2 * given - 1], dim=1) for one in (truth, found)
        )
        judged = Judgement(self.networks["discriminator"], real, made)
        matching, praise = judged.matching(), judged.praise(self.loss.adversarial)
        yield self.family, alike + self.loss.matching * matching - praise
        yield "discriminator", judged.hinge

    def _scanned(self, batch: Batch) -> tuple[Acquired, Tensor]:
        config = self.network.config
        sampling = [
            Sampling(
                pattern=config.patterns[int(draw.integers(len(config.patterns)))],
                acceleration=config.accelerations[int(draw.integers(len(config.accelerations)))],
            )
            for draw in batch.draws
        ]
        scanner = Scanner(coils=config.coils, noise=config.noise)
        pictures = batch.images[:, 0] * batch.covered[:, 0]
        with torch.no_grad():
            return simulated(pictures, sampling, scanner, batch.draws)

    @torch.no_grad()
    def sheet(self, batch: Batch) -> NDArray[np.float32]:
        """Pictures above what is zero-filled above what the network makes of it."""
        acquired, truth = self._scanned(batch)
        rows = [truth, acquired.zero_filled(), self.network(acquired)]
        return tiled([row.abs().clamp(0, 1) for row in rows])

    def finished(self) -> tuple[BaseModel, dict[str, Tensor]]:
        """The generator without its discriminator."""
        return self.network.config, state_of(self.network)


def _absolute(numbers: Tensor) -> Tensor:
    # the gradient of |z| at 0 is none
    return (numbers.real.square() + numbers.imag.square() + 1e-8).sqrt()
