"""nnU-Net data sets: the files it looks for, geometry kept, cases added without any damage."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cmr_synth.anatomy.labels import LV, MYO, RV, UNLABELLED
from cmr_synth.anatomy.template import draw_stack
from cmr_synth.errors import InputError
from cmr_synth.files import sha256
from cmr_synth.imaging.nifti import read_image
from cmr_synth.imaging.nnunet import Case, case_name, cases_of, write_cases
from cmr_synth.imaging.scan import Scan

SPACING = (8.0, 1.4, 1.2)
SHAPE = (96, 112)


@pytest.fixture
def labels(oblique):
    """Engine labels of a drawn heart in an oblique stack, (3, 96, 112)."""
    array = draw_stack(slices=3, shape=SHAPE, spacing=(30.0, *SPACING[1:]), seed=2)
    return Scan(array=array, spacing=SPACING, affine=oblique, name="heart_gt.nii.gz")


@pytest.fixture
def image(labels):
    pixels = np.random.default_rng(0).normal(300, 80, labels.shape).astype(np.float32)
    return labels.with_array(pixels, name="heart.nii.gz")


def about(folder):
    return json.loads((folder / "dataset.json").read_text(encoding="utf-8"))


def content(folder):
    return {
        str(path.relative_to(folder)): sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def identifiers(folder: Path) -> list[str]:
    """As `get_identifiers_from_splitted_dataset_folder` of nnU-Net 2.5 finds the cases."""
    ending = about(folder)["file_ending"]
    files = [path.name for path in (folder / "imagesTr").iterdir() if path.name.endswith(ending)]
    return sorted({name[: -(len(ending) + 5)] for name in files})


def test_a_new_data_set_has_what_nnunet_reads(tmp_path, image, labels):
    folder = tmp_path / "Dataset027_Heart"
    written = write_cases(folder, cases_of(image, labels))
    assert written == [
        folder / "imagesTr" / "heart_0000.nii.gz",
        folder / "labelsTr" / "heart.nii.gz",
        folder / "dataset.json",
    ]
    assert all(path.is_file() for path in written)
    stated = about(folder)
    assert stated["channel_names"] == {"0": "MRI"} and stated["file_ending"] == ".nii.gz"
    assert stated["labels"] == {"background": 0, "LV": LV, "MYO": MYO, "RV": RV}
    assert stated["numTraining"] == len(identifiers(folder)) == 1
    assert "synthetic_cases" not in stated
    assert not [path for path in tmp_path.rglob(".partial-*")]


@pytest.mark.parametrize("flip", [None, 0, 1, 2], ids=["oblique", "x", "y", "z"])
def test_image_and_mask_lie_where_the_scan_lay(tmp_path, image, labels, flip):
    affine = image.affine.copy()
    if flip is not None:
        affine[:3, flip] *= -1
    image, labels = replace(image, affine=affine), replace(labels, affine=affine)
    write_cases(tmp_path / "set", cases_of(image, labels))
    pixels = nib.load(tmp_path / "set" / "imagesTr" / "heart_0000.nii.gz")
    mask = nib.load(tmp_path / "set" / "labelsTr" / "heart.nii.gz")
    for file, scan in ((pixels, image), (mask, labels)):
        np.testing.assert_allclose(file.affine, affine, atol=1e-4)
        np.testing.assert_allclose(file.header.get_zooms(), SPACING[::-1], rtol=1e-6)
        np.testing.assert_array_equal(np.asarray(file.dataobj).transpose(), scan.array)
    np.testing.assert_array_equal(pixels.affine, mask.affine)  # nnU-Net compares them


def test_slices_come_last_whatever_the_file_was_like(tmp_path, oblique, labels, image):
    # (z, y, x) in the file: the slices come first there
    stored = nib.Nifti1Image(image.array, oblique[:, [2, 1, 0, 3]])
    nib.save(stored, tmp_path / "odd.nii.gz")
    scan = read_image(tmp_path / "odd.nii.gz")
    assert scan.origin.axes[2] == 0
    array = labels.array.transpose(0, 2, 1) if scan.shape != labels.shape else labels.array
    write_cases(tmp_path / "set", cases_of(scan, scan.with_array(array)))
    after = nib.load(tmp_path / "set" / "imagesTr" / "odd_0000.nii.gz")
    assert after.shape[2] == 3
    np.testing.assert_array_equal(np.asarray(after.dataobj).transpose(), scan.array)
    np.testing.assert_allclose(after.affine, scan.affine, atol=1e-4)


def test_unlabelled_pixels_are_ignored_by_the_highest_number(tmp_path, image, labels):
    array = labels.array.copy()
    array[:, :5] = UNLABELLED
    write_cases(tmp_path / "set", cases_of(image, labels.with_array(array)))
    assert about(tmp_path / "set")["labels"]["ignore"] == 4
    mask = np.asarray(nib.load(tmp_path / "set" / "labelsTr" / "heart.nii.gz").dataobj).transpose()
    np.testing.assert_array_equal(mask == 4, array == UNLABELLED)


def test_a_cine_gives_a_case_for_each_frame_with_a_heart(tmp_path, image, labels):
    frames = np.stack([labels.array, np.zeros_like(labels.array), labels.array])
    cine = image.with_array(np.stack([image.array, image.array + 1, image.array + 2]))
    cases = cases_of(cine, labels.with_array(frames), name="P 1")
    write_cases(tmp_path / "set", cases)
    assert identifiers(tmp_path / "set") == ["P_1_frame01", "P_1_frame03"]
    third = nib.load(tmp_path / "set" / "imagesTr" / "P_1_frame03_0000.nii.gz")
    np.testing.assert_array_equal(np.asarray(third.dataobj).transpose(), image.array + 2)


def test_a_synthetic_case_is_marked_and_keeps_its_record(tmp_path, image, labels):
    record = {"synthetic": True, "seed": 7}
    real, made = (
        cases_of(image, labels),
        cases_of(image, labels, name="made", description="SYNTHETIC by a test", record=record),
    )
    write_cases(tmp_path / "set", [*real, *made])
    folder = tmp_path / "set"
    assert about(folder)["synthetic_cases"] == ["made"]
    header = nib.load(folder / "imagesTr" / "made_0000.nii.gz").header
    assert header["descrip"].item() == b"SYNTHETIC by a test"
    stated = json.loads((folder / "records" / "made.json").read_text())
    assert stated["seed"] == 7
    assert stated["sha256"] == sha256(folder / "imagesTr" / stated["file"])
    assert [path.name for path in (folder / "records").iterdir()] == ["made.json"]


def test_cases_are_added_in_the_numbers_of_the_data_set(tmp_path, image, labels):
    folder = tmp_path / "set"
    write_cases(folder, cases_of(image, labels))
    theirs = about(folder) | {
        "labels": {"background": 0, "RV": 1, "MYO": 2, "LV": 3},
        "reference": "kept",
    }
    (folder / "dataset.json").write_text(json.dumps(theirs), encoding="utf-8")
    array = labels.array.copy()
    array[0, 0] = UNLABELLED
    write_cases(folder, cases_of(image, labels.with_array(array), name="second"))
    after = about(folder)
    assert after["numTraining"] == 2 and identifiers(folder) == ["heart", "second"]
    assert after["labels"] == {**theirs["labels"], "ignore": 4} and after["reference"] == "kept"
    mask = np.asarray(nib.load(folder / "labelsTr" / "second.nii.gz").dataobj).transpose()
    for number, label in ((3, LV), (2, MYO), (1, RV), (4, UNLABELLED)):
        np.testing.assert_array_equal(mask == number, array == label)


def test_a_case_that_is_there_is_not_replaced(tmp_path, image, labels):
    folder = tmp_path / "set"
    write_cases(folder, cases_of(image, labels))
    before = content(folder)
    cases = [*cases_of(image, labels, name="new"), *cases_of(image, labels)]
    with pytest.raises(InputError, match=r"set: holds a case 'heart' already; rename the image"):
        write_cases(folder, cases)
    assert content(folder) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": {"background": 0, "tumour": 1}}, "its labels are background, tumour"),
        ({"channel_names": {"0": "T1", "1": "T2"}}, "has 2 channels"),
        ({"file_ending": ".nrrd"}, r"in \.nrrd files"),
        ({"labels": None}, "is not the description of an nnU-Net data set"),
    ],
)
def test_another_data_set_is_left_alone(tmp_path, image, labels, change, message):
    folder = tmp_path / "set"
    write_cases(folder, cases_of(image, labels))
    (folder / "dataset.json").write_text(json.dumps(about(folder) | change), encoding="utf-8")
    before = content(folder)
    with pytest.raises(InputError, match=rf"dataset\.json: .*{message}.* Choose another folder\."):
        write_cases(folder, cases_of(image, labels, name="second"))
    assert content(folder) == before


def test_a_folder_with_other_files_is_left_alone(tmp_path, image, labels):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="holds other files, which are not replaced"):
        write_cases(tmp_path, cases_of(image, labels))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("fails_at", [0, 1, 2])
def test_a_disk_that_fails_midway_leaves_the_data_set_as_it_was(
    tmp_path, image, labels, monkeypatch, fails_at
):
    folder = tmp_path / "set"
    write_cases(folder, cases_of(image, labels))
    before = content(folder)
    real, moves = Path.replace, iter(range(100))

    def replace_until_full(self, target):
        # a file moved into the data set keeps its name; the last rename is that of dataset.json
        moved = self.name == Path(target).name or Path(target).name == "dataset.json"
        if moved and next(moves) == fails_at:
            raise OSError(28, "No space left on device")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace_until_full)
    with pytest.raises(InputError, match="No space left on device"):
        write_cases(folder, cases_of(image, labels, name="second"))
    monkeypatch.undo()
    assert content(folder) == before


def test_what_does_not_belong_together_is_refused(tmp_path, image, labels):
    moved = labels.affine.copy()
    moved[:3, 3] += 20
    with pytest.raises(InputError, match="heart_gt.nii.gz: lies 34.6 mm away from heart.nii.gz"):
        cases_of(image, replace(labels, affine=moved))
    cine = image.with_array(np.stack([image.array] * 3))
    with pytest.raises(InputError, match="has 1 frames and heart.nii.gz has 3"):
        cases_of(cine, labels)
    with pytest.raises(InputError, match="the mask is empty"):
        cases_of(image, labels.with_array(np.zeros_like(labels.array)))
    theirs = labels.with_array(labels.array + 3 * (labels.array == RV).astype(np.uint8))
    with pytest.raises(InputError, match="found 6 where engine labels"):
        write_cases(tmp_path / "set", cases_of(image, theirs))
    case = Case(name="a", image=image, labels=labels)
    with pytest.raises(InputError, match="a: 2 images have this name"):
        write_cases(tmp_path / "set", [case, case])
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("patient001_frame01", "patient001_frame01"),
        ("synthetic siemens heart, seed 0", "synthetic_siemens_heart_seed_0"),
        ("../../etc/passwd", "etc_passwd"),
        ("Herz [1]", "Herz_1"),
        ("心", "case"),
    ],
)
def test_a_layer_name_becomes_a_file_name(text, name):
    assert case_name(text) == name
    assert case_name(name) == name
