"""The generator of RecCGAN: U-Nets between steps of data consistency, on what was measured.

Each cascade adds what a U-Net sees missing to the complex picture, then goes back to what was
measured (Schlemper et al. 2017, arXiv:1704.02422; several coils: Aggarwal et al. 2019,
arXiv:1712.02862). The last step is a hard one where the configuration says so.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

from cmr_synth.reconstruction.acquisition import Acquired

FOLD = 2  # pixels to a side that become channels, so that the costly layers are smaller


class ReconstructionConfig(BaseModel):
    """Size of the generator, and what it was trained for.

    Parameters
    ----------
    filters : tuple of int
        Channels of a U-Net at 1/2, 1/4, ... of the resolution.
    cascades : int
        U-Nets, each followed by data consistency.
    consistency : "hard" or "soft"
        What was measured replaces what the last U-Net made of it, or as far as is learned.
    coils : int
        Of the simulated scans that it learns from; others may be given.
    accelerations : tuple of float
    patterns : tuple of "cartesian" and "radial"
    noise : float
        As `cmr_synth.reconstruction.acquisition.NOISE`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    filters: tuple[Annotated[int, Field(gt=0)], ...] = Field(
        (16, 32, 64, 128), min_length=3, max_length=6
    )
    cascades: int = Field(2, ge=1, le=12)
    consistency: Literal["hard", "soft"] = "hard"
    coils: int = Field(4, ge=1, le=64)
    accelerations: tuple[Annotated[float, Field(gt=1, le=20)], ...] = Field(
        (4.0, 8.0), min_length=1
    )
    patterns: tuple[Literal["cartesian", "radial"], ...] = Field(
        ("cartesian", "radial"), min_length=1
    )
    noise: float = Field(0.01, ge=0, le=1)


class ReconstructionNetwork(nn.Module):
    """Measured k-space to complex pictures."""

    def __init__(self, config: ReconstructionConfig | None = None):
        super().__init__()
        from monai.networks.nets import DynUNet

        self.config = config or ReconstructionConfig()
        levels = len(self.config.filters)
        self.cascades = nn.ModuleList(
            DynUNet(
                spatial_dims=2,
                in_channels=2 * FOLD**2,
                out_channels=2 * FOLD**2,
                kernel_size=[3] * levels,
                strides=[1] + [2] * (levels - 1),
                upsample_kernel_size=[2] * (levels - 1),
                filters=list(self.config.filters),
                norm_name=("INSTANCE", {"affine": True}),
                res_block=False,
            )
            for _ in range(self.config.cascades)
        )
        for unet in self.cascades:  # it begins with what was measured, and adds to that
            last: Any = unet.output_block
            nn.init.zeros_(last.conv.conv.weight)
            nn.init.zeros_(last.conv.conv.bias)
        self.shares = nn.Parameter(torch.ones(self.config.cascades))

    def forward(self, acquired: Acquired) -> Tensor:
        """Complex pictures (n, y, x) in the brightness of what was measured."""
        scales = acquired.scales()
        one = acquired.scaled(scales)
        pictures = one.zero_filled()
        for number, unet in enumerate(self.cascades):
            pictures = pictures + self._missing(unet, pictures)
            pictures = one.consistent(pictures, self.shares[number].clamp(0, 1))
        if self.config.consistency == "hard":
            pictures = one.consistent(pictures)
        return pictures * scales

    def _missing(self, unet: nn.Module, pictures: Tensor) -> Tensor:
        rows, columns = pictures.shape[-2:]
        by = FOLD * 2 ** (len(self.config.filters) - 1)
        pad = (0, -columns % by, 0, -rows % by)
        parts = torch.view_as_real(pictures).permute(0, 3, 1, 2)  # (n, y, x, 2) -> (n, 2, y, x)
        folded = functional.pixel_unshuffle(functional.pad(parts, pad), FOLD)
        folded = folded.contiguous(memory_format=torch.channels_last)
        found = functional.pixel_shuffle(unet(folded), FOLD)[..., :rows, :columns]
        return torch.view_as_complex(found.float().permute(0, 2, 3, 1).contiguous())
