"""Looking over a cohort: planted faults are found, and a clean cohort gives no warning."""

from __future__ import annotations

import json
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from cmr_synth.cohorts.alike import closest_pairs
from cmr_synth.cohorts.check import CODES, check
from cmr_synth.cohorts.reading import read_cohort
from cmr_synth.reports.cohort import PatientSheets, cohort_content
from cmr_synth.reports.output import write_report


def rewrite(path, change):
    """Change the voxels, (x, y, z), of a file."""
    file = nib.load(path)
    nib.save(nib.Nifti1Image(change(np.asarray(file.dataobj)), file.affine), path)


def of(checked, code):
    """The findings of one code."""
    return [f for f in checked.findings if f.code == code]


def test_a_clean_cohort_has_no_warning(folder):
    said: list[str] = []
    findings = check("folder", folder, progress=said.append)
    assert {f.severity for f in findings.findings} == {"info"}
    assert {f.code for f in findings.findings} <= set(CODES)
    assert "4 patients, 8 examinations, 32 labelled slices." in of(findings, "read")[0].message
    assert "LV in 8, MYO in 8, RV in 8" in of(findings, "labels")[0].message
    assert "read as acdc" in of(findings, "assumed")[0].message
    assert len(said) == 8 and said[0] == "folder p0 ED"


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v,
        lambda v: (v * 0.4 + 30).astype(np.int16),  # stretched to another range
        lambda v: v[..., ::-1],  # slices in the other order
    ],
    ids=["copied", "stretched", "turned over"],
)
def test_one_examination_under_two_patients_is_found(change, folder):
    for kind in ("images", "labels"):
        data = (folder / kind / "p1_ED.nii.gz").read_bytes()
        (folder / kind / "p3_ED.nii.gz").write_bytes(data)
    rewrite(folder / "images" / "p3_ED.nii.gz", change)
    (repeated,) = of(check("folder", folder), "repeated")
    assert repeated.severity == "warning" and repeated.patient == "p1"
    assert "p1 and p3: the same pictures" in repeated.message


def test_names_that_differ_by_visit_alone_are_found(folder):
    for kind in ("images", "labels"):
        for phase, visit in (("ED", 1), ("ES", 2)):
            path = folder / kind / f"p3_{phase}.nii.gz"
            path.rename(folder / kind / f"p3-visit{visit}_ED.nii.gz")
    (found,) = of(check("folder", folder), "named-alike")
    assert found.severity == "warning" and found.message.startswith("p3-visit1, p3-visit2: the")


def test_a_crop_is_still_the_same_examination(folder):
    for kind in ("images", "labels"):
        file = nib.load(folder / kind / "p1_ED.nii.gz")
        nib.save(file.slicer[4:92, 2:90], folder / kind / "p3_ED.nii.gz")
    assert len(of(check("folder", folder), "repeated")) == 1


def test_two_phases_of_one_patient_are_no_repeat(folder):
    for kind in ("images", "labels"):
        data = (folder / kind / "p1_ED.nii.gz").read_bytes()
        (folder / kind / "p1_ES.nii.gz").write_bytes(data)
    assert not of(check("folder", folder), "repeated")


def test_a_missing_phase_is_found(folder):
    for kind in ("images", "labels"):
        (folder / kind / "p2_ES.nii.gz").unlink()
    (missing,) = of(check("folder", folder), "frames")
    assert missing.message == "p2: has ED but no ES." and missing.patient == "p2"


def test_exchanged_phases_are_found(folder):
    for kind in ("images", "labels"):
        ed, es = (folder / kind / f"p2_{phase}.nii.gz" for phase in ("ED", "ES"))
        other = es.read_bytes()
        es.write_bytes(ed.read_bytes())
        ed.write_bytes(other)
    (swapped,) = of(check("folder", folder), "phases-swapped")
    assert swapped.patient == "p2"


def test_an_image_without_contrast_is_found(folder):
    rewrite(folder / "images" / "p0_ED.nii.gz", lambda v: np.full_like(v, 7))
    findings = check("folder", folder)
    (flat,) = of(findings, "flat")
    assert flat.severity == "error" and flat.message == "p0 ED: every pixel has the same value."


def test_an_empty_mask_is_found(folder):
    rewrite(folder / "labels" / "p3_ES.nii.gz", np.zeros_like)
    (unlabelled,) = of(check("folder", folder), "unlabelled")
    assert unlabelled.message.startswith("p3 ES: nothing is labelled")


def test_unusual_slices_are_counted_by_patient(folder):
    def swap(v):
        return np.choose(v, [0, 3, 2, 1]).astype(np.uint8)  # LV and RV of one mask exchanged

    (folder / "cohort.yaml").write_text("labels: acdc\n")
    rewrite(folder / "labels" / "p2_ED.nii.gz", swap)
    (unusual,) = of(check("folder", folder), "plausibility")
    assert unusual.patient == "p2" and unusual.severity == "warning"
    # the RV is on the left again: slices are turned so that it is
    assert "the myocardium does not close around the LV (4)" in unusual.message


def test_a_structure_that_nobody_drew_is_pointed_out(folder):
    for path in sorted((folder / "labels").iterdir()):
        rewrite(path, lambda v: np.where(v == 1, 0, v).astype(np.uint8))  # no RV
    about = of(check("folder", folder), "labels")
    assert about[1].severity == "warning" and about[1].message.startswith("No mask has RV")
    (folder / "cohort.yaml").write_text("drawn: [LV, MYO]\n")
    assert len(of(check("folder", folder), "labels")) == 1


def test_unusual_spacing_is_pointed_out(folder):
    for kind in ("images", "labels"):
        path = folder / kind / "p0_ED.nii.gz"
        file = nib.load(path)
        affine = file.affine * np.array([4, 4, 1, 1])
        nib.save(nib.Nifti1Image(np.asarray(file.dataobj), affine), path)
    (odd,) = [f for f in of(check("folder", folder), "spacing") if f.patient]
    assert odd.patient == "p0" and odd.message.startswith("p0 ED: voxels of 8 x 5.99 x 6 mm")


def test_an_unreadable_file_is_left_out(folder):
    (folder / "images" / "p2_ED.nii.gz").write_bytes(b"no image")
    (lost,) = of(check("folder", folder), "left-out")
    assert lost.severity == "warning"
    assert lost.message.startswith("1 left out, images/p2_ED.nii.gz: ")


def test_the_examination_that_acdc_has_twice_is_found(data_root, tmp_path):
    """Patients 074 and 076 of the training set are one examination; 075 is another."""
    for patient in ("patient074", "patient075", "patient076"):
        (tmp_path / patient).symlink_to(data_root / "acdc" / "training" / patient)
    (repeated,) = of(check("acdc", tmp_path), "repeated")
    assert "patient074 and patient076" in repeated.message


def test_every_examination_has_a_row(folder):
    (folder / "cohort.csv").write_text("patient,vendor,pathology\np0,GE,hcm\n")
    checked = check("folder", folder)
    assert len(checked.examinations) == 8 and not checked.left_out
    first = checked.examinations[0]
    assert (first.patient, first.phase, first.vendor, first.pathology) == ("p0", "ED", "ge", "hcm")
    assert first.size == (4, 96, 96) and first.spacing == pytest.approx((8, 1.5, 1.5), rel=0.01)
    assert first.labelled == 4 and first.structures == ("LV", "MYO", "RV")
    assert first.plane == "short axis" and first.orientation == "From the affine."
    pixels = np.asarray(nib.load(folder / "images" / "p0_ED.nii.gz").dataobj)
    assert first.grey_values[0] == pixels.min()
    assert first.grey_values[1] == pytest.approx(np.median(pixels), rel=0.05)
    (conditions,) = of(checked, "conditions")
    assert conditions.message.startswith("Vendors: not stated 6, ge 2. Phases: ED 4, ES 4. Path")
    (planes,) = of(checked, "planes")
    assert planes.message.startswith("Planes: short axis 8.")


def test_repairs_are_told_once(tmp_path, layouts):
    layouts["mnms2"](tmp_path)
    (repaired,) = of(check("mnms2", tmp_path), "repaired")
    assert repaired.message.startswith("2 files, such as 002_SA_ED.nii.gz: The heart lies on")


def test_likeness_is_that_of_the_shorter_stack():
    rng = np.random.default_rng(0)
    stacks = [rng.normal(size=(n, 50)).astype(np.float32) for n in (3, 5, 0, 4)]
    stacks = [s / np.linalg.norm(s, axis=1, keepdims=True) for s in stacks]
    stacks[3][:3] = stacks[0][::-1]  # all of the first is in the last
    found = closest_pairs(["a", "b", "c", "d"], stacks)
    assert set(found) == {("a", "b"), ("a", "d"), ("b", "d")}
    assert found["a", "d"] == pytest.approx(1)
    assert found["a", "b"] == pytest.approx(float(np.median((stacks[0] @ stacks[1].T).max(axis=1))))
    assert closest_pairs(["a", "a"], [stacks[0], stacks[0]]) == {}


def test_a_page_all_numbers_and_a_sheet_of_every_patient(folder, tmp_path):
    sheets = PatientSheets(tmp_path / "sheets")
    checked = {"folder": check("folder", folder, show=sheets.add)}
    sheets.close()
    assert sorted(p.name for p in (tmp_path / "sheets").iterdir()) == [
        f"p{k}.png" for k in range(4)
    ]
    with Image.open(tmp_path / "sheets" / "p2.png") as sheet:
        assert sheet.size[0] > 8 * 120 and sheet.size[1] > 2 * 120
    content = cohort_content(checked)
    files = write_report(tmp_path / "out", content, name="cohort")
    written = json.loads((tmp_path / "out" / files["figures"]).read_text())
    assert len(written["examinations"]["folder"]) == 8
    page = (tmp_path / "out" / files["page"]).read_text()
    assert "images/p3_ES.nii.gz" in page and "4 patients, 8 examinations" in page


def test_a_patient_who_comes_back_has_a_second_sheet(folder, tmp_path):
    sheets = PatientSheets(tmp_path / "sheets")
    one, two, three = list(read_cohort("folder", folder, []))[:6:2]
    for examination in (one, two, replace(one, patient="../p 0"), one):
        sheets.add(examination)
    sheets.close()
    names = sorted(p.name for p in (tmp_path / "sheets").iterdir())
    assert names == ["_p_0.png", "p0-2.png", "p0.png", "p1.png"]
