"""Exact search by patient: the most alike slice of every patient, over archives larger than memory.

Slices of a patient lie together in an archive, so that the best of each is a reduction over a run
of columns; blocks of it are read, compared and forgotten.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

BLOCK = 65_536
"""Slices compared at once."""
FAR = 2.0
"""Distance of unit vectors that is never exceeded."""


def closest_by_patient(
    queries: NDArray[np.floating],
    bank: NDArray[np.floating],
    starts: NDArray[np.int64],
    *,
    block: int | None = None,
) -> NDArray[np.float32]:
    """Distance of every query to the nearest slice of every patient.

    Parameters
    ----------
    queries : (q, d) or (q, k, d) array
        Vectors of length 1; k of them if a slice has several, each compared with its like.
    bank : (n, d) or (n, k, d) array
        Vectors of length 1, patient by patient; may be memory-mapped and of half precision.
    starts : (p,) array
        First row of each patient, ascending from 0.
    block : int, optional
        Rows read at once.

    Returns
    -------
    (q, p) or (q, k, p) float32 array
        Euclidean distances, from 0 to 2.
    """
    if not len(starts) or starts[0] != 0 or (np.diff(starts) <= 0).any() or starts[-1] >= len(bank):
        raise ValueError("starts of patients ascend from 0 and lie within the bank")
    places = bank.shape[1] if bank.ndim == 3 else 1
    width = bank.shape[-1]
    asked = torch.from_numpy(np.array(queries, np.float32)).reshape(-1, places, width)
    asked = asked.permute(1, 0, 2)  # (k, q, d)
    best = np.full((places, asked.shape[1], len(starts)), -1.0, np.float32)
    block = max(1, BLOCK // places) if block is None else block
    for first in range(0, len(bank), block):
        last = min(first + block, len(bank))
        # torch turns half into single precision on all cores, numpy on one
        part = torch.from_numpy(np.array(bank[first:last])).float().reshape(-1, places, width)
        alike = torch.matmul(asked, part.permute(1, 2, 0)).numpy()
        # patients of this block; the first may have begun in the one before
        here = slice(
            int(np.searchsorted(starts, first, side="right")) - 1,
            int(np.searchsorted(starts, last, side="left")),
        )
        offsets = np.maximum(starts[here] - first, 0)
        reduced = np.maximum.reduceat(alike, offsets, axis=2)
        best[:, :, here] = np.maximum(best[:, :, here], reduced)
    apart = np.sqrt(np.clip(2 - 2 * best, 0, FAR**2))
    return np.ascontiguousarray(apart.swapaxes(0, 1)) if bank.ndim == 3 else apart[0]


def nearest_and_ratio(
    distances: NDArray[np.float32],
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    """Nearest patient, its distance, and the ratio to that of the next other patient.

    Parameters
    ----------
    distances : (..., p) array

    Returns
    -------
    (...,) arrays
        The ratio lies in [0, 1]; it is 1 where there is one patient alone, or where two patients
        are at no distance.
    """
    nearest = distances.argmin(axis=-1)
    if distances.shape[-1] < 2:
        only = distances[..., 0]
        return nearest, only, np.ones_like(only)
    two = np.partition(distances, 1, axis=-1)[..., :2]
    first, second = two[..., 0], two[..., 1]
    ratio = np.divide(first, second, out=np.ones_like(first), where=second > 0)
    return nearest, first, ratio
