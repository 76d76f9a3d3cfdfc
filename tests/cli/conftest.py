"""The command line called in this process, and masks on disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cmr_synth.anatomy.template import draw_slice, draw_stack
from cmr_synth.cli import main


@dataclass(frozen=True)
class Ended:
    """How a run of the command line ended."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line on stderr; there is no other, and no traceback."""
        (line,) = self.err.splitlines()
        return line


def write_patients(root: Path, noise: Callable[[int, tuple[int, ...]], np.ndarray]) -> Path:
    """Write a plain folder of images and masks of three drawn patients of two slices.

    `noise` is added to the pictures: of the number of the patient, and of a shape.
    """
    affine = np.diag([-1.5, -1.5, 8.0, 1.0])
    for k in range(3):
        labels = draw_stack(slices=2, seed=k)
        image = (np.array([0.2, 1.0, 0.4, 0.9])[labels] + noise(k, labels.shape)).astype(np.float32)
        for folder, array in (("images", image), ("labels", labels)):
            (root / folder).mkdir(exist_ok=True)
            nib.save(nib.Nifti1Image(array.T, affine), root / folder / f"p{k}.nii.gz")
    return root


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Call the command line as `cmr-synth ...` does."""

    def call(*arguments: str | Path) -> Ended:
        code = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return Ended(code, captured.out, captured.err)

    return call


@pytest.fixture
def write_mask(tmp_path: Path) -> Callable[..., Path]:
    """Write labels ([t,] z, y, x) as a NIfTI mask with numbers as M&Ms has them."""

    def write(labels: np.ndarray, name: str = "heart.nii.gz") -> Path:
        affine = np.diag([-1.5, -1.5, 8.0, 1.0])
        image = nib.Nifti1Image(labels.T, affine)  # (z, y, x) -> (x, y, z)
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(image, path)
        return path

    return write


@pytest.fixture
def mask(write_mask: Callable[..., Path]) -> Path:
    """A mask of one slice."""
    return write_mask(draw_slice()[None])
