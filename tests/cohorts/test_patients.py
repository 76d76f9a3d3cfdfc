"""Patients of a folder: every layout that people keep, with and without masks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cmr_synth.cohorts.patients import Patient, patients_in, patients_of_cohort
from cmr_synth.cohorts.reading import read_cohort
from cmr_synth.errors import InputError


def files(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\0" * 128 + b"DICM" if path.suffix == ".dcm" else b"")
    return root


def names_of(found: list[Patient]) -> dict[str, tuple[list[str], list[str]]]:
    return {
        p.name: ([path.name for path in p.scans], [path.name for path in p.masks]) for p in found
    }


def test_a_folder_for_each_patient_as_acdc(tmp_path: Path) -> None:
    root = files(
        tmp_path,
        "patient002/patient002_frame01.nii.gz",
        "patient001/patient001_frame01.nii.gz",
        "patient001/patient001_frame01_gt.nii.gz",
        "patient001/Info.cfg",
    )
    assert names_of(patients_in(root)) == {
        "patient001": (["patient001_frame01.nii.gz"], ["patient001_frame01_gt.nii.gz"]),
        "patient002": (["patient002_frame01.nii.gz"], []),
    }


def test_files_side_by_side_and_in_two_folders(tmp_path: Path) -> None:
    beside = files(tmp_path / "a", "p1.nii.gz", "p1_seg.nii.gz", "p2.nii")
    assert names_of(patients_in(beside)) == {
        "p1": (["p1.nii.gz"], ["p1_seg.nii.gz"]),
        "p2": (["p2.nii"], []),
    }
    nnunet = files(tmp_path / "b", "imagesTr/case1_0000.nii.gz", "labelsTr/case1.nii.gz")
    assert names_of(patients_in(nnunet)) == {"case1": (["case1_0000.nii.gz"], ["case1.nii.gz"])}


def test_synthetic_pictures_are_known_by_their_sidecars(tmp_path: Path) -> None:
    root = files(tmp_path, "p1/p1.nii.gz", "p1/p1_synthetic.nii.gz")
    (root / "p1" / "p1_synthetic.json").write_text(json.dumps({"synthetic": True}))
    (patient,) = patients_in(root)
    assert [p.name for p in patient.synthetic] == ["p1_synthetic.nii.gz"]
    assert [p.name for p in patient.scans] == ["p1.nii.gz"]


def test_dicom_folders_are_patients(tmp_path: Path) -> None:
    root = files(tmp_path, "A/Se1/1.dcm", "A/Se2/1.dcm", "B/1.dcm", "notes/read.txt")
    assert [(p.name, p.scans) for p in patients_in(root)] == [
        ("A", (root / "A",)),
        ("B", (root / "B",)),
    ]
    (alone,) = patients_in(root / "B")
    assert alone.scans == (root / "B",)


def test_other_planes_and_hidden_files_are_left_out(tmp_path: Path) -> None:
    root = files(tmp_path, "p1/p1_SA.nii.gz", "p1/p1_LA.nii.gz", "p1/._p1_SA.nii.gz")
    (patient,) = patients_in(root)
    assert [p.name for p in patient.scans] == ["p1_SA.nii.gz"]


def test_a_folder_without_scans_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no NIfTI or DICOM"):
        patients_in(files(tmp_path, "notes/read.txt"))
    with pytest.raises(InputError, match="nowhere"):
        patients_in(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["acdc", "chla", "folder"])
def test_patients_of_a_cohort_are_read_one_by_one(
    tmp_path: Path, layouts: dict[str, Callable[[Path], object]], name: str
) -> None:
    """From files of their own, from one archive, and from a plain folder."""
    layouts[name](tmp_path)
    *told, found = patients_of_cohort(name, tmp_path)
    expected = list(read_cohort(name, tmp_path, []))
    assert [p.name for p in found] == sorted({e.patient for e in expected})
    assert len(told) == len(expected) and all(p.drawn and p.has_mask for p in found)
    for patient in found:
        own = [e for e in expected if e.patient == patient.name]
        assert [e.phase for e in patient.read()] == [e.phase for e in own]


def test_a_cohort_of_another_kind_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nobody"):
        list(patients_of_cohort("nobody", tmp_path))
    with pytest.raises(InputError):
        list(patients_of_cohort("acdc", tmp_path))
