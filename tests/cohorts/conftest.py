"""Cohorts on disk, drawn in code: painted hearts as NIfTI files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cmr_synth.anatomy.labels import revert
from cmr_synth.anatomy.template import draw_stack

# columns toward the patient's left, rows toward feet and back: radiological display as stored
OBLIQUE = np.array(
    [[-1.35, 0.45, 2.4, 90], [-0.65, -0.4, -5.2, 60], [-0.06, -1.37, 5.6, 40], [0, 0, 0, 1]]
)


def paint(labels: np.ndarray, seed: int) -> np.ndarray:
    """Grey values for labels, with a smooth background of its own for every seed."""
    rng = np.random.default_rng(seed)
    texture = gaussian_filter(rng.normal(size=labels.shape), (0, 4, 4)) * 4
    shades = np.array([0.3, 0.9, 0.35, 0.85])[labels]
    grey = shades + 0.5 * texture + 0.02 * rng.normal(size=labels.shape)
    return (1000 * np.clip(grey + 0.5, 0, None)).astype(np.int16)


def write_nifti(path: Path, array: np.ndarray, affine: np.ndarray = OBLIQUE) -> None:
    """Write ([t,] z, y, x) as a scanner's converter would."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array.transpose(), affine), path)  # -> (x, y, z[, t])


def stack(seed: int, phase: str = "ED") -> np.ndarray:
    """Four slices of a drawn heart."""
    return draw_stack(slices=4, shape=(96, 96), spacing=(8.0, 1.5, 1.5), phase=phase, seed=seed)


@pytest.fixture
def write_pair() -> Callable[..., np.ndarray]:
    """`write_pair(image_path, mask_path, seed=, phase=, labels=)`; returns the engine labels."""

    def write(image, mask, *, seed=0, phase="ED", convention="acdc", labels=None, pixels=None):
        labels = stack(seed, phase) if labels is None else labels
        pixels = paint(labels.reshape(-1, 96, 96), seed) if pixels is None else pixels
        write_nifti(Path(image), pixels.reshape(labels.shape))
        write_nifti(Path(mask), revert(labels, convention))
        return labels

    return write


@pytest.fixture
def folder(tmp_path, write_pair) -> Path:
    """Four patients at ED and ES in images/ and labels/, with ACDC's label numbers."""
    root = tmp_path / "own"
    for seed in range(4):
        for phase in ("ED", "ES"):
            file = f"p{seed}_{phase}.nii.gz"
            write_pair(root / "images" / file, root / "labels" / file, seed=seed, phase=phase)
    return root
