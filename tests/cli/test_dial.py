"""`cmr-synth dial`: masks in, masks with a disease out, each with its record."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from pydicom import dcmread

from cmr_synth.anatomy.dials import PRESETS
from cmr_synth.anatomy.labels import INFARCT, RV
from cmr_synth.anatomy.template import draw_stack
from cmr_synth.cli.dial import dial
from cmr_synth.imaging.masks import read_mask


@pytest.fixture
def stack(write_mask) -> Path:
    return write_mask(draw_stack(seed=1, slices=6, shape=(96, 96)), "p1/p1_ED_gt.nii.gz")


def test_a_mask_gets_its_disease_and_its_record(run, stack, tmp_path):
    out = tmp_path / "out"
    done = run("dial", stack, "--hypertrophy", "0.5@septal", "--dilation", "-0.2", "--out", out)
    assert done.code == 0 and "wall thickness septal" in done.out
    record = json.loads((out / "p1_ED_gt_dialled_mask.json").read_text())
    assert record["dials"] == {"dilation": -0.2, "hypertrophy": ["0.5@septal"]}
    made = read_mask(out / record["file"]).scan  # told by topology again
    before = read_mask(stack).scan
    assert made.shape == before.shape and np.allclose(made.affine, before.affine)
    volume = next(e for e in record["effects"]["0"] if e["name"] == "LV volume")
    assert volume["measured"] == pytest.approx(0.8 * volume["before"], rel=0.03)


def test_scar_is_written_where_the_numbers_have_a_place_for_it(run, stack, tmp_path):
    infarct = ("--disease", "infarct-anterior", "--json", "--out", tmp_path / "out")
    done = run("dial", stack, *infarct)
    (record,) = json.loads(done.out)["records"]
    assert "scar is written as myocardium" in done.line
    assert set(np.unique(nib.load(tmp_path / "out" / record["file"]).dataobj)) == {0, 1, 2, 3}
    done = run("dial", stack, *infarct, "--write-labels", "emidec")
    (record,) = json.loads(done.out)["records"]
    assert "the RV is left out" in done.line and record["labels"] == "emidec"
    scar = read_mask(tmp_path / "out" / record["file"], convention="emidec").scan.array
    assert (scar == INFARCT).sum() > 50 and not (scar == RV).any()


def test_a_scan_is_altered_with_its_mask_and_says_so(run, stack, tmp_path):
    mask = nib.load(stack)
    pixels = np.random.default_rng(0).random(mask.shape).astype(np.float32)
    nib.save(nib.Nifti1Image(pixels, mask.affine), tmp_path / "scan.nii.gz")
    out = tmp_path / "out"
    scan = tmp_path / "scan.nii.gz"
    done = run("dial", stack, "--image", scan, "--dilation", "0.3", "--out", out)
    assert done.code == 0
    written = nib.load(out / "scan_altered.nii.gz")
    assert written.header["descrip"].item().startswith(b"ALTERED image of a real patient")
    assert not np.array_equal(written.get_fdata(), pixels)
    record = json.loads((out / "scan_altered.json").read_text())
    assert record["altered"] is True and record["synthetic"] is False
    assert len(record["image"]["sha256"]) == 64


def test_dicom_says_altered_too(run, stack, tmp_path):
    mask = nib.load(stack)
    pixels = (1000 * np.random.default_rng(0).random(mask.shape)).astype(np.float32)
    nib.save(nib.Nifti1Image(pixels, mask.affine), tmp_path / "scan.nii.gz")
    options = ("--image", tmp_path / "scan.nii.gz", "--dilation", "0.3", "--dicom")
    done = run("dial", stack, *options, "--out", tmp_path / "out")
    assert done.code == 0
    folder = tmp_path / "out" / "scan_altered"
    images = [dcmread(path) for path in sorted(folder.glob("IM_*.dcm"))]
    assert len(images) == 6
    for data in [*images, dcmread(folder / "SEG_0001.dcm")]:
        assert data.SyntheticData == "YES"  # a part of it is artificial
        assert str(data.PatientName) == "ALTERED^HEART" and data.PatientID.startswith("ALTERED-")
        assert data.SeriesDescription.startswith("ALTERED ")
        assert "real patient was changed" in data.PatientComments
        assert "SYNTHETIC" not in str(data)
    assert "dilation=0.3" in str(images[0].ContributingEquipmentSequence[0])
    assert "Image of a real patient" in images[0].DerivationDescription
    record = json.loads((tmp_path / "out" / "scan_altered.json").read_text())
    assert len(record["formats"]["dicom"]) == 7


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--dilation", "9"], "dilation 9 is out of range; give -0.9 to 1.5"),
        (["--hypertrophy", "0.5@top"], "region 'top' is unknown"),
        (["--disease", "flu"], "disease 'flu' is unknown; known are dcm, "),
        (["--disease", "dcm", "--severity", "-2"], "severity -2 is out of range"),
        (["--apical-displacement", "0.3"], "out of the stack"),
    ],
)
def test_bad_dials_are_said_in_one_line_and_leave_nothing(run, stack, tmp_path, options, told):
    done = run("dial", stack, *options, "--out", tmp_path / "out")
    assert done.code == 1 and told in done.line
    assert not (tmp_path / "out").exists()


def test_as_many_scans_as_masks(run, stack, tmp_path):
    done = run("dial", stack, stack, "--image", stack, "--dilation", "0.1", "--out", tmp_path)
    assert done.code == 2 and "as many --image as masks" in done.err


def test_the_help_names_every_disease():
    option = dial.__annotations__["disease"]
    assert all(name in str(option) for name in PRESETS)
