"""Receiver coils: maps to simulate with, and maps that a scan's own middle of k-space tells."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cmr_synth.errors import InputError
from cmr_synth.reconstruction.fourier import to_kspace
from cmr_synth.reconstruction.sampling import measured_middle

MOST = 64  # that are simulated
LEAST_MIDDLE = 6  # rows and columns of k-space; fewer show no coil's map
WIDEST_MIDDLE = 32  # that are looked at: maps are smooth
LEAST_KERNEL, KERNEL = 4, 6  # samples to a side of what depends on each other
KEPT = 0.02  # singular values above this share of the largest are signal
_REACH = 0.9  # of a coil's sensitivity, in half fields of view


def simulated_maps(
    count: int, shape: tuple[int, int], draw: np.random.Generator
) -> NDArray[np.complex64]:
    """Smooth complex maps of coils around the field of view, their squares adding up to one.

    Parameters
    ----------
    count : int
        Coils, evenly around, the first at a random angle.
    shape : (rows, columns)
    draw : numpy Generator

    Returns
    -------
    (coils, rows, columns) complex64 array
    """
    if not 1 <= count <= MOST:
        raise InputError(f"{count} coils: give 1 to {MOST}.")
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    angles = draw.uniform(0, 2 * np.pi) + 2 * np.pi * np.arange(count) / count
    maps = []
    for angle in angles:
        cy, cx = 1.2 * np.sin(angle), 1.2 * np.cos(angle)
        strength = np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * _REACH**2))
        turn = draw.uniform(0, 2 * np.pi) + draw.uniform(-1, 1) * y + draw.uniform(-1, 1) * x
        maps.append(strength * np.exp(1j * turn))
    found = np.stack(maps)
    return (found / np.sqrt((np.abs(found) ** 2).sum(axis=0))).astype(np.complex64)


def smooth_phase(
    shape: tuple[int, int], draw: np.random.Generator, *, largest: float = np.pi / 2
) -> NDArray[np.float32]:
    """A slowly varying phase (rows, columns) in radians, as the field's unevenness leaves it."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    terms = [np.ones_like(y), y, x, y * x, y**2, x**2]
    weights = draw.uniform(-1, 1, len(terms)) * largest / 2
    return sum(w * t for w, t in zip(weights, terms, strict=True)).astype(np.float32)


def estimated_maps(kspace: Tensor, measured: Tensor) -> Tensor:
    """Maps of the coils from the middle of k-space, which was measured whole: ESPIRiT.

    Uecker et al. 2014, doi:10.1002/mrm.24751: neighbouring samples of all coils depend on each
    other linearly, and the maps are what these dependencies leave as it is, the eigenvectors of
    value 1 of a small matrix at every pixel. Pictures of low resolution in the place of the maps
    would err by more than compressed sensing gains.

    Parameters
    ----------
    kspace : (n, coils, y, x) complex tensor
    measured : (n, 1, y, x) bool tensor

    Returns
    -------
    (n, coils, y, x) complex tensor
        Squares add up to one; the phase is relative to that of the coils together, so that the
        picture keeps the object's.

    Raises
    ------
    InputError
        If too little of the middle was measured.
    """
    if kspace.shape[1] == 1:
        return torch.ones_like(kspace)  # the phase of one coil is the object's
    found = [_espirit(k, m[0].cpu().numpy()) for k, m in zip(kspace, measured, strict=True)]
    return torch.stack(found)


def _espirit(kspace: Tensor, measured: NDArray[np.bool_]) -> Tensor:
    coils, rows, columns = kspace.shape
    side = _kernel(measured)
    high, wide = (min(n, WIDEST_MIDDLE) for n in (rows, columns))
    top, left = rows // 2 - high // 2, columns // 2 - wide // 2
    window = (..., slice(top, top + high), slice(left, left + wide))
    there = torch.from_numpy(measured[window]).to(kspace.device)
    # every patch of side x side samples that was measured whole, of all coils, is a row
    whole = there.unfold(0, side, 1).unfold(1, side, 1).all(dim=-1).all(dim=-1)
    patches = kspace[window].unfold(1, side, 1).unfold(2, side, 1).permute(1, 2, 0, 3, 4)
    patches = patches[whole].reshape(-1, coils * side * side)
    values, vectors = torch.linalg.eigh(patches.T @ patches.conj())
    kept = vectors[:, values > KEPT**2 * values[-1]]  # of the signal; the others are noise
    onto = (kept @ kept.conj().T).reshape(coils, side, side, coils, side, side)
    # what of the projection acts alike at every place: its sums along equal shifts
    shifts = kspace.new_zeros(coils, coils, rows, columns)
    for dy in range(side):
        for dx in range(side):
            y, x = rows // 2 - dy, columns // 2 - dx
            shifts[:, :, y : y + side, x : x + side] += onto[:, dy, dx]
    # a sample further on in k-space is a turn of phase in the picture
    matrix = to_kspace(shifts).permute(2, 3, 0, 1)  # (y, x, coils, coils)
    flat = kspace[window].flatten(1)
    common = torch.linalg.eigh(flat @ flat.conj().T)[1][:, -1]  # what the coils have in common
    return _first_eigenvectors(matrix, common)


def _kernel(measured: NDArray[np.bool_]) -> int:
    """Samples to a side of the patches that the middle of k-space has room for."""
    high, wide = measured_middle(measured)
    if min(high, wide) < LEAST_MIDDLE:
        raise InputError(
            f"the middle of k-space was measured whole over {high} x {wide} samples only, and "
            f"coil maps need {LEAST_MIDDLE} x {LEAST_MIDDLE}; take a scan with reference lines."
        )
    return min(KERNEL, max(LEAST_KERNEL, min(high, wide) // 2))


def _first_eigenvectors(matrix: Tensor, common: Tensor) -> Tensor:
    """Of a Hermitian matrix (coils, coils) at every pixel; (coils, y, x), of phases alike."""
    vectors = torch.linalg.eigh(matrix)[1][..., -1]
    turn = (vectors * common.conj()).sum(dim=-1, keepdim=True)
    vectors = vectors * (turn / turn.abs().clamp(min=1e-20)).conj()
    return vectors.permute(2, 0, 1).contiguous()
