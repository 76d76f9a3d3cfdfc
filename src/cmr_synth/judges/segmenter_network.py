"""The segmentation network: MONAI's DynUNet on a picture folded 2 x 2 into channels."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

CLASSES = 4  # background, LV, MYO, RV
FOLD = 2


class SegmenterConfig(BaseModel):
    """Size of the network.

    Parameters
    ----------
    filters : tuple of int
        Channels at 1/2, 1/4, ... of the resolution.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    filters: tuple[Annotated[int, Field(gt=0)], ...] = Field(
        (32, 64, 128, 192, 192), min_length=3, max_length=6
    )


class SegmenterNetwork(nn.Module):
    """Short-axis picture to class scores.

    Folding each 2 x 2 block of pixels into channels keeps every pixel and moves the costly
    full-resolution convolutions to a quarter of the positions; the scores are unfolded again.
    """

    def __init__(self, config: SegmenterConfig | None = None):
        super().__init__()
        from monai.networks.nets import DynUNet

        self.config = config or SegmenterConfig()
        levels = len(self.config.filters)
        self.unet = DynUNet(
            spatial_dims=2,
            in_channels=FOLD**2,
            out_channels=CLASSES * FOLD**2,
            kernel_size=[3] * levels,
            strides=[1] + [2] * (levels - 1),
            upsample_kernel_size=[2] * (levels - 1),
            filters=list(self.config.filters),
            norm_name=("INSTANCE", {"affine": True}),
            res_block=False,
        )

    def forward(self, images: Tensor) -> Tensor:
        """Scores (n, 4, y, x) of pictures (n, 1, y, x) with values in [0, 1]."""
        folded = functional.pixel_unshuffle(2 * images - 1, FOLD)
        folded = folded.contiguous(memory_format=torch.channels_last)
        return functional.pixel_shuffle(self.unet(folded), FOLD)

    def features(self, images: Tensor) -> Tensor:
        """Mean and standard deviation over space of the maps at 1/4 of the resolution.

        The feature space of the Frechet distance, (n, 2 filters[1]): learned from real images
        only, by a task that no generator is trained with. The maps are taken before instance
        normalisation, which removes just these two moments: deeper features averaged over
        space are blind to blur, noise and contrast (benchmarks/features.py).
        """
        kept: list[Tensor] = []
        layer = self.unet.downsamples[0].conv1
        hook = layer.register_forward_hook(lambda _m, _i, out: kept.append(out.float()))
        try:
            self.forward(images)
        finally:
            hook.remove()
        return torch.cat([kept[0].mean(dim=(2, 3)), kept[0].std(dim=(2, 3))], dim=1)
