"""The bundled cardiac encoder: the feature space of realism.

Self-supervised on real slices of training patients; no patient that a figure is reported on has
been seen by it. Two tasks give it two senses: telling slices of different patients apart under
rotation, scale and shift (Chen et al. 2020, arXiv:2002.05709) makes it see anatomy and scanner;
telling how
much blur, noise, dimming, ghosting and warping a slice was given makes it see what goes wrong in a
picture, to which features learned for recognition alone are blind.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from cmr_synth.judges.judge import Judge, bundled

BUNDLED = bundled("encoder")


class EncoderConfig(BaseModel):
    """Size of the network.

    Parameters
    ----------
    channels : tuple of int
        At 1/2, 1/4, 1/8 and 1/16 of the resolution; the last is the number of features. 16 at
        least: torch 2 crashes on processors in the backward pass of narrower channels-last maps.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    channels: tuple[Annotated[int, Field(ge=16, le=1024)], ...] = Field(
        (16, 32, 64, 96), min_length=4, max_length=4
    )


class EncoderNetwork(nn.Module):
    """MONAI's ResNet with one basic block a level, without its classifier.

    Batch normalisation, because normalising each picture by itself would hide its brightness and
    contrast from the features.
    """

    def __init__(self, config: EncoderConfig | None = None):
        super().__init__()
        from monai.networks.nets import ResNet

        self.config = config or EncoderConfig()
        self.resnet = ResNet(
            block="basic",
            layers=[1, 1, 1, 1],
            block_inplanes=list(self.config.channels),
            spatial_dims=2,
            n_input_channels=1,
            conv1_t_size=3,
            conv1_t_stride=2,
            no_max_pool=True,
            feed_forward=False,
        )

    def forward(self, images: Tensor) -> Tensor:
        """Features (n, d) of pictures (n, 1, y, x) with values in [0, 1]."""
        images = (2 * images - 1).contiguous(memory_format=torch.channels_last)
        features: Tensor = self.resnet(images)
        return features


class Encoder(Judge[EncoderNetwork]):
    """A trained encoder with its identity."""

    name = "cardiac encoder"

    title = "encoder"
    folder = BUNDLED
    config_kind = EncoderConfig
    network_kind = EncoderNetwork

    @property
    def width(self) -> int:
        """Number of features."""
        return self.network.config.channels[-1]

    @torch.no_grad()
    def features(self, images: NDArray[np.floating], *, batch: int = 32) -> NDArray[np.float64]:
        """Features of slices.

        Parameters
        ----------
        images : (n, y, x) array in [0, 1]
            At 1.5 mm in canonical orientation.

        Returns
        -------
        (n, d) float64 array
        """
        found = [np.zeros((0, self.width), np.float32)]
        for block in self.blocks(images, batch):
            found.append(self.network(block).cpu().numpy())
        return np.concatenate(found).astype(np.float64)
