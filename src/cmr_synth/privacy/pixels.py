"""Pixel space: slices at a quarter of the resolution, without brightness and contrast, by PCA."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from cmr_synth.imaging.copies import Change, changed

COMPONENTS = 64
SIDE = 32
MOVES = (
    Change(),
    *(Change(shift=(y / 128, x / 128)) for y in (-4, 0, 4) for x in (-4, 0, 4) if y or x),
    *(Change(degrees=angle) for angle in (-10.0, -5.0, 5.0, 10.0)),
)
"""In which a query is compared: 6 mm each way, and 5 and 10 degrees of rotation."""


def small(images: NDArray[np.floating]) -> NDArray[np.float32]:
    """Slices (n, y, x) as rows (n, 1024) of mean 0 and length 1."""
    picture = torch.from_numpy(np.array(images, np.float32))[:, None]
    rows = functional.interpolate(picture, size=(SIDE, SIDE), mode="area").flatten(1)
    return functional.normalize(rows - rows.mean(dim=1, keepdim=True), dim=1).numpy()


def fit_basis(images: NDArray[np.floating], *, most: int = 4000) -> NDArray[np.float32]:
    """Principal components (64, 1024) of slices; of `most` of them, evenly spread, at most."""
    step = max(1, -(-len(images) // most))
    rows = small(images[::step])
    _, _, components = np.linalg.svd(rows.astype(np.float64), full_matrices=False)
    basis = np.zeros((COMPONENTS, rows.shape[1]), np.float32)
    basis[: min(COMPONENTS, len(components))] = components[:COMPONENTS]
    return basis


def project(images: NDArray[np.floating], basis: NDArray[np.float32]) -> NDArray[np.float32]:
    """Coordinates (n, 64) of slices, scaled to length 1: their distance is one of correlation."""
    rows = small(images) @ basis.T
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.maximum(length, 1e-6)).astype(np.float32)


def carried_over(
    coordinates: NDArray[np.floating],
    old: NDArray[np.float32],
    new: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Coordinates (..., 64) of another basis, scaled to length 1, without the slices themselves.

    What of a slice lies outside the old basis is lost; see the test for how much that is.
    """
    rows = coordinates.astype(np.float32) @ old @ new.T
    length = np.linalg.norm(rows, axis=-1, keepdims=True)
    return (rows / np.maximum(length, 1e-6)).astype(np.float32)


def moved(image: NDArray[np.floating]) -> NDArray[np.float32]:
    """A slice (y, x) in the `MOVES`, (m, y, x)."""
    draw = np.random.default_rng(0)  # no move draws from it
    picture = torch.from_numpy(np.array(image, np.float32))[None]
    return torch.cat([changed(picture, move, draw) for move in MOVES]).numpy()
