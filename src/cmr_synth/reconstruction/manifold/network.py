"""A conditional VAE whose decoder takes what stays, a latent, and what changes, signals of time.

After STORM with deep generative models (Zou et al. 2021, doi:10.1109/TMI.2021.3065948), whose
latent vectors of time are given here: phase and inversion time are known. What stays is encoded
from gated pictures: shots of like phase and time joined, coarse in both and full of streaks, but
sharp where nothing moves. The decoder paints maps of what stays by convolutions, once, and mixes
them at every pixel by a small network whose weights the signals decide: any phase at any time costs
next to nothing.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

RECOVERIES_MS = (150.0, 300.0, 600.0, 1000.0, 1600.0, 2500.0)
"""Time constants of the signals of contrast: those of tissues lie between them."""
HARMONICS = 3  # of the heartbeat


def signals(phases: NDArray[np.floating], times_ms: NDArray[np.floating]) -> Tensor:
    """Signals (n, s) of phases in [0, 1) and inversion times in ms.

    Harmonics of the heartbeat, and exponential recoveries.
    """
    turns = 2 * np.pi * np.asarray(phases)[:, None] * np.arange(1, HARMONICS + 1)
    recovered = 1 - 2 * np.exp(-np.asarray(times_ms)[:, None] / np.array(RECOVERIES_MS))
    found = np.concatenate([np.cos(turns), np.sin(turns), recovered], axis=1)
    return torch.from_numpy(found.astype(np.float32))


class Manifold(nn.Module):
    """The VAE of one slice.

    Parameters
    ----------
    side : int
        Pixels of the square slice, a multiple of 16.
    gates : int
        Gated pictures.
    latent : int
        Numbers of what stays.
    maps : int
        Painted by the decoder for each pixel.
    hidden : int
        Of the network that mixes them.
    """

    def __init__(
        self, side: int, gates: int, *, latent: int = 16, maps: int = 24, hidden: int = 16
    ):
        super().__init__()
        self.side, self.maps, self.hidden = side, maps + gates, hidden
        width = 32
        self.encoder = nn.Sequential(
            nn.Conv2d(gates, 16, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(16, 16, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(256, 2 * latent),
        )
        self.start = nn.Linear(latent, width * (side // 16) ** 2)
        self.levels = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.GroupNorm(8, width), nn.SiLU())
            for _ in range(4)
        )
        self.seen = nn.Conv2d(gates, width, 3, padding=1)
        self.paint = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), nn.SiLU(), nn.Conv2d(width, maps, 3, padding=1)
        )
        inputs = 2 * HARMONICS + len(RECOVERIES_MS)
        self.mixing = nn.Sequential(
            nn.Linear(inputs, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(),
            nn.Linear(64, hidden * (self.maps + 2) + 1),
        )  # fmt: skip

    def encode(self, gated: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance (1, latent) of what stays, of gated pictures (gates, y, x)."""
        middle, spread = self.encoder(gated[None]).chunk(2, dim=1)
        return middle, spread.clamp(-10, 4)

    def stays(self, latent: Tensor, gated: Tensor) -> Tensor:
        """Maps (maps, y, x) of a latent (1, latent) and the gated pictures, these among them."""
        low = self.side // 16
        x = self.start(latent).reshape(1, -1, low, low)
        for level in self.levels:
            x = level(functional.interpolate(x, scale_factor=2, mode="bilinear"))
        painted = self.paint(x + self.seen(gated[None]))
        return torch.cat([painted[0], gated])

    def pictures(self, maps: Tensor, given: Tensor) -> Tensor:
        """Signed pictures (n, y, x) of maps at signals (n, s)."""
        weights = self.mixing(given)
        inner, outer, bias, level = weights.split(
            [self.hidden * self.maps, self.hidden, self.hidden, 1], dim=1
        )
        inner = inner.reshape(-1, self.hidden, self.maps) / self.maps**0.5
        seen = torch.einsum("nhm,myx->nhyx", inner, maps) + bias[..., None, None]
        mixed = torch.einsum("nh,nhyx->nyx", outer / self.hidden**0.5, functional.silu(seen))
        return mixed + level[..., None]
