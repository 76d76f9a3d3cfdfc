"""The mask flow's network: noisy distance maps, a guide and conditions to clean distance maps.

A slice's mask is three signed distances in mm, to the edges of the cavity, of the left ventricle
with its wall, and of the RV, bounded by tanh: smooth maps, which a flow can carry from noise, and
from which any map gives a mask whose wall lies around its cavity. Flow matching as in
`generators.flow` (Lipman et al. 2023, arXiv:2210.02747), whose samplers it uses.

The guide is a mask that is blurred until only its layout is left, such as that of a slice of the
shape model: so that the slices of a stack and its phases belong to one heart. It may be left out;
then level, phase and pathology alone decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from cmr_synth.anatomy.labels import BACKGROUND, LV, MYO, RV, UNLABELLED
from cmr_synth.generators.backbones.config import BackboneConfig
from cmr_synth.generators.backbones.made import make_backbone
from cmr_synth.generators.conditioning import CLASSES, Conditions, one_hot_mask

FOLD = 4
MAPS = 3
"""Signed distances: cavity, left ventricle with its wall, RV."""


class MaskFlowConfig(BackboneConfig):
    """Size and vocabulary of the network.

    Parameters
    ----------
    softness_mm : float
        Distance from an edge at which a map has tanh(1) of its range.
    guide_mm : float
        Standard deviation of the Gaussian that blurs a guide.
    sigma_data : float
        Standard deviation of the maps.
    """

    channels: tuple[PositiveInt, ...] = (64, 96, 128)
    vendors: tuple[str, ...] = ()
    softness_mm: float = Field(6.0, gt=0)
    guide_mm: float = Field(6.0, gt=0)
    sigma_data: float = Field(0.6, gt=0)

    @property
    def position(self) -> int:
        """Pixels to a side of a position."""
        return FOLD

    @property
    def known_words(self) -> dict[str, tuple[str, ...]]:
        """Phase and pathology: a mask has no vendor."""
        return {"phase": self.phases, "pathology": self.pathologies}


class MaskFlowNetwork(nn.Module):
    """Estimate of the clean distance maps."""

    def __init__(self, config: MaskFlowConfig | None = None):
        super().__init__()
        self.config = config = config or MaskFlowConfig()
        inputs = (MAPS + CLASSES) * FOLD**2
        self.unet = make_backbone(config, inputs=inputs, outputs=MAPS * FOLD**2)
        self.conditions = Conditions(config, config.vector)

    def forward(
        self, noisy: Tensor, time: Tensor, guide: Tensor, conditions: Sequence[dict[str, Any]]
    ) -> Tensor:
        """Estimate the clean maps.

        Parameters
        ----------
        noisy : (n, 3, y, x) tensor
            t x + (1 - t) n.
        time : (n,) tensor in [0, 1)
        guide : (n, 4, y, x) tensor
            From `guide_of`; all zero where there is none.
        conditions : n mappings

        Returns
        -------
        (n, 3, y, x) float32 tensor
        """
        t = time.float().view(-1, 1, 1, 1)
        scale = (t**2 * self.config.sigma_data**2 + (1 - t) ** 2).rsqrt()
        seen = torch.cat([noisy * scale, guide], dim=1)
        folded = functional.pixel_unshuffle(seen, FOLD).contiguous(
            memory_format=torch.channels_last
        )
        raw = self.unet(folded, 1000 * time, class_labels=self.conditions(conditions)).sample
        return functional.pixel_shuffle(raw.float(), FOLD)


def maps_of(labels: NDArray[np.integer], config: MaskFlowConfig) -> NDArray[np.float32]:
    """Distance maps (n, 3, y, x) of masks (n, y, x) of engine labels; 255 counts as background."""
    from scipy.ndimage import distance_transform_edt

    maps = np.empty((len(labels), MAPS, *labels.shape[1:]), np.float32)
    regions = (labels == LV, np.isin(labels, (LV, MYO)), labels == RV)
    for channel, region in enumerate(regions):
        for k, inside in enumerate(region):
            if not inside.any():
                maps[k, channel] = -1
                continue
            # half a pixel on either side: the edge runs between pixels
            apart = np.where(
                inside,
                distance_transform_edt(inside) - 0.5,
                0.5 - distance_transform_edt(~inside),
            )
            maps[k, channel] = np.tanh(apart * config.spacing_mm / config.softness_mm)
    return maps


def labels_of(maps: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Engine labels (n, y, x) of distance maps (n, 3, y, x): inside where positive."""
    cavity, ventricle, rv = (maps[:, channel] > 0 for channel in range(MAPS))
    labels = np.full(cavity.shape, BACKGROUND, np.uint8)
    labels[rv] = RV
    labels[ventricle] = MYO
    labels[ventricle & cavity] = LV
    return labels


def guide_of(labels: Tensor, config: MaskFlowConfig) -> Tensor:
    """Blurred indicators (n, 4, y, x) of masks (n, y, x); all zero where all is unlabelled."""
    sigma = config.guide_mm / config.spacing_mm
    reach = int(np.ceil(3 * sigma))
    x = torch.arange(-reach, reach + 1, dtype=torch.float32, device=labels.device)
    kernel = torch.exp(-0.5 * (x / sigma) ** 2)
    kernel = (kernel / kernel.sum()).expand(CLASSES, 1, -1)
    given = one_hot_mask(labels)
    padded = functional.pad(given, (reach, reach, reach, reach), mode="replicate")
    rows = functional.conv2d(padded, kernel[:, :, None, :], groups=CLASSES)
    blurred = functional.conv2d(rows, kernel[:, :, :, None], groups=CLASSES)
    there = (labels != UNLABELLED).any(dim=2).any(dim=1).view(-1, 1, 1, 1)
    return blurred * there
