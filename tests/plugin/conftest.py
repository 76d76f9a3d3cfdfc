"""The plugin as napari finds it, and a scan on disk that lies obliquely in the patient."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from cmr_synth.anatomy.template import draw_stack

npe2 = pytest.importorskip("npe2", reason="npe2 is not installed; the extra [app] brings it")

PLUGIN = "napari-cmr-synth"
SPACING_XYZ = (1.4, 1.5, 8.0)  # mm


@pytest.fixture
def plugins() -> Iterator[Any]:
    """npe2's plugin manager with this plugin alone, found through its entry point."""
    manager = npe2.PluginManager()
    # npe2 takes napari 0.10 for one older than 0.4.16, which wanted plugins to be found here.
    for found in [manifest.name for manifest in manager.iter_manifests()]:
        manager.unregister(found)
    manifest = npe2.PluginManifest.from_distribution(PLUGIN)
    manager.register(manifest)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(npe2.PluginManager, "instance", classmethod(lambda cls: manager))
        yield manager


@pytest.fixture
def oblique_affine() -> np.ndarray:
    """Voxel to RAS mm of a stack turned about all three axes, (4, 4)."""
    turn = np.eye(3)
    for first, second, degrees in ((0, 1, 25.0), (1, 2, -40.0), (0, 2, 15.0)):
        cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        step = np.eye(3)
        step[[first, first, second, second], [first, second, first, second]] = cos, -sin, sin, cos
        turn = turn @ step
    affine = np.eye(4)
    affine[:3, :3] = turn * SPACING_XYZ
    affine[:3, 3] = (-91.5, 120.25, 33.0)
    return affine


@pytest.fixture
def drawn_stack() -> np.ndarray:
    """Engine labels of a drawn heart, (4, 96, 112) uint8."""
    return draw_stack(slices=4, shape=(96, 112), spacing=(24.0, 1.5, 1.4), seed=3)


@pytest.fixture
def save(tmp_path: Path, oblique_affine: np.ndarray) -> Callable[..., Path]:
    """Write ([t,] z, y, x) voxels as a NIfTI file on the oblique grid."""

    def save_as(name: str, voxels: np.ndarray) -> Path:
        image = nib.Nifti1Image(voxels.transpose(), oblique_affine)  # -> (x, y, z[, t])
        image.header.set_xyzt_units("mm", "sec")
        nib.save(image, tmp_path / name)
        return tmp_path / name

    return save_as


@pytest.fixture
def viewer(request: pytest.FixtureRequest) -> Any:
    """A napari viewer in a window on the screen; without one it would draw a black canvas."""
    if sys.platform.startswith("linux") and not {"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ):
        pytest.skip("no display; run under xvfb-run")
    pytest.importorskip("napari", reason="napari is not installed; the extra [app] brings it")
    return request.getfixturevalue("make_napari_viewer")(show=True)
