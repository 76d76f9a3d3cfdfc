"""Grids of short-axis stacks, drawn in code."""

from __future__ import annotations

import numpy as np
import pytest


def _short_axis(spacing_zyx: tuple[float, float, float]) -> np.ndarray:
    """A typical short-axis affine: columns to the left and back, rows to the feet and back."""
    x = np.array([-0.712, -0.701, -0.034])
    x /= np.linalg.norm(x)
    y = np.array([0.308, -0.268, -0.913])
    y -= (y @ x) * x
    y /= np.linalg.norm(y)
    z = np.cross(x, y)
    z *= np.sign(z @ [-1, 1, -1])  # base to apex
    affine = np.eye(4)
    affine[:3, :3] = np.stack([x, y, z], axis=1) * spacing_zyx[::-1]
    affine[:3, 3] = (8.6, 220.8, 98.2)
    return affine


@pytest.fixture
def oblique() -> np.ndarray:
    """Affine of a double-oblique, anisotropic stack: 1.2 x 1.4 mm pixels, 8 mm between slices."""
    return _short_axis((8.0, 1.4, 1.2))
