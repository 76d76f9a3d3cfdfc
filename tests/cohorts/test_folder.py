"""The plain folder: three layouts, what a table and cohort.yaml state, and what is refused."""

from __future__ import annotations

import shutil
from itertools import islice

import nibabel as nib
import numpy as np
import pytest

from cmr_synth.anatomy.labels import LV, MYO, RV, UNLABELLED
from cmr_synth.cohorts.acdc import examinations as acdc_examinations
from cmr_synth.cohorts.folder import examinations, find_pairs, label_convention, remarks
from cmr_synth.errors import InputError


def layout(root, kind, stem):
    """Where image and mask lie in a layout."""
    return {
        "two folders": (root / f"images/{stem}.nii.gz", root / f"labels/{stem}.nii.gz"),
        "nnU-Net": (root / f"imagesTr/{stem}_0000.nii.gz", root / f"labelsTr/{stem}.nii.gz"),
        "beside": (root / f"{stem}.nii.gz", root / f"{stem}_seg.nii.gz"),
        "below": (root / f"p1/{stem}.nii", root / f"p1/{stem}_GT.nii.gz"),
    }[kind]


@pytest.mark.parametrize("kind", ["two folders", "nnU-Net", "beside", "below"])
def test_layouts(kind, tmp_path, write_pair):
    drawn = write_pair(*layout(tmp_path, kind, "p1_ES"), phase="ES")
    (found,) = examinations(tmp_path)
    assert (found.patient, found.phase, found.cohort) == ("p1", "ES", "folder")
    assert found.vendor is None and found.pathology is None
    np.testing.assert_array_equal(found.labels, drawn)
    assert found.spacing == pytest.approx((8.0, 1.5, 1.5), rel=0.01)
    assert not found.may_hide.any()


@pytest.mark.parametrize("convention", ["acdc", "mnms"])
def test_the_convention_is_told_from_the_masks(convention, tmp_path, write_pair):
    drawn = write_pair(*layout(tmp_path, "beside", "a"), convention=convention)
    assert label_convention(tmp_path).convention == convention
    np.testing.assert_array_equal(next(examinations(tmp_path)).labels, drawn)
    assert f"labels are read as {convention}" in remarks(tmp_path)[0]


def test_masks_that_contradict_each_other_are_refused(tmp_path, write_pair):
    for i in range(20):  # so many that the last one is not among those asked first
        write_pair(*layout(tmp_path, "beside", f"p{i:02d}"), convention="acdc")
    write_pair(*layout(tmp_path, "beside", "p10"), convention="mnms")
    with pytest.raises(InputError, match=r"p10_seg.nii.gz: looks like mnms labels, other.*acdc"):
        list(examinations(tmp_path))


def test_a_stated_convention_is_not_questioned(tmp_path, write_pair):
    drawn = write_pair(*layout(tmp_path, "beside", "a"), convention="acdc")
    (tmp_path / "cohort.yaml").write_text("labels: mnms\n")
    swapped = next(examinations(tmp_path)).labels
    np.testing.assert_array_equal(swapped == LV, drawn == RV)
    assert remarks(tmp_path) == []


def test_a_doubtful_convention_must_be_stated(tmp_path, write_pair):
    only_lv = write_pair(*layout(tmp_path, "beside", "a"))
    only_lv[only_lv != LV] = 0
    write_pair(*layout(tmp_path, "beside", "a"), labels=only_lv)
    with pytest.raises(InputError, match=r"label convention is not clear.*cohort.yaml"):
        next(examinations(tmp_path))
    (tmp_path / "cohort.yaml").write_text("labels: acdc\ndrawn: [LV]\nvendor: ge\n")
    found = next(examinations(tmp_path))
    assert found.vendor == "ge"
    assert set(np.unique(found.labels)) == {LV, UNLABELLED}
    assert found.may_hide[:, [MYO, RV]].all() and not found.may_hide[:, [0, LV]].any()


def test_a_cine_gives_its_labelled_frames(tmp_path, write_pair):
    ed = write_pair(*layout(tmp_path, "beside", "a"))
    es = write_pair(*layout(tmp_path, "beside", "a"), phase="ES")
    cine = np.stack([es, np.zeros_like(ed), ed])
    write_pair(*layout(tmp_path, "beside", "a"), labels=cine)
    found = list(examinations(tmp_path))
    assert [e.phase for e in found] == ["ES", "ED"]
    np.testing.assert_array_equal(found[1].labels, ed)
    assert found[0].image.shape == ed.shape


def test_slices_are_turned_into_radiological_display(tmp_path, write_pair):
    """A file whose columns run the other way gives the same picture."""
    image, mask = layout(tmp_path, "beside", "a")
    drawn = write_pair(image, mask)
    for path in (image, mask):
        file = nib.load(path)
        flipped = np.asarray(file.dataobj)[::-1]
        affine = file.affine.copy()
        affine[:3, 3] += affine[:3, 0] * (len(flipped) - 1)
        affine[:3, 0] *= -1
        nib.save(nib.Nifti1Image(flipped, affine), path)
    np.testing.assert_array_equal(next(examinations(tmp_path)).labels, drawn)


def test_the_table_states_what_names_do_not(folder):
    (folder / "cohort.csv").write_text(
        "patient,phase,vendor,pathology,file\np0,,Philips,hcm,\nsomebody,es,,,p1_ED.nii.gz\n"
    )
    found = {e.files[0]: e for e in examinations(folder)}
    assert found["p0_ES.nii.gz"].vendor == "philips"
    assert found["p0_ED.nii.gz"].pathology == "hcm"
    moved = found["p1_ED.nii.gz"]
    assert (moved.patient, moved.phase, moved.vendor) == ("somebody", "ES", None)
    assert found["p2_ED.nii.gz"].vendor is None


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("file,vendor\np9_ED.nii.gz,ge\n", r"line 2: there is no image 'p9_ED.nii.gz'"),
        ("patient,vendor\np0,toshiba\n", r"line 2: vendor 'toshiba' is unknown; known are siemens"),
        ("patient,phase\np0,mid\n", r"line 2: phase 'mid' is unknown; known are ED, ES"),
        ("patient,pathology\np0,cold\n", r"line 2: pathology 'cold' is unknown"),
        ("patient,scanner\np0,ge\n", r"columns are patient, scanner; known are patient, phase"),
        ("vendor\nge\n", r"one of them patient or file"),
        ("patient,vendor\n,ge\n", r"line 2: names neither a file nor a patient"),
        ("patient,vendor\np0,ge\np0,ge\n", r"line 3: 'p0' has a row already"),
    ],
)
def test_a_wrong_table_is_one_line(table, message, folder):
    (folder / "cohort.csv").write_text(table)
    with pytest.raises(InputError, match=message):
        next(examinations(folder))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("labels: [", "cannot be read as YAML"),
        ("acdc", "is no mapping"),
        ("labels: scd", r"field 'labels': Input should be 'acdc', 'mnms' or 'ukbb'"),
        ("label: acdc", r"field 'label': .*fields are labels, vendor, drawn"),
    ],
)
def test_a_wrong_statement_is_one_line(text, message, folder):
    (folder / "cohort.yaml").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        next(examinations(folder))
    assert "\n" not in str(caught.value)


def test_a_missing_partner_is_named(folder):
    (folder / "labels" / "p2_ES.nii.gz").unlink()
    with pytest.raises(InputError, match=r"images: p2_ES has no partner in .*labels \(1 files"):
        find_pairs(folder)


def test_a_mask_alone_is_named(tmp_path, write_pair):
    image, mask = layout(tmp_path, "beside", "a")
    write_pair(image, mask)
    image.unlink()
    with pytest.raises(InputError, match=r"there is no image a.nii.gz beside this mask"):
        find_pairs(tmp_path)


def test_two_masks_of_one_image_are_refused(tmp_path, write_pair):
    image, mask = layout(tmp_path, "beside", "a")
    write_pair(image, mask)
    shutil.copy(mask, tmp_path / "a_gt.nii.gz")
    with pytest.raises(InputError, match=r"a.nii.gz: has more than one mask"):
        find_pairs(tmp_path)


def test_an_image_alone_is_left_out_and_said(tmp_path, write_pair):
    image, mask = layout(tmp_path, "beside", "a")
    write_pair(image, mask)
    shutil.copy(image, tmp_path / "a_4d.nii.gz")
    assert len(list(examinations(tmp_path))) == 1
    assert remarks(tmp_path)[1] == "1 images have no mask and are left out (a_4d.nii.gz)."


def test_a_second_channel_is_refused(tmp_path, write_pair):
    image, mask = layout(tmp_path, "nnU-Net", "a")
    write_pair(image, mask)
    shutil.copy(image, image.with_name("a_0001.nii.gz"))
    with pytest.raises(InputError, match=r"a_0001.nii.gz: a single-channel image ends in _0000"):
        find_pairs(tmp_path)


def test_a_mask_with_fewer_frames_is_refused(tmp_path, write_pair):
    image, mask = layout(tmp_path, "beside", "a")
    ed = write_pair(image, mask)
    write_pair(image, tmp_path / "other.nii.gz", labels=np.stack([ed, ed]))
    (tmp_path / "other.nii.gz").unlink()
    with pytest.raises(InputError, match=r"the mask has 1 frames, a.nii.gz has 2"):
        next(examinations(tmp_path))


def test_no_layout_describes_the_three(tmp_path):
    with pytest.raises(InputError, match=r"holds no images with masks; expected images/ and"):
        find_pairs(tmp_path)


def test_acdc_read_as_a_plain_folder_is_the_same(data_root, tmp_path):
    """Two ways to the same data: the adapter that knows ACDC and the one that guesses."""
    training = data_root / "acdc" / "training"
    for patient in ("patient001", "patient002"):
        (tmp_path / patient).symlink_to(training / patient)
    for guessed, known in zip(
        examinations(tmp_path), islice(acdc_examinations(tmp_path), 4), strict=True
    ):
        assert guessed.patient == known.patient and guessed.files == known.files
        assert guessed.spacing == known.spacing
        np.testing.assert_array_equal(guessed.image, known.image)
        np.testing.assert_array_equal(guessed.labels, known.labels)
        np.testing.assert_array_equal(guessed.z, known.z)
