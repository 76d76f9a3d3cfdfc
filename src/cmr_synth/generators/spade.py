"""Blocks whose channels the mask scales and shifts (Park et al. 2019, arXiv:1903.07291)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Spade(nn.Module):
    """Group norm, then a scale and a shift for every position from the mask and the style.

    MONAI's block normalises scale and shift over the picture too, so that a mask without
    boundaries would scale by nothing and any other by the same amount; the paper does not.

    Both norms of a block share the 3 x 3 convolution over the mask, and 1 x 1 makes scale and
    shift of it: half the time, and the folded mask has reached its neighbours by then.
    """

    def __init__(self, channels: int, width: int, *, hidden: int, groups: int):
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels, affine=False)
        self.maps = nn.Conv2d(hidden, 2 * channels, 1)
        self.style = nn.Linear(width, 2 * channels)

    def forward(self, x: Tensor, seen: Tensor, code: Tensor) -> Tensor:
        scale, shift = (self.maps(seen) + self.style(code)[:, :, None, None]).chunk(2, dim=1)
        return self.norm(x) * (1 + scale) + shift


class SpadeBlock(nn.Module):
    """Residual block of two modulated convolutions."""

    def __init__(
        self, inputs: int, outputs: int, labels: int, width: int, *, hidden: int, groups: int
    ):
        super().__init__()
        self.shared = nn.Conv2d(labels, hidden, 3, padding=1)
        self.first = Spade(inputs, width, hidden=hidden, groups=groups)
        self.conv_1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.second = Spade(outputs, width, hidden=hidden, groups=groups)
        self.conv_2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor, mask: Tensor, code: Tensor) -> Tensor:
        seen = functional.leaky_relu(self.shared(mask), 0.2)
        out = self.conv_1(functional.leaky_relu(self.first(x, seen, code), 0.2))
        out = self.conv_2(functional.leaky_relu(self.second(out, seen, code), 0.2))
        result: Tensor = self.skip(x) + out
        return result


@torch.no_grad()
def start_smooth(conv: nn.Conv2d) -> None:
    """Let a pixel shuffle start as nearest neighbours, without a checkerboard.

    ICNR, Aitken et al. 2017, arXiv:1707.02937.
    """
    conv.weight.copy_(conv.weight[::4].repeat_interleave(4, dim=0))
    if conv.bias is not None:
        conv.bias.copy_(conv.bias[::4].repeat_interleave(4, dim=0))
