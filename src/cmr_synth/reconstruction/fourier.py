"""The Fourier transform as scanners use it: orthonormal, with the middle in the middle."""

from __future__ import annotations

import torch
from torch import Tensor

_AXES = (-2, -1)


def to_kspace(pictures: Tensor) -> Tensor:
    """Complex pictures (..., y, x) to k-space of the same shape; frequency 0 is at n // 2."""
    shifted = torch.fft.ifftshift(pictures, dim=_AXES)
    return torch.fft.fftshift(torch.fft.fft2(shifted, norm="ortho"), dim=_AXES)


def to_picture(kspace: Tensor) -> Tensor:
    """The inverse of `to_kspace`."""
    shifted = torch.fft.ifftshift(kspace, dim=_AXES)
    return torch.fft.fftshift(torch.fft.ifft2(shifted, norm="ortho"), dim=_AXES)
