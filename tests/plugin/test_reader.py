"""Opening files: masks become labels, images stay images, nothing is renumbered."""

from __future__ import annotations

import json

import nibabel as nib
import npe2
import numpy as np
import pytest

from cmr_synth.anatomy.labels import LV, MYO, RV, UNLABELLED, revert
from cmr_synth.errors import InputError
from cmr_synth.files import sha256
from napari_cmr_synth._layers import COLOURS, DESCRIPTION, GRID, GUESS
from napari_cmr_synth._results import RECORD
from napari_cmr_synth.files.reader import get_reader

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


def test_other_files_are_left_to_others(tmp_path):
    (tmp_path / "IM_001").write_bytes(b"no scan")
    assert get_reader(str(tmp_path / "IM_001")) is None
    assert get_reader("a.png") is None
    assert get_reader(["a.nii", "b.png"]) is None
    assert get_reader([]) is None


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.nii.gz", b"\x89PNG\r\n\x1a\n" + bytes(400), "a.nii.gz: "),
        ("a.dcm", b"GIF89a" + bytes(400), "a.dcm: not a DICOM file"),
        ("empty.nii", b"", "empty.nii: "),
        ("folder", None, "no DICOM image found. Give the folder that holds the slices"),
    ],
)
def test_what_is_no_scan_is_one_plain_line(tmp_path, name, content, message):
    path = tmp_path / name
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(InputError, match=f"{message}[^\n]*$"):
        get_reader(str(path))(str(path))


@pytest.fixture
def dicom_folder(tmp_path, oblique_affine):
    """Three slices of an oblique stack, named as exports often are."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

    folder = tmp_path / "exam"
    folder.mkdir()
    lps = np.diag([-1, -1, 1, 1]) @ oblique_affine
    directions = lps[:3, :3] / np.linalg.norm(lps[:3, :3], axis=0)
    for z in range(3):
        data = Dataset()
        data.SOPClassUID, data.SOPInstanceUID = MRImageStorage, generate_uid()
        data.StudyInstanceUID, data.SeriesInstanceUID = "1.2.3", "1.2.3.4"
        data.Modality, data.SeriesNumber, data.InstanceNumber = "MR", 5, z + 1
        data.Rows, data.Columns, data.PixelSpacing = 12, 10, [1.5, 1.4]
        data.ImagePositionPatient = [round(float(v), 5) for v in (lps @ [0, 0, z, 1])[:3]]
        data.ImageOrientationPatient = [
            round(float(v), 6) for v in (*directions[:, 0], *directions[:, 1])
        ]
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 1
        data.PixelData = np.full((12, 10), 100 + z, "<i2").tobytes()
        data.SyntheticData = "YES"
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.save_as(folder / f"IM_{z:04d}", enforce_file_format=True)
    return folder


@pytest.mark.parametrize("what", ["folder", "files"])
def test_dicom_slices_become_a_stack(plugins, dicom_folder, oblique_affine, what):
    paths = [str(dicom_folder)]
    if what == "files":
        paths = [str(path) for path in sorted(dicom_folder.iterdir())[:2]]
    # IM_0001 and IM_0000 have no suffix; npe2 finds the reader by the digits at the end
    layers = npe2.read(paths, stack=what == "files", plugin_name=PLUGIN)
    ((data, attributes, kind),) = layers
    assert kind == "image" and data.shape == (3, 12, 10)
    grid = attributes["metadata"][GRID]
    np.testing.assert_allclose(np.sort(np.unique(data)), [100, 101, 102])
    corner = grid.affine @ [0, 0, list(data[:, 0, 0]).index(100), 1]  # base comes first
    np.testing.assert_allclose(corner, oblique_affine @ [0, 0, 0, 1], atol=1e-3)


@pytest.mark.parametrize(
    "name",
    ["I10", "i998877.MRDC.5", "00000A3F", "IM_0001", "1.2.840.113619", "DICOMDIR", "a"],
)
def test_dicom_is_offered_whatever_its_name(plugins, dicom_folder, tmp_path, name):
    slice_ = next(dicom_folder.iterdir())
    slice_.rename(tmp_path / name)
    assert PLUGIN in {r.plugin_name for r in plugins.iter_compatible_readers([name])}
    ((data, _, _),) = read(tmp_path / name)
    assert data.shape == (1, 12, 10)
    (tmp_path / name).write_text("notes about the patient")
    if name.isalnum():
        assert get_reader(str(tmp_path / name)) is None


def test_pictures_of_other_formats_are_left_to_others(plugins):
    for name in ("a.png", "a.tif", "a.h5", "a.zarr"):
        assert PLUGIN not in {r.plugin_name for r in plugins.iter_compatible_readers([name])}


def test_a_synthetic_dicom_stack_says_so(plugins, dicom_folder):
    ((_, attributes, _),) = read(dicom_folder)
    assert attributes["name"] == "synthetic exam series 5"
    assert attributes["metadata"][DESCRIPTION].startswith("SYNTHETIC")


def test_a_synthetic_file_keeps_its_mark_and_its_record(plugins, save, pixels, tmp_path):
    path = save("a.nii.gz", pixels)
    image = nib.load(path)
    image.header["descrip"] = b"SYNTHETIC by a test"
    nib.save(image, path)
    record = {"synthetic": True, "seed": 5}
    for sha, expected in ((sha256(path), record), ("0" * 64, None)):
        sidecar = {"file": "a.nii.gz", "sha256": sha, **record}
        (tmp_path / "a.json").write_text(json.dumps(sidecar))
        ((_, attributes, _),) = read(path)
        assert attributes["name"] == "synthetic a"
        assert attributes["metadata"][DESCRIPTION] == "SYNTHETIC by a test"
        assert attributes["metadata"].get(RECORD) == expected


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
