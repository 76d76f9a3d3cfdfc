"""DCGAN's generator (Radford et al. 2015, arXiv:1511.06434) and its discriminator, from MONAI.

A latent vector becomes a small map of many channels, which transposed convolutions enlarge to the
picture; the discriminator is its mirror image. Two departures from the paper, for one reason, that
no image may depend on the others of its batch: group norm takes the place of batch norm in the
generator, and the discriminator has no norm. Vendor, phase and pathology may be stated, and enter
the discriminator's score by a projection (Miyato and Koyama 2018, arXiv:1802.05637); a mask cannot.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from cmr_synth.generators.conditioning import Conditions
from cmr_synth.generators.vocabulary import Vocabulary


class DcganConfig(Vocabulary):
    """Size and vocabulary of generator and discriminator.

    Parameters
    ----------
    progressive : bool
        Whether they grow while they are trained; see `progressive`.
    latent : int
        Length of the latent vector.
    width : int
        Of the vector of conditions.
    channels : tuple of int
        From the coarsest map on, each at twice the resolution of the one before. The last is at
        half the resolution of the picture; of a progressive one, at its full resolution.
    kernel : odd int
        Side of the convolutions; 3 in a progressive one.
    groups : int
        Of the group norms; a progressive one normalises every pixel for itself.
    growth : float, optional
        Levels that the weights have grown by, as a training that was ended early leaves them; None
        is all of them.
    """

    progressive: bool = False
    latent: PositiveInt = 128
    width: PositiveInt = 32
    channels: tuple[PositiveInt, ...] = Field((192, 128, 96, 64, 32), min_length=2)
    kernel: PositiveInt = 5
    groups: PositiveInt = 8
    growth: float | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _fits_together(self) -> DcganConfig:
        factor = 2**self.doublings
        if any(side % factor for side in self.shape):
            raise ValueError(
                f"shape {self.shape} does not divide by {factor}, for {len(self.channels)} channels"
            )
        if not self.progressive:
            if self.kernel % 2 == 0:
                raise ValueError(f"kernel {self.kernel} is even; take an odd one")
            if any(width % self.groups for width in self.channels[1:]):
                raise ValueError(f"channels {self.channels} do not divide by groups {self.groups}")
        if self.growth is not None and self.growth > self.fully_grown:
            raise ValueError(f"growth {self.growth:g} is more than {self.fully_grown:g} levels")
        return self

    @property
    def doublings(self) -> int:
        """How often the coarsest map is enlarged to twice its size."""
        return len(self.channels) - self.progressive

    @property
    def coarse_shape(self) -> tuple[int, int]:
        """Rows and columns of the coarsest map."""
        return self.shape[0] // 2**self.doublings, self.shape[1] // 2**self.doublings

    @property
    def fully_grown(self) -> float:
        """The growth at which pictures have the full resolution; 0 if there is none."""
        return float(self.doublings) if self.progressive else 0.0


class DcganNetwork(nn.Module):
    """Latent vector and conditions to a picture."""

    def __init__(self, config: DcganConfig):
        super().__init__()
        from monai.networks.nets import Generator

        self.config = config
        self.conditions = Conditions(config, config.width)
        first, *rest = config.channels
        self.layers = Generator(
            latent_shape=(config.latent + config.width,),
            start_shape=(first, *config.coarse_shape),
            channels=(*rest, 1),
            strides=(2,) * len(config.channels),
            kernel_size=config.kernel,
            num_res_units=0,
            act="RELU",
            norm=("GROUP", {"num_groups": config.groups}),
        )

    def forward(
        self, latent: Tensor, conditions: Sequence[dict[str, Any]], growth: float
    ) -> Tensor:
        """Make pictures.

        Parameters
        ----------
        latent : (n, latent) tensor
            Standard normal.
        conditions : n mappings
        growth : float
            Of a progressive network; not looked at.

        Returns
        -------
        (n, 1, y, x) float32 tensor
            In [-1, 1].
        """
        given = torch.cat([latent, self.conditions(conditions)], dim=1)
        made: Tensor = self.layers(given)
        return made.float().tanh()


class DcganDiscriminator(nn.Module):
    """Picture and conditions to a score, above zero for real."""

    def __init__(self, config: DcganConfig):
        super().__init__()
        from monai.networks.nets import Regressor

        self.conditions = Conditions(config, config.width)
        self.layers = Regressor(
            in_shape=(1, *config.shape),
            out_shape=(1 + config.width,),
            channels=config.channels[::-1],
            strides=(2,) * len(config.channels),
            kernel_size=config.kernel,
            num_res_units=0,
            act=("LEAKYRELU", {"negative_slope": 0.2}),
            norm=None,
        )

    def forward(
        self,
        pictures: Tensor,
        conditions: Sequence[dict[str, Any]],
        growth: float,
        group: int = 1,
    ) -> Tensor:
        """(n,) scores of pictures (n, 1, y, x); growth and group are not looked at."""
        return projected(self.layers(pictures), self.conditions(conditions))


def projected(found: Tensor, asked: Tensor) -> Tensor:
    """(n,) scores: the first of the numbers found, and how well the others fit what was asked for.

    Parameters
    ----------
    found : (n, 1 + width) tensor
    asked : (n, width) tensor
    """
    fit = (found[:, 1:] * asked).mean(dim=1)
    return (found[:, 0] + fit).float()
