"""The plain folder: three layouts, what a table and cohort.yaml state, and what is refused."""

from __future__ import annotations

import shutil

import nibabel as nib
import numpy as np
import pytest

from cmr_synth.anatomy.labels import LV, MYO, RV, UNLABELLED
from cmr_synth.cohorts.examination import LeftOut
from cmr_synth.cohorts.folder import find_pairs, label_convention, remarks
from cmr_synth.cohorts.reading import read_cohort, told
from cmr_synth.errors import InputError


def examinations(root):
    """The examinations of a folder."""
    return read_cohort("folder", root, [])


def left_out(root):
    """What is left out of a folder, once it is read."""
    lost = []
    list(read_cohort("folder", root, lost))
    return lost


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
    pairs, _, _ = find_pairs(tmp_path)
    assert label_convention(pairs, tmp_path).convention == convention
    np.testing.assert_array_equal(next(examinations(tmp_path)).labels, drawn)
    assert f"labels are read as {convention}" in remarks(tmp_path)[0]


def test_a_mask_that_contradicts_the_others_is_left_out(tmp_path, write_pair):
    for i in range(20):  # so many that the last one is not among those asked first
        write_pair(*layout(tmp_path, "beside", f"p{i:02d}"), convention="acdc")
    write_pair(*layout(tmp_path, "beside", "p10"), convention="mnms")
    (lost,) = left_out(tmp_path)
    assert lost.what == "p10_seg.nii.gz" and lost.reason.startswith("looks like mnms labels")


def test_a_stated_convention_is_not_questioned(tmp_path, write_pair):
    drawn = write_pair(*layout(tmp_path, "beside", "a"), convention="acdc")
    (tmp_path / "cohort.yaml").write_text("labels: mnms\n")
    swapped = next(examinations(tmp_path)).labels
    # the RV that is then on the right has the slices turned or mirrored, so areas are compared
    areas = (swapped == LV).sum(axis=(1, 2)), (drawn == RV).sum(axis=(1, 2))
    np.testing.assert_array_equal(*areas)
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
    found = {e.files[0].removeprefix("images/"): e for e in examinations(folder)}
    assert found["p0_ES.nii.gz"].vendor == "philips"
    assert found["p0_ED.nii.gz"].pathology == "hcm"
    moved = found["p1_ED.nii.gz"]
    assert (moved.patient, moved.phase, moved.vendor) == ("somebody", "ES", None)
    assert found["p2_ED.nii.gz"].vendor is None


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("patient,vendor\np0,toshiba\n", r"line 2: vendor 'toshiba' is unknown; known are siemens"),
        ("patient,phase\np0,mid\n", r"line 2: phase 'mid' is unknown; known are ED, ES"),
        ("patient,pathology\np0,cold\n", r"line 2: pathology 'cold' is unknown"),
        ("scanner\nge\n", r"columns are scanner; known are patient, phase"),
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


def test_files_without_a_partner_are_left_out(folder):
    (folder / "labels" / "p2_ES.nii.gz").unlink()
    (folder / "images" / "p3_ED.nii.gz").unlink()
    assert left_out(folder) == [
        LeftOut("images/p2_ES.nii.gz", "has no mask in labels/."),
        LeftOut("labels/p3_ED.nii.gz", "has no image in images/."),
    ]


def test_files_without_a_partner_beside_them_are_left_out(tmp_path, write_pair):
    for stem in "abc":
        write_pair(*layout(tmp_path, "beside", stem))
    (tmp_path / "a.nii.gz").unlink()
    (tmp_path / "b_seg.nii.gz").unlink()
    assert [(x.what, x.reason) for x in left_out(tmp_path)] == [
        ("a_seg.nii.gz", "has no image a.nii.gz beside it."),
        ("b.nii.gz", "has no mask beside it."),
    ]


def test_two_masks_of_one_image_are_left_out(tmp_path, write_pair):
    for stem in "ab":
        write_pair(*layout(tmp_path, "beside", stem))
    shutil.copy(tmp_path / "a_seg.nii.gz", tmp_path / "a_gt.nii.gz")
    assert {x.what for x in left_out(tmp_path)} == {"a.nii.gz", "a_gt.nii.gz", "a_seg.nii.gz"}


def test_a_second_channel_is_left_out(tmp_path, write_pair):
    image, mask = layout(tmp_path, "nnU-Net", "a")
    write_pair(image, mask)
    shutil.copy(image, image.with_name("a_0001.nii.gz"))
    (lost,) = left_out(tmp_path)
    assert lost.what == "imagesTr/a_0001.nii.gz" and "single-channel" in lost.reason


def test_what_cannot_be_read_is_left_out_and_the_rest_is_read(folder):
    (folder / "images" / "p0_ED.nii.gz").write_bytes(b"no image")
    mask = nib.load(folder / "labels" / "p1_ED.nii.gz")
    drawn = np.array(mask.dataobj)
    nib.save(nib.Nifti1Image(drawn[:, :, 1:], mask.affine), folder / "labels" / "p1_ED.nii.gz")
    moved = nib.Nifti1Image(drawn, mask.affine + np.eye(4, k=3) * 40)
    nib.save(moved, folder / "labels" / "p2_ED.nii.gz")
    lost = left_out(folder)
    assert [x.what for x in lost] == [f"images/p{k}_ED.nii.gz" for k in range(3)]
    assert "(slices x rows x columns)" in lost[1].reason and "mm away" in lost[2].reason
    assert len(list(examinations(folder))) == 5


def test_nothing_that_can_be_read_is_one_line(tmp_path, write_pair):
    image, mask = layout(tmp_path, "beside", "a")
    write_pair(image, mask)
    image.write_bytes(b"no image")
    with pytest.raises(InputError, match=r"no examination of cohort 'folder'; a.nii.gz: ") as told:
        list(examinations(tmp_path))
    assert "\n" not in str(told.value)


def test_a_mask_with_fewer_frames_is_left_out(tmp_path, write_pair):
    image, mask = layout(tmp_path, "beside", "a")
    ed = write_pair(image, mask)
    write_pair(image, tmp_path / "other.nii.gz", labels=np.stack([ed, ed]))
    (tmp_path / "other.nii.gz").unlink()
    with pytest.raises(InputError, match=r"the mask has 1 frames, a.nii.gz has 2"):
        next(examinations(tmp_path))


LONG_AXIS = np.array([[-1.5, 0, 0, 0], [0, 0.86, -6.5, 0], [0, -1.2, -4.6, 0], [0, 0, 0, 1]])


def test_long_axis_views_are_left_out_by_name_and_by_plane(tmp_path, write_pair):
    for kind, stem in (("below", "p1_SA_ED"), ("below", "p1_4CH_ED"), ("below", "p1_view2_ED")):
        write_pair(*layout(tmp_path, kind, stem))
    for path in layout(tmp_path, "below", "p1_view2_ED"):
        file = nib.load(path)
        nib.save(nib.Nifti1Image(np.array(file.dataobj), LONG_AXIS), path)
    by_name, by_plane = left_out(tmp_path)
    assert by_name == LeftOut("p1/p1_4CH_ED.nii", "no short-axis view by its name (4CH).")
    assert by_plane.what == "p1/p1_view2_ED.nii" and "by its plane" in by_plane.reason
    assert len(list(examinations(tmp_path))) == 1


def write_all(root, write_pair, *stems):
    for seed, stem in enumerate(stems):
        write_pair(root / f"{stem}.nii.gz", root / f"{stem}_gt.nii.gz", seed=seed)


@pytest.mark.parametrize(
    ("stems", "patients"),
    [
        (["P1/sa_ED", "P2/sa_ED"], ["P1", "P2"]),
        (["P1/image", "P2/image"], ["P1", "P2"]),
        (["001/001_SA_ED", "002/002_SA_ED"], ["001", "002"]),
        (["001-ED", "001-ES", "SC-HF-I-05-ED"], ["001", "001", "SC-HF-I-05"]),
        (["ED/p1", "ES/p1", "ED/p2"], ["p1", "p2", "p1"]),
        (["batch/p1_ED", "batch/p2_ED"], ["p1", "p2"]),
        (["P1/visit1/sa", "P1/visit2/sa"], ["P1", "P1"]),
        (["v01/sa", "v02/sa"], ["v01", "v02"]),
        (["A/001/sa", "B/001/sa", "B/002/sa"], ["A-001", "B-001", "B-002"]),
        (["P1/one/sa", "P1/two/sa", "P2/one/sa"], ["P1", "P1", "P2"]),
        (["sub-1/ses-1/anat/sub-1_ses-1_sa", "sub-2/anat/sub-2_sa"], ["sub-1", "sub-2"]),
    ],
    ids=lambda value: value[0],
)
def test_who_is_a_patient(stems, patients, tmp_path, write_pair):
    write_all(tmp_path, write_pair, *stems)
    assert [e.patient for e in examinations(tmp_path)] == patients


def test_a_person_in_several_folders_is_told(tmp_path, write_pair):
    write_all(tmp_path, write_pair, "A/p1_ED", "A/p2_ED", "B/p1_ES", "B/p3_ES")
    (said,) = [line for line in remarks(tmp_path) if "several folders" in line]
    assert said.startswith("1 patients lie in several folders, as p1 in A and B, and count as one")


@pytest.mark.parametrize("ids", [("1", "2"), ("1.0", "2.0"), ("001", "002"), ("01", "2")])
def test_spreadsheets_lose_leading_zeros(ids, tmp_path, write_pair):
    write_all(tmp_path, write_pair, "001/001_SA_ED", "002/002_SA_ED")
    (tmp_path / "cohort.csv").write_text(f"Patient;Vendor\n{ids[0]};Siemens\n{ids[1]};GE\n")
    assert [e.vendor for e in examinations(tmp_path)] == ["siemens", "ge"]
    assert not left_out(tmp_path)


def test_rows_that_nobody_uses_are_named(tmp_path, write_pair):
    write_all(tmp_path, write_pair, "001/001_SA_ED")
    (tmp_path / "cohort.csv").write_text("patient,file,vendor\n1,,ge\n7,,ge\n,9_ED.nii.gz,ge\n")
    assert told(left_out(tmp_path)) == [
        "2 left out, cohort.csv line 3 (7), cohort.csv line 4 (9_ED): no examination is there for "
        "this row."
    ]


def test_a_row_that_may_mean_two_patients_is_refused(tmp_path, write_pair):
    write_all(tmp_path, write_pair, "001/sa_ED", "01/sa_ED")
    (tmp_path / "cohort.csv").write_text("patient,vendor\n1,ge\n")
    with pytest.raises(InputError, match="row '1' may mean patient '001' or '01'"):
        list(examinations(tmp_path))
    (tmp_path / "cohort.csv").write_text("file,vendor\nsa_ED.nii,ge\n")
    with pytest.raises(InputError, match="may mean 001/sa_ED.nii.gz or 01/sa_ED.nii.gz"):
        list(examinations(tmp_path))
    (tmp_path / "cohort.csv").write_text("file,vendor\n01/sa_ED.nii,ge\n")
    assert [e.vendor for e in examinations(tmp_path)] == [None, "ge"]


def test_a_statement_by_its_other_ending_and_one_by_none(folder):
    (folder / "cohort.yml").write_bytes("labels: acdc\nvendor: ge\n".encode("utf-16"))
    (folder / "cohort.json").write_text("{}")
    assert {e.vendor for e in examinations(folder)} == {"ge"}
    (lost,) = left_out(folder)
    assert lost.what == "cohort.json" and "known are cohort.yaml, cohort.yml" in lost.reason
    (folder / "cohort.yaml").write_text("labels: acdc\n")
    with pytest.raises(InputError, match="cohort.yml: cohort.yaml states things, too"):
        next(examinations(folder))


def test_linked_folders_are_followed_and_not_in_circles(folder, tmp_path):
    linked = tmp_path / "linked"
    (linked / "images").mkdir(parents=True)
    (linked / "images" / "there").symlink_to(folder / "images")
    (linked / "images" / "back").symlink_to(linked)
    (linked / "labels").symlink_to(folder / "labels")
    (linked / "labels2").mkdir()
    with pytest.raises(InputError, match="holds no images with masks"):
        find_pairs(linked)  # p0 lies one folder deeper than its mask
    (linked / "images" / "there").unlink()
    for path in (folder / "images").iterdir():
        (linked / "images" / path.name).symlink_to(path)
    assert len(list(examinations(linked))) == 8


def test_long_paths_and_names_beyond_ascii(tmp_path, write_pair):
    deep = tmp_path / ("Prüfung " + "x" * 200) / ("心臓" * 20) / "Müller_ED"
    write_pair(deep.with_suffix(".nii.gz"), deep.with_name("Müller_ED_gt.nii.gz"))
    (found,) = examinations(tmp_path)
    assert found.patient == "心臓" * 20 and found.phase == "ED"


def test_nothing_is_written_into_a_source(folder):
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    for path in (*before, folder):
        path.chmod(0o555 if path.is_dir() else 0o444)
    list(examinations(folder))
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == before
    for path in (folder, *before):
        path.chmod(0o755 if path.is_dir() else 0o644)


def test_no_layout_describes_the_three(tmp_path):
    with pytest.raises(InputError, match=r"holds no images with masks; expected images/ and"):
        find_pairs(tmp_path)


def test_acdc_read_as_a_plain_folder_is_the_same(data_root, tmp_path):
    """Two ways to the same data: the adapter that knows ACDC and the one that guesses."""
    training = data_root / "acdc" / "training"
    for patient in ("patient001", "patient002"):
        (tmp_path / patient).symlink_to(training / patient)
    for guessed, known in zip(
        examinations(tmp_path), read_cohort("acdc", tmp_path, []), strict=True
    ):
        assert guessed.patient == known.patient and guessed.files == known.files
        assert guessed.spacing == known.spacing
        np.testing.assert_array_equal(guessed.image, known.image)
        np.testing.assert_array_equal(guessed.labels, known.labels)
        np.testing.assert_array_equal(guessed.z, known.z)
