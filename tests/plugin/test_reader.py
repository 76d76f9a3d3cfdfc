"""Opening NIfTI files: masks become labels, images stay images, nothing is renumbered."""

from __future__ import annotations

import nibabel as nib
import npe2
import numpy as np
import pytest

from cmr_synth.anatomy.labels import LV, MYO, RV, UNLABELLED, revert
from cmr_synth.errors import InputError
from napari_cmr_synth._layers import COLOURS, GRID, GUESS
from napari_cmr_synth._reader import get_reader

PLUGIN = "napari-cmr-synth"


def read(path):
    return npe2.read([str(path)], stack=False, plugin_name=PLUGIN)


@pytest.fixture
def pixels():
    """Grey values of a stack, (4, 96, 112) float32."""
    return np.random.default_rng(0).normal(300, 80, (4, 96, 112)).astype(np.float32)


def test_an_image_is_shown_in_slice_space(plugins, save, pixels, oblique_affine):
    ((data, attributes, layer_type),) = read(save("patient.nii.gz", pixels))
    assert layer_type == "image"
    np.testing.assert_array_equal(data, pixels)
    np.testing.assert_allclose(attributes["scale"], (8.0, 1.5, 1.4), rtol=1e-5)
    assert attributes["axis_labels"] == ("z", "y", "x")
    assert not {"affine", "rotate", "shear", "translate"} & set(attributes)
    np.testing.assert_allclose(attributes["metadata"][GRID].affine, oblique_affine, atol=1e-4)


def test_the_grid_in_the_metadata_takes_no_memory(plugins, save, pixels):
    ((data, attributes, _),) = read(save("patient.nii.gz", pixels))
    grid = attributes["metadata"][GRID].array
    assert grid.shape == data.shape and grid.base.nbytes <= 8


def test_a_cine_has_four_axes(plugins, save, pixels):
    cine = np.stack([pixels, pixels + 50, pixels + 100])
    ((data, attributes, _),) = read(save("cine.nii.gz", cine))
    assert data.shape == (3, 4, 96, 112)
    assert attributes["axis_labels"] == ("t", "z", "y", "x")
    np.testing.assert_allclose(attributes["scale"], (1.0, 8.0, 1.5, 1.4), rtol=1e-5)


def test_contrast_leaves_out_the_brightest_pixels(plugins, save, pixels):
    pixels[0, :2, :2] = 1e6
    ((_, attributes, _),) = read(save("patient.nii.gz", pixels))
    assert attributes["contrast_limits"][1] < 1000


@pytest.mark.parametrize("convention", ["acdc", "mnms"])
def test_structures_keep_number_and_colour(plugins, save, drawn_stack, convention):
    theirs = revert(drawn_stack, convention)
    ((data, attributes, layer_type),) = read(save("heart.nii.gz", theirs))
    assert layer_type == "labels" and data.dtype == np.uint8
    np.testing.assert_array_equal(data, theirs)
    assert attributes["metadata"][GUESS].convention == convention
    number = dict(
        zip(attributes["features"]["structure"], attributes["features"]["index"], strict=True)
    )
    for structure, label in (("LV", LV), ("MYO", MYO), ("RV", RV)):
        assert (data == number[structure]).sum() == (drawn_stack == label).sum()
        assert attributes["colormap"][number[structure]] == COLOURS[structure]


@pytest.mark.parametrize(
    ("name", "voxels", "expected"),
    [
        ("a.nii", np.array([0, 1, 2, 3]), "labels"),
        ("a.nii", np.array([0, 1, 2, 3, UNLABELLED]), "labels"),
        ("a.nii", np.arange(8), "labels"),
        ("a.nii", np.arange(9), "image"),
        ("a.nii", np.array([0, 1, 1.5]), "image"),
        ("a.nii", np.array([-1, 0, 1]), "image"),
        ("a.nii", np.array([0, 300]), "image"),
        ("a.nii", np.array([0]), "image"),
        ("patient001_frame01_gt.nii", np.array([0]), "labels"),
        ("whole-heart-labels.nii", np.arange(40), "labels"),
        ("mask.nii", np.array([0, 0.25, 1]), "image"),
        ("segment_length.nii", np.arange(40), "image"),
    ],
)
def test_name_and_content_tell_masks_from_images(plugins, save, name, voxels, expected):
    volume = np.resize(voxels.astype(np.float32), (3, 41, 43))
    ((_, _, layer_type),) = read(save(name, volume))
    assert layer_type == expected


def test_a_rare_value_off_the_quick_look_still_counts(plugins, save):
    volume = np.zeros((2, 40, 40), dtype=np.float32)
    volume[1, 21, 22] = 0.5
    volume[0, 8, 8] = 1
    ((_, _, layer_type),) = read(save("a.nii", volume))
    assert layer_type == "image"


def test_numbers_of_no_known_convention_are_shown_unnamed(plugins, save):
    volume = np.resize(np.array([0, 5, 6], dtype=np.uint8), (3, 40, 40))
    ((data, attributes, layer_type),) = read(save("a.nii", volume))
    assert layer_type == "labels" and "colormap" not in attributes
    np.testing.assert_array_equal(data, volume)


def test_several_files_are_several_layers(plugins, save, pixels, drawn_stack):
    paths = [save("p_frame01.nii.gz", pixels), save("p_frame01_gt.nii.gz", drawn_stack)]
    layers = npe2.read([str(path) for path in paths], stack=True, plugin_name=PLUGIN)
    assert [(kind, attributes["name"]) for _, attributes, kind in layers] == [
        ("image", "p_frame01"),
        ("labels", "p_frame01_gt"),
    ]


def test_what_was_assumed_is_said(plugins, tmp_path, pixels):
    image = nib.Nifti1Image(pixels.transpose(), np.diag([0.0014, 0.0015, 0.008, 1.0]))
    image.header.set_xyzt_units("unknown")
    image.to_filename(tmp_path / "a.nii")
    with pytest.warns(UserWarning, match=r"^a\.nii: .* taken as meter"):
        read(tmp_path / "a.nii")


def test_other_files_are_left_to_others():
    assert get_reader("a.dcm") is None
    assert get_reader(["a.nii", "b.png"]) is None
    assert get_reader([]) is None


def test_a_text_file_named_nii_is_one_plain_line(tmp_path):
    path = tmp_path / "notes.nii"
    path.write_text("not a scan")
    with pytest.raises(InputError, match=r"^notes\.nii: [^\n]+$"):
        get_reader(str(path))(str(path))


def test_acdc_masks_are_recognised(plugins, data_root):
    folder = data_root / "acdc" / "training" / "patient001"
    mask, image = sorted(folder.glob("*_gt.nii*"))[0], sorted(folder.glob("*_frame??.nii*"))[0]
    assert read(image)[0][2] == "image"
    ((_, attributes, layer_type),) = read(mask)
    assert layer_type == "labels" and attributes["metadata"][GUESS].convention == "acdc"
