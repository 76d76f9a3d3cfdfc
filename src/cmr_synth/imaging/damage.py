"""What can go wrong with a picture, in known amounts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

DAMAGES = ("blur", "noise", "gamma", "gain", "ghost", "warp", "blotch", "coarse")
"""Each with a strength from 0 to 1, gamma and gain from -1 to 1."""

UNTOUCHED = 0.25  # share of pictures left as they are
EACH = 0.35  # chance of each kind on the others


def damaged(images: Tensor, draws: Sequence[np.random.Generator]) -> tuple[Tensor, Tensor]:
    """Damage pictures, each by its own random generator.

    Parameters
    ----------
    images : (n, 1, y, x) tensor in [0, 1]
    draws : n random generators

    Returns
    -------
    (n, 1, y, x) and (n, 8) tensors
        Pictures in [0, 1], and the strength of each of `DAMAGES`; 0 for none.
    """
    result, strengths = [], []
    for image, draw in zip(images, draws, strict=True):
        amount = draw.random(len(DAMAGES)) * (draw.random(len(DAMAGES)) < EACH)
        if draw.random() < UNTOUCHED:
            amount[:] = 0
        signs = draw.choice([-1, 1], 2)
        amount[2:4] *= signs
        result.append(_one(image, amount, draw))
        strengths.append(amount)
    told = torch.tensor(np.array(strengths), dtype=torch.float32, device=images.device)
    return torch.stack(result), told


def _one(image: Tensor, amount: np.ndarray, draw: np.random.Generator) -> Tensor:
    blur, noise, gamma, gain, ghost, warp, blotch, coarse = (float(a) for a in amount)
    size = image.shape[-2:]
    if warp:  # a heart drawn by an unsteady hand
        field = smooth_field(draw, 2, 8, size, image) * 0.06 * warp
        identity = torch.eye(2, 3, dtype=image.dtype, device=image.device)[None]
        grid = functional.affine_grid(identity, [1, 1, *size], align_corners=False)
        grid = grid + field.permute(1, 2, 0)[None]
        image = functional.grid_sample(
            image[None], grid, padding_mode="border", align_corners=False
        )[0]
    if ghost:  # a shifted echo, as of motion in the phase direction
        image = image + 0.4 * ghost * image.roll(int(draw.integers(size[0] // 6, size[0] // 2)), -2)
    if blotch:  # tissue of uneven brightness
        image = image * (1 + 0.5 * blotch * smooth_field(draw, 1, 10, size, image))
    if coarse:  # detail below a few pixels lost and filled in
        small = functional.interpolate(image[None], scale_factor=1 - 0.6 * coarse, mode="area")
        image = functional.interpolate(small, size=size, mode="bicubic")[0]
    if blur:
        image = blurred(image, 1.8 * blur + 1e-3)
    image = image.clamp(0, 1)
    if gamma:
        image = image ** float(np.exp(0.5 * gamma))
    if gain:
        image = image * float(np.exp(0.3 * gain))
    if noise:
        grain = draw.standard_normal(tuple(image.shape), dtype=np.float32)
        image = image + 0.06 * noise * torch.from_numpy(grain).to(image.device)
    return image.clamp(0, 1)


def blurred(image: Tensor, sigma: float) -> Tensor:
    """A picture (1, y, x) after a Gaussian blur of `sigma` pixels, cut off at five pixels."""
    x = torch.arange(-5.0, 6.0, device=image.device)
    kernel = torch.exp(-0.5 * (x / sigma) ** 2)
    kernel = (kernel / kernel.sum()).to(image.dtype)
    padded = functional.pad(image[None], (5, 5, 5, 5), mode="replicate")
    image = functional.conv2d(padded, kernel.view(1, 1, 1, -1))
    return functional.conv2d(image, kernel.view(1, 1, -1, 1))[0]


def smooth_field(
    draw: np.random.Generator, count: int, knots: int, size: torch.Size, like: Tensor
) -> Tensor:
    """Smooth random fields (count, y, x) in about [-1, 1]."""
    rough = torch.from_numpy(draw.uniform(-1, 1, (1, count, knots, knots)).astype(np.float32))
    return functional.interpolate(rough.to(like.device), size=size, mode="bicubic")[0]
