"""The plugin in a real napari window: open, look, paint, save."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from napari_cmr_synth.files.reader import read_layers
from napari_cmr_synth.files.sample_data import drawn_normal, sunnybrook
from napari_cmr_synth.writing.nifti import write_image, write_labels

pytestmark = pytest.mark.gui


@pytest.fixture
def scan_file(save):
    """A grey stack on the oblique grid."""
    pixels = np.random.default_rng(0).normal(300, 80, (4, 96, 112)).astype(np.float32)
    return save("scan.nii.gz", pixels)


@pytest.fixture
def mask_file(save, drawn_stack):
    """A drawn heart on the oblique grid."""
    return save("scan_gt.nii.gz", drawn_stack)


def add(viewer, layer_data):
    data, attributes, layer_type = layer_data
    return getattr(viewer, f"add_{layer_type}")(data, **attributes)


def written(layer, path):
    data, attributes, layer_type = layer.as_layer_data_tuple()
    {"image": write_image, "labels": write_labels}[layer_type](str(path), data, attributes)
    return nib.load(path)


def test_sample_data_fill_layers_that_napari_accepts(viewer):
    for layer_data in [*drawn_normal(), *sunnybrook()]:
        add(viewer, layer_data)
    assert [layer.name for layer in viewer.layers] == [
        "normal heart, drawn",
        "Sunnybrook slices",
        "Sunnybrook LV",
    ]
    assert [str(unit) for unit in viewer.layers[0].units] == ["millimeter"] * 3


def test_the_status_bar_names_the_structure(viewer):
    layer = add(viewer, drawn_normal()[0])
    lv = np.argwhere(layer.data[0] == 1).mean(axis=0).round()
    status = layer.get_status((0.0, *(lv * layer.scale[1:])), world=True)
    assert "LV" in str(status)


def test_the_picture_shows_the_three_colours(viewer, qtbot):
    layer = add(viewer, drawn_normal()[0])
    layer.opacity = 1.0
    viewer.dims.set_point(0, 2 * layer.scale[0])
    viewer.reset_view()
    qtbot.wait(100)
    picture = viewer.screenshot(canvas_only=True, flash=False)[..., :3].reshape(-1, 3)
    for colour in ((0xD5, 0x5E, 0x00), (0xF0, 0xE4, 0x42), (0x00, 0x72, 0xB2)):
        near = np.abs(picture.astype(int) - colour).max(axis=1) <= 3
        assert near.sum() > 50


def test_a_mask_painted_over_a_scan_takes_its_place(viewer, scan_file, tmp_path, oblique_affine):
    add(viewer, read_layers(str(scan_file))[0])
    viewer._new_labels()  # the button of the layer list
    painted = viewer.layers[-1]
    painted.data_setitem(np.nonzero(np.indices(painted.data.shape)[0] == 2), 2)
    after = written(painted, tmp_path / "painted.nii.gz")
    np.testing.assert_allclose(after.affine, oblique_affine, atol=1e-4)
    assert set(np.unique(np.asarray(after.dataobj))) == {0, 2}


def test_a_layer_survives_painting_and_saving(viewer, tmp_path, drawn_stack, mask_file):
    layer = add(viewer, read_layers(str(mask_file))[0])
    layer.data_setitem((np.array([0]), np.array([3]), np.array([4])), 3)
    after = written(layer, tmp_path / "edited.nii.gz")
    expected = drawn_stack.copy()
    expected[0, 3, 4] = 3
    np.testing.assert_array_equal(np.asarray(after.dataobj), expected.transpose())
    np.testing.assert_allclose(after.affine, nib.load(mask_file).affine, atol=1e-4)
