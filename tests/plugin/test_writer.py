"""Saving layers: same voxels, same shape, same place in the patient."""

from __future__ import annotations

import json

import nibabel as nib
import npe2
import numpy as np
import pytest
from PIL import Image

from cmr_synth.anatomy.labels import LV, MYO, RV, revert
from cmr_synth.errors import InputError
from cmr_synth.files import sha256
from napari_cmr_synth._layers import DESCRIPTION
from napari_cmr_synth._masks import CONVENTION
from napari_cmr_synth._results import RECORD
from napari_cmr_synth.writing.dicom import write_dicom
from napari_cmr_synth.writing.nifti import write_image, write_labels
from napari_cmr_synth.writing.nnunet import write_nnunet
from napari_cmr_synth.writing.pictures import write_sheet

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


@pytest.fixture
def pair(plugins, save, drawn_stack):
    """An image and its mask in ACDC's numbers, as read from files."""
    pixels = np.random.default_rng(4).normal(300, 80, drawn_stack.shape).astype(np.float32)
    image = read(save("p1.nii.gz", pixels))
    return [*image, *read(save("p1_gt.nii.gz", revert(drawn_stack, "acdc")))]


def record(seed=3):
    return {
        "synthetic": True,
        "model": {"name": "flow", "sha256": "0" * 64},
        "seed": seed,
        "variant": 0,
    }


def test_a_synthetic_image_is_written_with_its_record_and_read_with_it(pair, tmp_path):
    data, attributes, _ = pair[0]
    attributes["metadata"][RECORD] = record()
    image, sidecar = write_image(str(tmp_path / "made.nii.gz"), data, attributes)
    stated = json.loads((tmp_path / "made.json").read_text())
    assert sidecar == str(tmp_path / "made.json")
    assert stated == {"file": "made.nii.gz", "sha256": sha256(tmp_path / "made.nii.gz"), **record()}
    assert nib.load(image).header["descrip"].item().startswith(b"SYNTHETIC")
    ((_, again, _),) = read(tmp_path / "made.nii.gz")
    assert again["metadata"][RECORD] == record() and again["name"] == "synthetic made"


def test_a_file_that_is_no_record_is_not_replaced_by_one(pair, tmp_path):
    data, attributes, _ = pair[0]
    attributes["metadata"][RECORD] = record()
    (tmp_path / "made.json").write_text('{"mine": 1}')
    with pytest.raises(InputError, match="made.json: holds something else"):
        write_image(str(tmp_path / "made.nii"), data, attributes)
    assert (tmp_path / "made.json").read_text() == '{"mine": 1}'
    assert not (tmp_path / "made.nii").exists()


def test_a_sheet_shows_every_slice_and_the_outlines(pair, tmp_path):
    plain, both = str(tmp_path / "plain.png"), str(tmp_path / "both.png")
    assert npe2.write(plain, pair[:1], plugin_name=PLUGIN) == [plain]
    assert npe2.write(both, pair, plugin_name=PLUGIN) == [both]
    for path, coloured in ((plain, False), (both, True)):
        with Image.open(path) as sheet:
            assert sheet.format == "PNG" and sheet.width > 4 * 240
            pixels = np.asarray(sheet.convert("RGB")).astype(int)
        assert ((pixels.max(axis=-1) - pixels.min(axis=-1)) > 100).any() == coloured


def test_a_sheet_of_a_slice_from_nowhere_needs_no_place(tmp_path, recwarn):
    attributes = {"name": "a", "scale": (1.5, 1.5), "metadata": {}}
    write_sheet(str(tmp_path / "a.png"), [(np.eye(32), attributes, "image")])
    assert (tmp_path / "a.png").stat().st_size > 1000
    assert not [w for w in recwarn if "where it lies" in str(w.message)]


def test_layers_become_an_nnunet_case_and_then_another(pair, drawn_stack, tmp_path, oblique_affine):
    folder = tmp_path / "Dataset001_Heart"
    first = npe2.write(str(folder / "dataset.json"), pair, plugin_name=PLUGIN)
    assert [path.removeprefix(str(folder)).strip("/") for path in first] == [
        "imagesTr/p1_0000.nii.gz",
        "labelsTr/p1.nii.gz",
        "dataset.json",
    ]
    mask = nib.load(folder / "labelsTr" / "p1.nii.gz")
    np.testing.assert_array_equal(np.asarray(mask.dataobj).transpose(), drawn_stack)  # ACDC no more
    np.testing.assert_allclose(mask.affine, oblique_affine, atol=1e-4)

    pair[0][1]["name"] = "synthetic GE p1, seed 3"
    pair[0][1]["metadata"][RECORD] = record()
    write_nnunet(str(folder), pair)
    about = json.loads((folder / "dataset.json").read_text())
    assert about["numTraining"] == 2
    assert about["synthetic_cases"] == ["synthetic_GE_p1_seed_3"]
    with pytest.raises(InputError, match="holds a case 'synthetic_GE_p1_seed_3' already"):
        write_nnunet(str(folder), pair)


def test_two_images_share_one_mask(pair, tmp_path):
    image, mask = pair
    other = (image[0] + 1, image[1] | {"name": "p1 vendor B"}, "image")
    write_nnunet(str(tmp_path / "set"), [image, other, mask])
    names = sorted(path.name for path in (tmp_path / "set" / "labelsTr").iterdir())
    assert names == ["p1.nii.gz", "p1_vendor_B.nii.gz"]


def test_a_mask_from_nowhere_lies_where_its_image_lies(pair, drawn_stack, tmp_path, oblique_affine):
    painted = {"name": "painted", "scale": pair[0][1]["scale"], "metadata": {}}
    write_nnunet(str(tmp_path / "set"), [pair[0], (drawn_stack, painted, "labels")])
    mask = nib.load(tmp_path / "set" / "labelsTr" / "p1.nii.gz")
    np.testing.assert_allclose(mask.affine, oblique_affine, atol=1e-4)


def test_the_convention_that_was_confirmed_counts(pair, drawn_stack, tmp_path):
    image, (data, attributes, kind) = pair
    attributes["metadata"][CONVENTION] = "mnms"  # the user insists, against the topology
    write_nnunet(str(tmp_path / "set"), [image, (data, attributes, kind)])
    mask = np.asarray(nib.load(tmp_path / "set" / "labelsTr" / "p1.nii.gz").dataobj).transpose()
    for theirs, ours in ((LV, RV), (MYO, MYO), (RV, LV)):
        np.testing.assert_array_equal(mask == ours, drawn_stack == theirs)


def test_numbers_that_nobody_understands_are_asked_about(pair, drawn_stack, tmp_path):
    only_one = (drawn_stack == LV).astype(np.uint8)
    attributes = pair[1][1] | {"metadata": {}, "name": "only one"}
    with pytest.raises(InputError, match=r"^only one: what its numbers mean is not sure \(Only"):
        write_nnunet(str(tmp_path / "set"), [pair[0], (only_one, attributes, "labels")])
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [("a.json", "is a folder with dataset.json in it"), ("a.png/dataset.json", None)],
)
def test_an_nnunet_data_set_is_a_folder(pair, tmp_path, name, message):
    if message is None:
        assert write_nnunet(str(tmp_path / name), pair)
        return
    with pytest.raises(InputError, match=message):
        write_nnunet(str(tmp_path / name), pair)


def test_napari_keeps_its_own_folder_and_picture_writers(plugins):
    manager = plugins
    manager.register(npe2.PluginManifest.from_distribution("napari"))
    ours = [w.command for w in manager.iter_compatible_writers(["image"]) if "cmr" in w.command]
    assert ours  # asked for by name, they are there
    for path, types in (("a.png", ["image"]), ("folder", ["image", "labels"])):
        writer, _ = manager.get_writer(path, types)
        assert writer.command.startswith("napari.")


def synthetic(layer):
    data, attributes, kind = layer
    record = {
        "synthetic": True,
        "model": {"name": "flow", "version": "1", "sha256": "ab" * 32},
        "seed": 3,
        "variant": 0,
        "vendor": "ge",
    }
    metadata = {**attributes["metadata"], RECORD: record}
    return data, attributes | {"metadata": metadata, "name": "synthetic heart"}, kind


def test_a_synthetic_image_and_its_mask_as_dicom(plugins, pair, tmp_path):
    import pydicom

    layers = [synthetic(pair[0]), pair[1]]
    files = npe2.write(str(tmp_path / "heart.dcm"), layers, plugin_name=PLUGIN)
    folder = tmp_path / "heart"
    assert files == [*map(str, sorted(folder.iterdir())), str(tmp_path / "heart.json")]
    assert {p.name for p in folder.iterdir()} >= {"IM_0001.dcm", "SEG_0001.dcm"}
    for path in folder.iterdir():
        assert pydicom.dcmread(path).SyntheticData == "YES"
    assert json.loads((tmp_path / "heart.json").read_text())["vendor"] == "ge"


def test_a_real_image_never_becomes_a_synthetic_dicom(pair, tmp_path):
    with pytest.raises(InputError, match="is not a synthetic image of this program"):
        write_dicom(str(tmp_path / "heart.dcm"), pair)
    assert list(tmp_path.glob("heart*")) == []
    data, attributes, kind = synthetic(pair[0])
    del attributes["metadata"][RECORD]["seed"]
    with pytest.raises(InputError, match="does not say how its picture was made"):
        write_dicom(str(tmp_path / "heart.dcm"), [(data, attributes, kind)])
    with pytest.raises(InputError, match="2 images and 0 masks"):
        write_dicom(str(tmp_path / "heart.dcm"), [pair[0], pair[0]])
    assert list(tmp_path.glob("heart*")) == []
