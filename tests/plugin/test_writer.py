"""Saving layers: same voxels, same shape, same place in the patient."""

from __future__ import annotations

import nibabel as nib
import npe2
import numpy as np
import pytest

from cmr_synth.errors import InputError
from napari_cmr_synth._layers import DESCRIPTION
from napari_cmr_synth._writer import write_image, write_labels

PLUGIN = "napari-cmr-synth"


def read(path):
    return npe2.read([str(path)], stack=False, plugin_name=PLUGIN)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("frames", [None, 3], ids=["stack", "cine"])
def test_an_image_comes_back_as_it_was(plugins, save, tmp_path, suffix, frames):
    shape = (4, 40, 48) if frames is None else (frames, 4, 40, 48)
    pixels = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    source, target = save("in.nii.gz", pixels), tmp_path / f"out{suffix}"
    written = npe2.write(str(target), read(source), plugin_name=PLUGIN)
    assert written == [str(target)]
    before, after = nib.load(source), nib.load(target)
    assert after.shape == before.shape
    np.testing.assert_array_equal(after.get_fdata(), before.get_fdata())
    np.testing.assert_allclose(after.affine, before.affine, atol=1e-4)
    np.testing.assert_allclose(after.header.get_zooms(), before.header.get_zooms(), rtol=1e-5)


def test_a_mask_comes_back_as_it_was(plugins, save, tmp_path, drawn_stack):
    source, target = save("in_gt.nii.gz", drawn_stack), tmp_path / "out.nii.gz"
    npe2.write(str(target), read(source), plugin_name=PLUGIN)
    before, after = nib.load(source), nib.load(target)
    assert after.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(np.asarray(after.dataobj), np.asarray(before.dataobj))
    np.testing.assert_allclose(after.affine, before.affine, atol=1e-4)


def test_a_single_slice_keeps_two_dimensions(plugins, tmp_path):
    affine = np.diag([1.5, 1.5, 8.0, 1.0])
    voxels = np.random.default_rng(2).normal(size=(48, 40)).astype(np.float32)
    nib.save(nib.Nifti1Image(voxels, affine), tmp_path / "in.nii")
    npe2.write(str(tmp_path / "out.nii"), read(tmp_path / "in.nii"), plugin_name=PLUGIN)
    after = nib.load(tmp_path / "out.nii")
    assert after.shape == (48, 40)
    np.testing.assert_array_equal(after.get_fdata(), voxels)


def test_a_name_without_suffix_gets_one(plugins, save, tmp_path, drawn_stack):
    layers = read(save("in_gt.nii.gz", drawn_stack))
    assert npe2.write(str(tmp_path / "out"), layers, plugin_name=PLUGIN) == [
        str(tmp_path / "out.nii.gz")
    ]


def test_one_frame_of_a_cine_keeps_the_place(plugins, save, tmp_path, oblique_affine):
    cine = np.random.default_rng(3).normal(size=(3, 4, 40, 48)).astype(np.float32)
    ((data, attributes, _),) = read(save("cine.nii.gz", cine))
    write_image(str(tmp_path / "frame.nii"), data[1], attributes)
    after = nib.load(tmp_path / "frame.nii")
    assert after.shape == (48, 40, 4)
    np.testing.assert_allclose(after.affine, oblique_affine, atol=1e-4)


def test_a_layer_from_nowhere_warns_and_keeps_its_scale(tmp_path):
    attributes = {"name": "painted", "scale": (8.0, 1.5, 1.4), "metadata": {}}
    mask = np.zeros((3, 20, 24), dtype=int)
    mask[1, 5:9, 5:9] = 2
    with pytest.warns(UserWarning, match="painted: where it lies in the patient is not known"):
        write_labels(str(tmp_path / "painted.nii.gz"), mask, attributes)
    after = nib.load(tmp_path / "painted.nii.gz")
    np.testing.assert_allclose(after.header.get_zooms(), (1.4, 1.5, 8.0), rtol=1e-6)
    assert nib.aff2axcodes(after.affine)[:2] == ("L", "P")  # columns to the left, rows backwards
    np.testing.assert_array_equal(np.asarray(after.dataobj), mask.transpose())


def test_a_cropped_layer_does_not_claim_the_old_place(plugins, save, tmp_path, drawn_stack):
    ((data, attributes, _),) = read(save("in_gt.nii.gz", drawn_stack))
    with pytest.warns(UserWarning, match="where it lies in the patient is not known"):
        write_labels(str(tmp_path / "out.nii.gz"), data[:, 10:], attributes)


def test_the_description_reaches_the_header(tmp_path):
    attributes = {"name": "a", "scale": (1.0, 1.0), "metadata": {DESCRIPTION: "SYNTHETIC slice"}}
    with pytest.warns(UserWarning, match="not known"):
        write_image(str(tmp_path / "a.nii"), np.zeros((20, 24), np.float32), attributes)
    assert nib.load(tmp_path / "a.nii").header["descrip"].item() == b"SYNTHETIC slice"


@pytest.mark.parametrize(
    ("data", "extra", "message"),
    [
        (np.zeros((2, 2, 3, 8, 8)), {}, "has 5 axes"),
        (np.zeros((8, 8, 3)), {"rgb": True}, "colour or multiscale"),
        ([np.zeros((8, 8)), np.zeros((4, 4))], {"multiscale": True}, "colour or multiscale"),
    ],
)
def test_what_is_no_scan_is_refused(tmp_path, data, extra, message):
    path = tmp_path / "a.nii"
    with pytest.raises(InputError, match=f"^picture: .*{message}"):
        write_image(str(path), data, {"name": "picture", "metadata": {}, **extra})
    assert not path.exists()


@pytest.mark.filterwarnings("ignore:.*where it lies")
@pytest.mark.parametrize("number", [256, -1])
def test_numbers_that_no_mask_file_holds_are_refused(tmp_path, number):
    mask = np.full((2, 8, 8), number)
    with pytest.raises(InputError, match=f"found label {number}, a mask file holds 0 to 255"):
        write_labels(str(tmp_path / "a.nii"), mask, {"name": "m", "metadata": {}})


@pytest.mark.filterwarnings("ignore:.*where it lies")
def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"ends in \.nii or \.nii\.gz"):
        write_image(str(tmp_path / "a.gz"), np.zeros((8, 8)), {"name": "a", "metadata": {}})
