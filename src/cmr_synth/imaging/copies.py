"""Copies of a picture as they come to be: moved, degraded, blended, cut out.

The same changes train the copy detector (over wide ranges) and are planted into audits (at the
strengths of `PLANTED`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cmr_synth.imaging.damage import blurred, smooth_field

PATCH = 0.5
"""Side of a copied patch as a share of the picture's: a quarter of its area."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """What is done to a copy; the default is nothing.

    Parameters
    ----------
    shift : (float, float)
        Rows and columns, as shares of the picture.
    degrees : float
        Of rotation.
    zoom : float
        Above 1 the copy is enlarged (and cropped), below 1 made smaller.
    flip : (bool, bool)
        Upside down, left to right.
    blur : float
        Standard deviation of a Gaussian, in pixels.
    noise : float
        Standard deviation of added Gaussian noise; the picture's range is 1.
    gamma : float
        Logarithm of the exponent of a gamma curve.
    bias : (float, float)
        Logarithm of a linear brightness field at the lower and the right edge.
    """

    shift: tuple[float, float] = (0.0, 0.0)
    degrees: float = 0.0
    zoom: float = 1.0
    flip: tuple[bool, bool] = (False, False)
    blur: float = 0.0
    noise: float = 0.0
    gamma: float = 0.0
    bias: tuple[float, float] = (0.0, 0.0)


def changed(image: Tensor, change: Change, draw: np.random.Generator) -> Tensor:
    """A changed copy of a picture (1, y, x) with values in [0, 1]; what moves in is mirrored."""
    if change.flip[0]:
        image = image.flip(-2)
    if change.flip[1]:
        image = image.flip(-1)
    if change.shift != (0.0, 0.0) or change.degrees or change.zoom != 1:
        angle = np.deg2rad(change.degrees)
        cos, sin = np.cos(angle) / change.zoom, np.sin(angle) / change.zoom
        down, right = change.shift
        theta = torch.tensor(
            [[[cos, -sin, -2 * right], [sin, cos, -2 * down]]], dtype=image.dtype
        ).to(image.device)
        grid = functional.affine_grid(theta, [1, *image.shape], align_corners=False)
        image = functional.grid_sample(
            image[None], grid, mode="bicubic", padding_mode="reflection", align_corners=False
        )[0]
    if change.blur:
        image = blurred(image, change.blur)
    image = image.clamp(0, 1)
    if change.gamma:
        image = image ** float(np.exp(change.gamma))
    if change.bias != (0.0, 0.0):
        y = torch.linspace(-1, 1, image.shape[-2], device=image.device)[:, None]
        x = torch.linspace(-1, 1, image.shape[-1], device=image.device)[None, :]
        image = image * torch.exp(change.bias[0] * y + change.bias[1] * x)
    if change.noise:
        grain = draw.standard_normal(tuple(image.shape), dtype=np.float32)
        image = image + change.noise * torch.from_numpy(grain).to(image.device)
    return image.clamp(0, 1)


def pasted(image: Tensor, onto: Tensor, corner: tuple[int, int], side: tuple[int, int]) -> Tensor:
    """`onto` with a rectangle of `image` at the same place."""
    (top, left), (rows, columns) = corner, side
    result = onto.clone()
    result[..., top : top + rows, left : left + columns] = image[
        ..., top : top + rows, left : left + columns
    ]
    return result


def random_change(draw: np.random.Generator) -> Change:
    """One of the changes that the detector is trained with: wider than any planted one."""

    def often(chance: float) -> bool:
        return bool(draw.random() < chance)

    moves, turns = often(0.6), often(0.5)
    down, right, turn, scale, gamma, by, bx = draw.uniform(-1, 1, 7)
    return Change(
        shift=(0.1 * down, 0.1 * right) if moves else (0.0, 0.0),
        degrees=30 * turn if turns else 0.0,
        zoom=float(np.exp(0.3 * scale)) if often(0.4) else 1.0,
        flip=(often(0.2), often(0.2)),
        blur=2.2 * draw.random() if often(0.4) else 0.0,
        noise=0.1 * draw.random() if often(0.4) else 0.0,
        gamma=0.7 * gamma if often(0.5) else 0.0,
        bias=(0.4 * by, 0.4 * bx) if often(0.4) else (0.0, 0.0),
    )


def occluded(image: Tensor, other: Tensor, draw: np.random.Generator) -> Tensor:
    """A picture with a random box of grey, of mirrored content, or of another picture over it."""
    rows, columns = image.shape[-2:]
    tall, wide = (int(s * draw.uniform(0.15, 0.55)) for s in (rows, columns))
    top, left = int(draw.integers(rows - tall + 1)), int(draw.integers(columns - wide + 1))
    cover = [torch.full_like(image, float(draw.random())), image.flip(-1), other]
    return pasted(cover[int(draw.integers(3))], image, (top, left), (tall, wide))


def intensity_warp(image: Tensor, draw: np.random.Generator, strength: float = 0.3) -> Tensor:
    """Uneven brightness, smooth over the picture, as of another coil: a factor of e^+-strength."""
    field = smooth_field(draw, 1, 5, image.shape[-2:], image)
    return (image * torch.exp(strength * field)).clamp(0, 1)


PLANTED = (
    "exact",
    "shifted",
    "rotated",
    "flipped",
    "blurred",
    "noisy",
    "warped",
    "blended",
    "patch",
    "neighbouring slice",
)
"""Kinds of planted copies: shifted by up to 9 mm each way, rotated by 3 to 15 degrees, flipped,
blurred by 0.5 to 1.5 px, noise of 0.02 to 0.06, intensities warped (gamma curve and uneven
brightness), 0.7 of the copy blended with 0.3 of another patient, a patch of a quarter of the area
in another patient's picture, and the next slice of the same stack."""


def planted(
    kind: str,
    image: NDArray[np.float32],
    other: NDArray[np.float32],
    next_slice: NDArray[np.float32] | None,
    draw: np.random.Generator,
) -> NDArray[np.float32]:
    """A copy of a kind of `PLANTED`.

    Parameters
    ----------
    kind : str
    image, other : (y, x) arrays in [0, 1]
        The copied slice and a slice of another patient.
    next_slice : (y, x) array or None
        The slice beside the copied one; needed by the kind of that name.
    draw : random generator

    Returns
    -------
    (y, x) float32 array in [0, 1]

    Raises
    ------
    ValueError
        If the kind is unknown.
    """
    picture = torch.from_numpy(np.array(image, np.float32))[None]  # a copy: archives are read-only
    second = torch.from_numpy(np.array(other, np.float32))[None]
    sign = draw.choice([-1.0, 1.0], 3)
    amount = draw.random(3)
    if kind == "exact":
        result = picture
    elif kind == "shifted":
        far = 6 / 128  # 9 mm at 1.5 mm
        change = Change(shift=(far * amount[0] * sign[0], far * amount[1] * sign[1]))
        result = changed(picture, change, draw)
    elif kind == "rotated":
        result = changed(picture, Change(degrees=float(sign[0] * (3 + 12 * amount[0]))), draw)
    elif kind == "flipped":
        result = changed(picture, Change(flip=(sign[0] > 0, sign[0] < 0)), draw)
    elif kind == "blurred":
        result = changed(picture, Change(blur=float(0.5 + amount[0])), draw)
    elif kind == "noisy":
        result = changed(picture, Change(noise=float(0.02 + 0.04 * amount[0])), draw)
    elif kind == "warped":
        curve = Change(gamma=float(sign[0] * (0.2 + 0.3 * amount[0])))
        result = intensity_warp(changed(picture, curve, draw), draw)
    elif kind == "blended":
        result = 0.7 * picture + 0.3 * second
    elif kind == "patch":
        rows, columns = (int(PATCH * s) for s in image.shape)
        # over the middle three quarters: the heart's surroundings, not an empty corner
        top, left = (
            int(s / 8 + a * (s * 3 / 4 - side))
            for s, a, side in zip(image.shape, amount, (rows, columns), strict=False)
        )
        result = pasted(picture, second, (top, left), (rows, columns))
    elif kind == "neighbouring slice":
        if next_slice is None:
            raise ValueError("a neighbouring slice needs the slice beside the copied one")
        result = torch.from_numpy(np.array(next_slice, np.float32))[None]
    else:
        raise ValueError(f"unknown kind of copy: {kind}")
    return np.asarray(result[0].clamp(0, 1).numpy(), np.float32)
