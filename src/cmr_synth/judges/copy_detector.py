"""The copy detector: where a copy lies beside its original and every other slice lies far away.

After SSCD (Pizzi et al. 2022, arXiv:2202.10261): contrast between changed copies among many other
pictures, with a term that spreads descriptors over the sphere. Besides one descriptor of a whole
slice it has one for each of 25 overlapping windows, for copies of a part. Trained on training
patients only.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

from cmr_synth.judges.judge import Judge, bundled

BUNDLED = bundled("copy-detector")
GRID = 5
"""Windows a side: half the picture each, an eighth of it apart."""


class CopyDetectorConfig(BaseModel):
    """Size of the network.

    Parameters
    ----------
    channels : tuple of int
        At 1/2, 1/4, 1/8 and 1/16 of the resolution; 16 at least, as of the encoder.
    width : int
        Length of the descriptor of a slice.
    window_width : int
        Length of the descriptor of a window.
    layout : int
        Channels whose place in the picture is kept.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    channels: tuple[Annotated[int, Field(ge=16, le=1024)], ...] = Field(
        (16, 32, 64, 128), min_length=4, max_length=4
    )
    width: int = Field(256, ge=8, le=4096)
    window_width: int = Field(64, ge=8, le=4096)
    layout: int = Field(16, ge=1, le=256)


class CopyDetectorNetwork(nn.Module):
    """MONAI's ResNet, read out as a whole and by windows.

    Pooled features are blind to where things are, and laid-out ones to moves; descriptors are made
    of both.
    """

    def __init__(self, config: CopyDetectorConfig | None = None):
        super().__init__()
        from monai.networks.nets import ResNet

        self.config = config or CopyDetectorConfig()
        last = self.config.channels[-1]
        resnet = ResNet(
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
        self.trunk = nn.Sequential(
            resnet.conv1,
            resnet.bn1,
            nn.ReLU(),
            resnet.layer1,
            resnet.layer2,
            resnet.layer3,
            resnet.layer4,
        )
        self.laid_out = nn.Conv2d(last, self.config.layout, 1)
        self.whole = nn.Linear(last + self.config.layout * 64, self.config.width)
        self.window = nn.Linear(last + self.config.layout * 16, self.config.window_width)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Descriptors (n, d) and (n, 25, w), all of length 1, of pictures (n, 1, 128, 128)."""
        images = (2 * images - 1).contiguous(memory_format=torch.channels_last)
        maps = self.trunk(images)
        placed = self.laid_out(maps)
        whole = self.whole(torch.cat([_pooled(maps), placed.flatten(1)], dim=1))
        pooled = torch.stack([_pooled(part) for part in _windows(maps)], dim=1)
        layout = torch.stack([part.flatten(1) for part in _windows(placed)], dim=1)
        window = self.window(torch.cat([pooled, layout], dim=2))
        return functional.normalize(whole, dim=1), functional.normalize(window, dim=2)


def _pooled(maps: Tensor) -> Tensor:
    """Generalised mean with an exponent of 3 (Radenovic et al. 2019, arXiv:1711.02512)."""
    return maps.clamp(min=1e-4).pow(3).mean(dim=(2, 3)).pow(1 / 3)


def _windows(maps: Tensor) -> list[Tensor]:
    """Windows (n, c, 4, 4) of maps (n, c, 8, 8), row by row."""
    return [maps[:, :, i : i + 4, j : j + 4] for i in range(GRID) for j in range(GRID)]


class CopyDetector(Judge[CopyDetectorNetwork]):
    """A trained copy detector with its identity; an archive is tied to its hash."""

    title = "copy detector"
    folder = BUNDLED
    config_kind = CopyDetectorConfig
    network_kind = CopyDetectorNetwork

    @torch.no_grad()
    def descriptors(
        self, images: NDArray[np.floating], *, batch: int = 32
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Descriptors of slices.

        Parameters
        ----------
        images : (n, 128, 128) array in [0, 1]
            At 1.5 mm in canonical orientation.

        Returns
        -------
        (n, d) and (n, 25, w) float32 arrays
            Of whole slices and of windows, every vector of length 1.
        """
        config = self.network.config
        whole = np.empty((len(images), config.width), np.float32)
        window = np.empty((len(images), GRID * GRID, config.window_width), np.float32)
        first = 0
        for block in self.blocks(images, batch):
            one, parts = self.network(block)
            whole[first : first + len(block)] = one.cpu().numpy()
            window[first : first + len(block)] = parts.cpu().numpy()
            first += len(block)
        return whole, window
