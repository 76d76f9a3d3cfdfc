"""What changes a picture from one covariate to another: a U-Net whose output is added to it.

After Campello et al. 2022 ("Cardiac aging synthesis from cross-sectional data with conditional
generative adversarial networks", Frontiers in Cardiovascular Medicine 9:983091): the covariates of
before and after are encoded by sines and cosines, and the network draws the difference alone. It
starts as the identity.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from cmr_synth.generators.backbones.config import BackboneConfig
from cmr_synth.generators.backbones.unet import make_unet
from cmr_synth.generators.covariate_gan.ranges import CovariateRange
from cmr_synth.generators.measures import Measures

FAMILY = "covariate-gan"
FOLD = 2  # pixels to a side of a position: nothing is computed at full resolution


class CovariateGanConfig(BackboneConfig):
    """Size of the U-Net, and what it changes.

    Parameters
    ----------
    covariates : tuple of CovariateRange
        A recipe names them, and the training adds what its patients had.
    """

    covariates: tuple[CovariateRange, ...] = Field((CovariateRange(name="bmi"),), min_length=1)

    @property
    def position(self) -> int:
        """Pixels to a side of a position."""
        return FOLD

    @model_validator(mode="after")
    def _fits_together(self) -> CovariateGanConfig:
        if self.backbone != "unet":
            raise ValueError(f"backbone {self.backbone}: this family has a U-Net")
        names = [one.name for one in self.covariates]
        if len(set(names)) < len(names):
            raise ValueError(f"{', '.join(names)}: name each once")
        return self


class CovariateGanNetwork(nn.Module):
    """The U-Net, told of the covariates of before and after."""

    def __init__(self, config: CovariateGanConfig):
        super().__init__()
        self.config = config
        self.unet = make_unet(config, inputs=FOLD**2, outputs=FOLD**2)
        nn.init.zeros_(self.unet.conv_out.weight)
        nn.init.zeros_(self.unet.conv_out.bias)
        self.before = Measures(config.covariates, config.vector)
        self.after = Measures(config.covariates, config.vector)
        for told in (self.before, self.after):  # conv_out is zero already; both would be stuck
            nn.init.normal_(told.last.weight, std=config.vector**-0.5)

    def know(self, covariates: Sequence[CovariateRange]) -> None:
        """Take over what the training patients had, of the same covariates in the same order."""
        self.config = self.config.model_copy(update={"covariates": tuple(covariates)})
        self.before.phenotypes = self.after.phenotypes = tuple(covariates)

    def forward(
        self,
        pictures: Tensor,
        before: Sequence[Mapping[str, float]],
        after: Sequence[Mapping[str, float]],
    ) -> Tensor:
        """Pictures (n, 1, y, x) on the scale [-1, 1], changed.

        Parameters
        ----------
        pictures : (n, 1, y, x) tensor
        before, after : n mappings
            Covariate to value in its unit; those that are not named are open.
        """
        told = self.before(_as_measures(before)) + self.after(_as_measures(after))
        seen = functional.pixel_unshuffle(pictures, FOLD)
        seen = seen.contiguous(memory_format=torch.channels_last)
        still = torch.zeros(len(pictures), device=pictures.device)  # there is no time here
        change = self.unet(seen, still, class_labels=told).sample.float()
        changed: Tensor = pictures + functional.pixel_shuffle(change, FOLD)
        return changed


def _as_measures(given: Sequence[Mapping[str, float]]) -> list[dict[str, Mapping[str, float]]]:
    return [{"phenotypes": one} for one in given]
