"""A picture whose layout is kept while the model draws its own looks over it.

After every step what is coarser than some pixels in the estimate is replaced by that of the
picture (ILVR, Choi et al. 2021, arXiv:2108.02938), whose grey levels are brought to the estimate's
first: shapes stay where they are, contrast and grain become those the model was asked for. Adapting
scans of one scanner to a network trained on another's in this way follows SD-DM.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from cmr_synth.errors import InputError
from cmr_synth.generators.interface import Condition
from cmr_synth.generators.look import match_tones, require_picture


class Layout:
    """The layouts that a batch of conditions keeps.

    Parameters
    ----------
    conditions : sequence of Condition
    shape : (rows, columns) of the model's grid
    device : torch.device

    Raises
    ------
    InputError
        If a picture is not on the model's grid or not in [0, 1], or a width is not positive.
    """

    def __init__(
        self, conditions: Sequence[Condition], shape: tuple[int, int], device: torch.device
    ):
        for condition in conditions:
            _check(condition, shape)
        self.rows = [i for i, condition in enumerate(conditions) if condition.layout is not None]
        kept = [conditions[i] for i in self.rows]
        if kept:
            pixels = np.stack([np.asarray(c.layout, dtype=np.float32) for c in kept])
            self.pictures = 2 * torch.from_numpy(pixels)[:, None].to(device) - 1
            widths = [c.layout_pixels for c in kept]
            self.passed = _passed(shape, torch.tensor(widths, device=device))

    def __call__(self, estimates: Tensor) -> Tensor:
        """Estimates (n, 1, y, x) on the scale [-1, 1], those with a layout brought to it."""
        if not self.rows:
            return estimates
        own = estimates[self.rows].float()
        wanted = match_tones(self.pictures, own.clamp(-1, 1))
        changed = own + self._coarse(wanted - own)
        estimates = estimates.clone()
        estimates[self.rows] = changed.to(estimates.dtype)
        return estimates

    def _coarse(self, pictures: Tensor) -> Tensor:
        """What is coarser than the widths; edges are mirrored, so that nothing wraps around."""
        rows, columns = pictures.shape[-2:]
        wide = functional.pad(pictures, (0, columns - 1, 0, rows - 1), mode="reflect")
        spectrum = torch.fft.rfft2(wide) * self.passed
        return torch.fft.irfft2(spectrum, s=wide.shape[-2:])[..., :rows, :columns]


def _passed(shape: tuple[int, int], widths: Tensor) -> Tensor:
    """(n, 1, frequencies) transfer of Gaussians of these standard deviations, in pixels."""
    rows, columns = (2 * side - 1 for side in shape)
    fy = torch.fft.fftfreq(rows, device=widths.device)[:, None]
    fx = torch.fft.rfftfreq(columns, device=widths.device)[None]
    radius = fy**2 + fx**2
    return torch.exp(-2 * (torch.pi * widths.view(-1, 1, 1, 1)) ** 2 * radius)


def _check(condition: Condition, shape: tuple[int, int]) -> None:
    if condition.layout is None:
        return
    require_picture("layout", condition.layout, shape)
    if not 0 < condition.layout_pixels < np.inf:
        raise InputError(
            f"layout: structures coarser than {condition.layout_pixels:g} pixels were asked for; "
            "give a positive number."
        )
