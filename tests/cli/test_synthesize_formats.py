"""`synthesize --format`: the same pictures as NIfTI and DICOM, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest

from cmr_synth.cli.synthesize import Format
from cmr_synth.errors import InputError
from cmr_synth.files import sha256, staged
from cmr_synth.imaging.dicom import read_dicom
from cmr_synth.imaging.dicom_out.series import as_stored
from cmr_synth.imaging.masks import read_mask
from cmr_synth.imaging.nifti import read_image
from cmr_synth.synthesis.formats import FORMATS, check_formats

STEM = "heart_any_seed0_000"


def test_the_command_line_offers_every_format() -> None:
    assert [one.value for one in Format] == list(FORMATS)


def test_nifti_and_dicom_hold_the_same_picture(run, mask, tiny_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ended = run("synthesize", mask, "--model", tiny_model, "--out", out, "--n", 2,
                "--format", "dicom", "--format", "nifti")  # fmt: skip
    assert ended.code == 0, ended.err
    record = json.loads((out / f"{STEM}.json").read_text())
    assert record["file"] == f"{STEM}.nii.gz"
    files = record["formats"]["dicom"]
    assert files == {
        path.relative_to(out).as_posix(): sha256(path) for path in sorted((out / STEM).iterdir())
    }
    assert {Path(name).name for name in files} == {"IM_0001.dcm", "SEG_0001.dcm"}
    image = pydicom.dcmread(out / STEM / "IM_0001.dcm")
    nifti = read_image(out / f"{STEM}.nii.gz")
    assert np.array_equal(image.pixel_array, as_stored(nifti.array)[0])
    equipment = image.ContributingEquipmentSequence[0]
    assert record["model"]["sha256"] in equipment.ContributionDescription
    assert "seed=0 variant=0" in equipment.ContributionDescription
    other = pydicom.dcmread(out / STEM.replace("000", "001") / "IM_0001.dcm")
    assert other.StudyInstanceUID == image.StudyInstanceUID
    assert other.SeriesInstanceUID != image.SeriesInstanceUID
    assert b"heart_" not in (out / STEM / "IM_0001.dcm").read_bytes()  # the name of the mask


def test_dicom_alone(run, mask, tiny_model: Path, tmp_path: Path) -> None:
    ended = run("synthesize", mask, "--model", tiny_model, "--out", tmp_path / "o",
                "--format", "dicom-enhanced")  # fmt: skip
    assert ended.code == 0, ended.err
    assert sorted(p.name for p in (tmp_path / "o").iterdir()) == [STEM, f"{STEM}.json"]
    assert f"{STEM}/IM_0001.dcm" in ended.out
    affine = nib.load(mask).affine
    data = pydicom.dcmread(tmp_path / "o" / STEM / "IM_0001.dcm")
    place = data.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0]
    assert np.allclose(np.array(place.ImagePositionPatient), affine[:3, 3] * (-1, -1, 1))


def test_contours_lie_on_the_images_and_make_the_same_mask(
    run, mask, tiny_model: Path, tmp_path: Path
) -> None:
    ended = run("synthesize", mask, "--model", tiny_model, "--out", tmp_path / "o", "--n", 2,
                "--format", "dicom", "--format", "cvi42")  # fmt: skip
    assert ended.code == 0, ended.err
    workspace = tmp_path / "o" / STEM / "contours.cvi42wsx"
    record = json.loads((tmp_path / "o" / f"{STEM}.json").read_text())
    assert record["formats"]["cvi42"] == {f"{STEM}/contours.cvi42wsx": sha256(workspace)}
    again = run("contours", "to-mask", workspace, "--out", tmp_path / "m.nii.gz")
    assert again.code == 0, again.err
    given, back = read_mask(mask).scan.array, read_mask(tmp_path / "m.nii.gz").scan.array
    assert np.array_equal(given, back)
    ended = run("synthesize", workspace, "--model", tiny_model, "--out", tmp_path / "p")
    assert ended.code == 0 and "drawn as contours" in ended.err
    ended = run("contours", "from-mask", tmp_path / "m.nii.gz", "--images", workspace.parent,
                "--out", tmp_path / "c.cvi42wsx")  # fmt: skip
    assert ended.code == 0, ended.err
    assert (tmp_path / "c.cvi42wsx").read_text() == workspace.read_text()


def test_resume_looks_at_every_file(run, mask, tiny_model: Path, tmp_path: Path) -> None:
    def made(*more: str) -> bool:
        ended = run("synthesize", mask, "--model", tiny_model, "--out", tmp_path / "o",
                    "--resume", *more)  # fmt: skip
        assert ended.code == 0, ended.err
        return "skipped" not in ended.err

    both = ("--format", "nifti", "--format", "dicom")
    assert made() and not made()
    assert made(*both) and not made(*both) and not made()
    (tmp_path / "o" / STEM / "SEG_0001.dcm").write_bytes(b"")
    assert made(*both) and not made(*both)
    series = {pydicom.dcmread(p).StudyInstanceUID for p in (tmp_path / "o" / STEM).iterdir()}
    assert len(series) == 1  # of one run, not of two


def test_no_mask_no_segmentation(run, tiny_model: Path, tmp_path: Path) -> None:
    ended = run("synthesize", "--unconditional", "--model", tiny_model, "--out", tmp_path / "o",
                "--format", "dicom")  # fmt: skip
    assert ended.code == 0, ended.err
    (folder,) = (p for p in (tmp_path / "o").iterdir() if p.is_dir())
    assert [p.name for p in folder.iterdir()] == ["IM_0001.dcm"]
    assert len(read_dicom(folder)) == 1


def test_a_folder_with_other_files_is_not_replaced(run, mask, tiny_model, tmp_path: Path) -> None:
    mine = tmp_path / "o" / STEM / "notes.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    ended = run("synthesize", mask, "--model", tiny_model, "--out", tmp_path / "o",
                "--format", "dicom")  # fmt: skip
    assert ended.code == 1 and "holds notes.txt" in ended.err and ended.err.count("\n") <= 2
    assert mine.read_text() == "mine" and [p.name for p in (tmp_path / "o").iterdir()] == [STEM]


def test_a_series_replaces_the_older_one_as_a_whole(tmp_path: Path) -> None:
    for names in (("a.dcm", "b.dcm"), ("c.dcm",)):
        with staged(tmp_path, whole=(".dcm",)) as folder:
            (folder / "s").mkdir()
            for name in names:
                (folder / "s" / name).write_text(name)
    assert [p.name for p in tmp_path.iterdir()] == ["s"]
    assert [p.name for p in (tmp_path / "s").iterdir()] == ["c.dcm"]


@pytest.mark.parametrize(
    ("formats", "message"),
    [
        (["png"], "format 'png': known are nifti, dicom"),
        ([], "format 'none'"),
        (["dicom", "dicom-enhanced"], "choose one"),
        (["nifti", "cvi42"], "ask for both"),
    ],
)
def test_formats_are_checked(formats, message) -> None:
    with pytest.raises(InputError, match=message):
        check_formats(formats)
    assert check_formats(["dicom", "nifti", "dicom"]) == ("nifti", "dicom")
