"""Layers of other programs: where their voxels are shown is how large they are."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.anatomy.template import draw_stack
from cmr_synth.errors import InputError
from cmr_synth.synthesis.record import Synthetic
from napari_cmr_synth._layer_geometry import attributes_of, shown_at, spacing_of
from napari_cmr_synth._masks import mask_scan, numbers_of
from napari_cmr_synth._results import add_result

napari = pytest.importorskip("napari")
from napari.layers import Labels  # noqa: E402

HEART = draw_stack(slices=3)
MATRIX = np.array([[8.0, 0, 0, -10], [0, 2, 0, -60], [0, 0, 1.5, -70], [0, 0, 0, 1]])
RECORD = {
    "synthetic": True,
    "model": {"name": "m", "version": "1", "sha256": "0" * 64},
    "seed": 0,
    "variant": 0,
    "mask": {},
}


@pytest.mark.parametrize(
    "geometry",
    [
        {"affine": MATRIX},
        {"scale": (8, 2, 1.5)},
        {"scale": (4, 1, 0.75), "affine": np.diag([2.0, 2, 2, 1])},
        {"scale": (8, 2, -1.5)},
        {"scale": (0.8, 0.2, 0.15), "units": ("cm",) * 3},
        {"scale": (8000, 2000, 1500), "units": ("um",) * 3},
        {"affine": np.diag([1, 1, 1, 1]) @ MATRIX, "rotate": np.eye(3)},
    ],
    ids=["affine", "scale", "both", "flipped", "cm", "um", "rotate"],
)
def test_the_spacing_is_that_which_is_shown(geometry):
    scan = mask_scan(Labels(HEART, **geometry), "mnms")
    assert scan.spacing == pytest.approx((8, 2, 1.5))
    assert np.allclose(np.linalg.norm(scan.affine[:3, :3], axis=0), (1.5, 2, 8))


def test_a_turned_layer_keeps_its_voxels_and_its_direction():
    turned = Labels(HEART, scale=(8, 2, 1.5), rotate=(0, 0, 30))
    placed = shown_at(attributes_of(turned), 3)
    assert spacing_of(placed) == pytest.approx((8, 2, 1.5))
    corner = (1, 5, 7)
    assert np.allclose((placed @ (*corner, 1))[:3], turned.data_to_world(corner))
    flipped = mask_scan(Labels(HEART, scale=(8, 2, -1.5)), "mnms").affine
    assert flipped[0, 0] > 0  # columns run to the left of the screen, the patient's right
    assert mask_scan(Labels(HEART, scale=(8, 2, 1.5)), "mnms").affine[0, 0] < 0


def test_slices_and_cines_have_geometry_too():
    flat = Labels(HEART[0], affine=MATRIX[1:, 1:])
    assert numbers_of(flat).spacing == pytest.approx((1, 2, 1.5))
    cine = np.eye(5)
    cine[1:, 1:] = MATRIX
    assert numbers_of(Labels(np.stack([HEART] * 2), affine=cine)).spacing == pytest.approx(
        (8, 2, 1.5)
    )


def test_a_voxel_without_a_size_is_one_line():
    with pytest.raises(InputError, match="flat: its scale or affine leaves a voxel no size"):
        shown_at({"name": "flat", "scale": (0, 1, 1)}, 3)


@pytest.mark.gui
def test_a_result_lies_over_its_mask_in_a_3d_view_too(make_napari_viewer):
    viewer = make_napari_viewer()
    mask = viewer.add_labels(HEART, affine=MATRIX)
    viewer.dims.ndisplay = 3
    viewer.mouse_over_canvas = True  # napari then looks up the value under the pointer
    scan = mask_scan(mask, "mnms")
    synthetic = Synthetic(scan.with_array(np.ones(HEART.shape, np.float32)), RECORD)
    layer = add_result(viewer, synthetic, mask)
    assert layer.metadata["cmr_record"]["mask"]["labels"]  # what its numbers were taken for
    assert layer in viewer.layers and viewer.layers.selection.active is mask
    for corner in ((0, 0, 0), np.array(HEART.shape) - 1):
        assert np.allclose(layer.data_to_world(corner), mask.data_to_world(corner))
    viewer.mouse_over_canvas = False
