"""What every cohort must hold to, on small files in its layout and on real data where they are.

A new adapter is tested by being in the table; `LAYOUTS` of conftest.py needs a writer for it.
"""

from __future__ import annotations

import re
import shutil
from itertools import islice

import nibabel as nib
import numpy as np
import pydicom
import pytest

from cmr_synth.anatomy.labels import INFARCT, LV, MYO, RV, SCAR, UNLABELLED, is_heart
from cmr_synth.cohorts import registry
from cmr_synth.cohorts.examination import CONTRASTS, PATHOLOGIES, PHASES, VENDORS
from cmr_synth.cohorts.prepare import prepare
from cmr_synth.cohorts.reading import found_in, read_cohort, told
from cmr_synth.cohorts.registry import load_cohort
from cmr_synth.cohorts.slices import open_slice_set
from cmr_synth.cohorts.splits import SPLITS
from cmr_synth.errors import InputError
from cmr_synth.imaging.plane import plane_of

EARLIER, DISTRIBUTED = "sunnybrook, earlier", "sunnybrook, as distributed"
WRITTEN = (*sorted(registry.BUILT_IN), EARLIER, DISTRIBUTED, "emidec, archive")
REAL = {
    "acdc": "acdc/training",
    "autofd": "autofd",
    "chla": "chla_chd",
    "emidec, archive": "emidec",
    "sunnybrook": "sunnybrook_full",
    EARLIER: "sunnybrook",
}
SPACINGS = {
    "chla": (9, 1.3, 1.2),
    "emidec": (10, 1.46, 1.46),
    "sunnybrook": (8, 1.43, 1.43),  # 1.37 of archives, 1.5 of the files written here
}


def adapter_of(layout):
    return load_cohort(layout.partition(",")[0])


@pytest.fixture(params=WRITTEN)
def written(request, tmp_path, layouts):
    """Every adapter, a folder in its layout, and the labels that are in it."""
    return adapter_of(request.param), tmp_path, layouts[request.param](tmp_path)


@pytest.fixture(params=[*WRITTEN, *(f"real {name}" for name in REAL)])
def cohort(request, tmp_path, layouts):
    """Every adapter and a folder for it: written, and as published."""
    _, real, layout = request.param.rpartition("real ")
    if real:
        return adapter_of(layout), request.getfixturevalue("data_root") / REAL[layout]
    layouts[layout](tmp_path)
    return adapter_of(layout), tmp_path


@pytest.fixture
def first_examinations(cohort):
    """The first few examinations."""
    adapter, root = cohort
    return list(islice(read_cohort(adapter.name, root, []), 4))


def test_arrays_fit_together(first_examinations):
    assert first_examinations
    for e in first_examinations:
        assert e.image.ndim == 3 and e.image.dtype == np.float32
        assert e.labels.shape == e.image.shape and e.labels.dtype == np.uint8
        scar = set(SCAR.values()) if e.contrast == "lge" else set()
        assert set(np.unique(e.labels)) <= {0, LV, MYO, RV, UNLABELLED} | scar
        assert e.may_hide.shape == (len(e.image), 4) and e.may_hide.dtype == bool
        assert e.z.shape == (len(e.image),) and e.z.dtype == np.float32
        assert e.image.max() > e.image.min()


def test_unlabelled_pixels_and_may_hide_agree(first_examinations):
    for e in first_examinations:
        unknown = (e.labels == UNLABELLED).any(axis=(1, 2))
        assert not e.may_hide[:, 0].any()  # the background is not a structure
        assert e.may_hide[unknown].any(axis=1).all()
        assert not e.may_hide[~unknown & e.labelled].any()


def test_geometry_is_that_of_a_short_axis_stack(first_examinations):
    for e in first_examinations:
        z, y, x = e.spacing
        assert 3 <= z <= 20 and 0.4 <= y <= 3 and 0.4 <= x <= 3
        assert e.z.min() >= 0 and e.z.max() <= 1
        assert e.labelled.any() or e.may_hide[:, [LV, MYO, RV]].all()


def test_conditions_are_known_words(first_examinations):
    for e in first_examinations:
        assert e.vendor is None or e.vendor in VENDORS
        assert e.phase is None or e.phase in PHASES
        assert e.pathology is None or e.pathology in PATHOLOGIES
        assert e.contrast in CONTRASTS
        assert e.patient and e.files


def test_the_right_ventricle_lies_on_the_left(first_examinations):
    for e in first_examinations:
        if (e.labels == RV).any() and (e.labels == LV).any():
            column = {v: np.nonzero(e.labels == v)[2].mean() for v in (LV, RV)}
            assert column[RV] < column[LV]


def test_reading_twice_gives_the_same(cohort):
    adapter, root = cohort
    one, two = (next(iter(read_cohort(adapter.name, root, []))) for _ in range(2))
    assert one.patient == two.patient
    np.testing.assert_array_equal(one.image, two.image)
    np.testing.assert_array_equal(one.labels, two.labels)


def test_what_is_written_is_what_is_read(written):
    adapter, root, expected = written
    read = {(e.patient, e.phase): e for e in read_cohort(adapter.name, root, [])}
    assert read.keys() == expected.keys()
    for key, labels in expected.items():
        if adapter.name == "mmwhs":  # cut out of a volume of 2 mm
            assert read[key].labels.shape == labels.shape
            assert (read[key].labels == labels).mean() > 0.985
            assert (read[key].labels == labels)[labels > 0].mean() > 0.93
            continue
        np.testing.assert_array_equal(read[key].labels, labels)
        assert (
            read[key].spacing == pytest.approx(SPACINGS.get(adapter.name, (8, 1.5, 1.5)), rel=0.06)
            or key[0] == "Sbj12"
        )
        assert read[key].cohort == adapter.name
        assert adapter.vendor is None or read[key].vendor == adapter.vendor


def test_pictures_are_those_of_the_labels(written):
    """Blood is brighter than the wall where both are known."""
    adapter, root, _ = written
    for e in read_cohort(adapter.name, root, []):
        if not e.labelled.any():
            continue
        blood = e.image[e.labels == LV].mean()
        assert blood > e.image[~np.isin(e.labels, (LV, RV))].mean()


def test_remarks_are_lines(written):
    adapter, root, _ = written
    said = adapter.remarks(root)
    assert all(isinstance(line, str) and line and "\n" not in line for line in said)


@pytest.mark.parametrize("name", sorted(registry.BUILT_IN))
def test_people_and_sides_are_stated(name):
    adapter = load_cohort(name)
    assert not set(adapter.same_person) & set(adapter.same_person.values())
    assert set(adapter.settled.values()) <= set(SPLITS)


def test_acdc_knows_groups(tmp_path, layouts):
    layouts["acdc"](tmp_path)
    read = {e.patient: e.pathology for e in found_in(load_cohort("acdc"), tmp_path)}
    assert read == {"patient001": "dcm", "patient002": "normal"}


@pytest.mark.parametrize("layout", ["emidec", "emidec, archive"])
def test_emidec_has_scar_and_no_right_ventricle(layout, tmp_path, layouts):
    layouts[layout](tmp_path)
    normal, infarct = found_in(load_cohort("emidec"), tmp_path)
    assert (normal.pathology, infarct.pathology) == ("normal", "minf")
    assert set(np.unique(normal.labels)) == {LV, MYO, UNLABELLED}
    assert set(np.unique(infarct.labels)) == {LV, MYO, *SCAR.values(), UNLABELLED}
    for e in (normal, infarct):
        assert e.contrast == "lge" and e.may_hide[:, RV].all() and not e.may_hide[:, MYO].any()


@pytest.mark.parametrize("axis", [1, 2])
def test_a_patient_of_emidec_whose_slices_were_stretched_has_narrower_pixels(
    axis, tmp_path, layouts
):
    layouts["emidec, archive"](tmp_path)
    path = tmp_path / "emidec_slices.npz"
    arrays = dict(np.load(path))
    own = arrays["patient"] == "P012"
    side = arrays["label"].shape[axis]
    centre = int(np.nonzero(np.isin(arrays["label"][own], (1, 2)))[axis].mean())
    middle = np.clip(np.arange(side) // 2 + centre - side // 4, 0, side - 1)
    for key in ("image", "label"):
        arrays[key][own] = arrays[key][own].take(middle, axis=axis)
    np.savez_compressed(path, **arrays)
    normal, stretched = found_in(load_cohort("emidec"), tmp_path)
    assert normal.spacing == (10, 1.46, 1.46)
    # rows of the archive are columns here
    wanted = (10, 1.46, 0.73) if axis == 1 else (10, 0.73, 1.46)
    assert stretched.spacing == pytest.approx(wanted, rel=0.1)


def test_ventricles_of_stretched_patients_are_as_wide_as_those_of_others(data_root):
    """By the pixels that are taken for them: had the other side been stretched, 119 mm."""
    across = {True: [], False: []}
    for one in read_cohort("emidec", data_root / "emidec", []):
        _, y, x = one.spacing
        pixels = max(int(is_heart(labels).sum()) for labels in one.labels)
        across[min(y, x) < 0.7 * max(y, x)].append(2 * np.sqrt(pixels * y * x / np.pi))
    stretched, others = np.median(across[True]), np.median(across[False])
    assert min(len(own) for own in across.values()) > 20
    assert stretched == pytest.approx(68, abs=1.5) and others == pytest.approx(71, abs=1.5)


def test_emidec_cases_of_the_test_set_have_no_contours(tmp_path, layouts):
    layouts["emidec"](tmp_path)
    (tmp_path / "Case_P012").rename(tmp_path / "Case_129")
    (tmp_path / "Case_129/Images/Case_P012.nii.gz").rename(
        tmp_path / "Case_129/Images/Case_129.nii.gz"
    )
    (tmp_path / "Cases").mkdir()
    lost = []
    test, normal = read_cohort("emidec", tmp_path, lost)
    assert test.patient == "129" and test.pathology is None
    assert (test.labels == UNLABELLED).all() and test.may_hide[:, [LV, MYO, RV]].all()
    assert [x.what for x in lost] == ["Cases"]


def test_late_enhancement_is_prepared_and_never_completed(tmp_path, layouts):
    layouts["emidec"](tmp_path / "emidec")

    def complete(*_):
        raise AssertionError("the segmenter knows cine alone")

    list(prepare([("emidec", tmp_path / "emidec")], tmp_path / "set", complete=complete))
    opened = open_slice_set(tmp_path / "set")
    assert len(opened) == 8 and not len(opened.where())
    assert set(np.unique(opened.labels)) == {LV, MYO, *SCAR.values(), UNLABELLED}
    assert len(opened.where(contrast="lge")) == 8


def test_mnms_joins_its_table(tmp_path, layouts):
    layouts["mnms"](tmp_path)
    lost = []
    found = {(e.patient, e.phase): e for e in read_cohort("mnms", tmp_path, lost)}
    assert {(p, e.vendor, e.pathology) for (p, _), e in found.items()} == {
        ("A0S9V9", "siemens", "hcm"),
        ("B1X2Y3", "ge", "normal"),
        ("C4D5E6", "philips", None),
    }
    assert not lost
    assert len(list(found_in(load_cohort("mnms"), tmp_path / "Training" / "Labeled"))) == 4
    (said,) = load_cohort("mnms").remarks(tmp_path / "Training" / "Labeled")
    assert said == "1 of 3 patients of the table are not here."


def test_mnms_leaves_out_whom_its_table_does_not_know(tmp_path, layouts):
    layouts["mnms"](tmp_path)
    table = next(tmp_path.glob("*.csv"))
    rows = table.read_text().splitlines()
    rows[1] = rows[1].replace("2.0,0", "9,0")  # a frame that is not there
    rows[2] = rows[2].replace("2.0,0", ",0")
    table.write_text("\n".join(rows[:-1]).replace(",", ";"))  # and nobody called C4D5E6
    lost = []
    with pytest.raises(InputError, match="no examination"):
        list(read_cohort("mnms", tmp_path, lost))
    assert [x.reason for x in lost] == [
        "has no frame 9, it holds 3 (counted from 0).",
        "the table states no frames of ED and ES.",
        "its patient has no row in the table.",
    ]
    table.unlink()
    with pytest.raises(InputError, match="a .csv file with a column 'External code'"):
        list(read_cohort("mnms", tmp_path, []))


def test_mnms2_turns_reversed_affines_and_says_so(tmp_path, layouts):
    layouts["mnms2"](tmp_path)
    found = list(found_in(load_cohort("mnms2"), tmp_path))
    assert [(e.patient, e.vendor, e.pathology) for e in found[::2]] == [
        ("001", "philips", "tof"),
        ("002", "ge", "asd"),
    ]
    assert [len(e.notes) for e in found] == [0, 0, 1, 1]
    assert "turned by 180 degrees" in found[2].notes[0]
    assert load_cohort("mnms2").remarks(tmp_path) == ["2 long-axis views are not read."]


def test_contrasts_are_told_apart(tmp_path, layouts):
    layouts["mscmrseg"](tmp_path / "ms")
    cine, late = found_in(load_cohort("mscmrseg"), tmp_path / "ms")
    assert (cine.contrast, late.contrast) == ("cine", "lge")
    layouts["myops"](tmp_path / "myops")
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 2)), np.eye(4)), tmp_path / "myops" / "x.nii.gz")
    lost = []
    found = list(read_cohort("myops", tmp_path / "myops", lost))
    assert [(e.patient, e.contrast) for e in found] == [
        ("201", "cine"),
        ("101", "cine"),
        ("101", "lge"),
    ]
    assert INFARCT in found[2].labels and INFARCT not in found[1].labels
    assert [x.what for x in lost] == ["x.nii.gz"]


def test_bids_joins_its_tables_and_names_what_is_left_out(tmp_path, layouts):
    layouts["bids"](tmp_path)
    lost = []
    found = list(read_cohort("bids", tmp_path, lost))
    assert {(e.patient, e.vendor, e.pathology) for e in found} == {
        ("sub-01", "philips", "hcm"),
        ("sub-02", None, None),
    }
    assert {x.reason for x in lost} == {"no short-axis view by its name (4ch)."} and len(lost) == 2
    assert not load_cohort("bids").remarks(tmp_path)
    (tmp_path / "derivatives" / "hearts" / "dseg.tsv").unlink()
    for guessed, stated in zip(read_cohort("bids", tmp_path, []), found, strict=True):
        np.testing.assert_array_equal(guessed.labels, stated.labels)
    assert "numbers were told from the masks" in load_cohort("bids").remarks(tmp_path)[0]


def test_nnunet_tells_structures_by_name(tmp_path, layouts):
    layouts["nnunet"](tmp_path)
    assert load_cohort("nnunet").remarks(tmp_path) == ["labels left atrium count as background."]
    about = tmp_path / "dataset.json"
    first = next(iter(found_in(load_cohort("nnunet"), tmp_path)))
    about.write_text(
        '{"labels": {"0": "background", "1": "RV", "2": "myocardium", "3": "LA", "4": "LV"}}'
    )
    again = next(iter(found_in(load_cohort("nnunet"), tmp_path)))
    np.testing.assert_array_equal(first.labels, again.labels)
    for text, message in (
        ('{"labels": {"background": 0, "liver": 1}}', "none of its labels is a structure"),
        ('{"labels": 3}', "does not name labels"),
        ("[", "does not name labels"),
    ):
        about.write_text(text)
        with pytest.raises(InputError, match=message):
            next(iter(found_in(load_cohort("nnunet"), tmp_path)))


def test_kaggle_takes_the_first_frame_and_leaves_out_what_is_no_cine(tmp_path, layouts):
    layouts["kaggle"](tmp_path)
    (tmp_path / "3" / "study").mkdir(parents=True)
    lost = []
    found = list(read_cohort("kaggle", tmp_path, lost))
    assert [e.patient for e in found] == ["1", "12"] and {e.vendor for e in found} == {"ge"}
    first = pydicom.dcmread(tmp_path / "1/study/sax_6/IM-0001-0001.dcm").pixel_array
    assert any((plane == first).all() for plane in found[0].image)
    assert [x.what for x in lost] == ["3"] and "no DICOM image" in lost[0].reason


def test_mmwhs_leaves_out_what_is_no_heart_in_mr(tmp_path, layouts):
    layouts["mmwhs"](tmp_path)
    image, label = sorted((tmp_path / "mr_train").iterdir())
    shutil.copy(image, tmp_path / "ct_train_1001_image.nii.gz")
    shutil.copy(image, tmp_path / "mr_train_1002_image.nii.gz")
    old = nib.load(label)
    without = np.where(np.asarray(old.dataobj) == 600, 0, np.asarray(old.dataobj))
    nib.save(nib.Nifti1Image(without, old.affine), tmp_path / "mr_train_1003_label.nii.gz")
    shutil.copy(image, tmp_path / "mr_train_1003_image.nii.gz")
    lost = []
    (found,) = read_cohort("mmwhs", tmp_path, lost)
    assert found.contrast == "whole-heart" and found.labelled[[1, -2]].all()
    assert plane_of(found.affine) == "short axis"
    assert sorted(x.what for x in lost) == [
        "ct_train_1001_image.nii.gz",
        "mr_train_1002_image.nii.gz",
        "mr_train_1003_label.nii.gz",
    ]
    assert any("lacks the LV, its wall or the RV" in x.reason for x in lost)


def test_autofd_counts_slices_beside_their_mask(tmp_path, layouts):
    layouts["autofd"](tmp_path)
    assert load_cohort("autofd").remarks(tmp_path) == [
        "2 of 8 slices lie beside their mask and are unlabelled."
    ]
    for e in found_in(load_cohort("autofd"), tmp_path):
        assert e.may_hide[3, [LV, MYO, RV]].all() and not e.may_hide[:3].any()


def test_sunnybrook_hides_what_was_not_drawn(tmp_path, layouts):
    layouts["sunnybrook"](tmp_path)
    for e in found_in(load_cohort("sunnybrook"), tmp_path):
        assert e.may_hide[:, RV].all() and not e.may_hide[:, LV].any()
        assert (e.may_hide[:, MYO] == (e.phase == "ES")).all()
        np.testing.assert_allclose(e.z, [0, 1 / 3, 2 / 3, 1], atol=1e-6)


def test_sunnybrook_as_distributed_names_contours_without_images(tmp_path, layouts):
    layouts[DISTRIBUTED](tmp_path)
    contours = tmp_path / "SCD_ManualContours"
    shutil.copytree(contours / "SC-HF-I-05", contours / "SC-N-03")
    lost = []
    ed, es = read_cohort("sunnybrook", tmp_path, lost)
    assert ed.pathology == "minf" and ed.vendor == "ge"
    assert not ed.may_hide[1:, [LV, MYO]].any() and ed.may_hide[0, [LV, MYO, RV]].all()
    assert es.may_hide[:, MYO].all()
    assert [x.reason for x in lost] == ["no folder of images is called SC-N-03."]


def test_sunnybrook_prefers_the_larger_archive(tmp_path, layouts):
    layouts[EARLIER](tmp_path)
    layouts["sunnybrook"](tmp_path)
    first = next(iter(found_in(load_cohort("sunnybrook"), tmp_path)))
    assert (first.labels == MYO).any()


def test_sunnybrook_names_whom_it_leaves_out(tmp_path, layouts):
    layouts["sunnybrook"](tmp_path)
    arrays = dict(np.load(tmp_path / "sunnybrook_slices.npz"))
    arrays["patient"] = np.where(arrays["patient"] == "SC-N-11", "SC-N-06", arrays["patient"])
    np.savez(tmp_path / "sunnybrook_slices.npz", **arrays)
    adapter = load_cohort("sunnybrook")
    assert {e.patient for e in found_in(adapter, tmp_path)} == {"SC-HF-I-05"}
    assert adapter.remarks(tmp_path)[1:] == ["SC-N-06: contours lie beside the heart; left out."]


def archive(**change):
    """Damage to the larger Sunnybrook archive: arrays changed or, with None, left out."""

    def damage(root):
        path = root / "sunnybrook_slices.npz"
        arrays = {**np.load(path)}
        for key, made in change.items():
            if made is None:
                del arrays[key]
            else:
                arrays[key] = made(arrays[key])
        np.savez(path, **arrays)

    return damage


def nifti(file, change, affine=None):
    """Damage to a NIfTI file: its voxels (x, y, z), or where they lie."""

    def damage(root):
        old = nib.load(root / file)
        place = old.affine if affine is None else affine(old.affine)
        nib.save(nib.Nifti1Image(change(np.asarray(old.dataobj).copy()), place), root / file)

    return damage


def moved(by):
    def move(affine):
        return affine @ nib.affines.from_matvec(np.eye(3), by)

    return move


def labelled_3(array):
    array[:4] = 3
    return array


SEG, IMAGE = "A/seg_sa_ED.nii.gz", "A/sa_ED.nii.gz"


@pytest.mark.parametrize(
    ("layout", "damage", "message"),
    [
        ("acdc", lambda r: (r / "patient001/patient001_frame01_gt.nii.gz").unlink(), "frame01_gt"),
        (
            "acdc",
            nifti("patient001/patient001_frame01_gt.nii.gz", lambda a: a[:, :, 1:]),
            r"frame01_gt.nii.gz: the mask is 3 x 96 x 96 .* and .* is 4 x 96 x 96",
        ),
        ("autofd", lambda root: (root / SEG).unlink(), "seg_sa_ED"),
        ("autofd", nifti(SEG, labelled_3), "found label 3, AutoFD has 0, 1, 2 and 4"),
        ("autofd", nifti(SEG, lambda a: a[1:]), "not those of the image .96 x 95"),
        ("autofd", nifti(SEG, lambda a: a, moved((1, 0, 0))), "up to 1.0 pixels away"),
        ("autofd", nifti(SEG, lambda a: a, lambda m: m * [1.02, 1, 1, 1]), "pixels away"),
        ("autofd", nifti(IMAGE, lambda a: np.stack([a, a], -1)), "sa_ED.*holds 2 frames"),
        ("sunnybrook", archive(epi=None), "no array 'epi'"),
        ("sunnybrook", archive(endo=lambda a: a[1:]), "'endo' is of shape .* and not"),
        ("sunnybrook", archive(has_epi=lambda a: a[0]), "'has_epi' is a single value"),
        ("sunnybrook", archive(image=lambda a: a[0]), "'image' is no stack of slices"),
        ("sunnybrook", archive(image=lambda a: a.astype(str)), "'image' is no stack of slices"),
        (
            "sunnybrook",
            archive(name=lambda a: np.char.replace(a, "-", "_")),
            "does not end in a number",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_damaged_file_is_one_line(layout, damage, message, tmp_path, layouts):
    layouts[layout](tmp_path)
    damage(tmp_path)
    lost = []
    try:
        list(read_cohort(layout, tmp_path, lost))
        (line,) = told(lost)
    except InputError as error:
        line = str(error)
    assert re.search(message, line) and "\n" not in line
