"""Mask files: which ones a folder holds, what they are called, what their numbers mean."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cmr_synth.anatomy.labels import revert
from cmr_synth.anatomy.template import draw_slice
from cmr_synth.errors import InputError
from cmr_synth.files import sha256
from cmr_synth.imaging.masks import find_masks, mask_files, read_mask, unique_stems


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def found(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in mask_files([folder])]


def write(path: Path, labels: np.ndarray) -> Path:
    nib.save(nib.Nifti1Image(labels[None].T, np.diag([-1.5, -1.5, 8.0, 1.0])), path)
    return path


def test_a_folder_of_masks_is_taken_whole_and_in_order(tmp_path: Path) -> None:
    touch(tmp_path, "b.nii", "a.nii.gz", "sub/c.NII.GZ", "notes.txt", ".hidden/d.nii", ".e.nii")
    assert found(tmp_path) == ["a.nii.gz", "b.nii", "sub/c.NII.GZ"]


@pytest.mark.parametrize(
    ("mask", "image"),
    [
        ("patient001/patient001_frame01_gt.nii.gz", "patient001/patient001_frame01.nii.gz"),
        ("labelsTr/case1.nii.gz", "imagesTr/case1_0000.nii.gz"),
        ("p1/Mask.nii", "p1/scan.nii"),
        ("heart_seg.nii.gz", "heartsegment.nii.gz"),
    ],
)
def test_images_beside_masks_are_left_out(tmp_path: Path, mask: str, image: str) -> None:
    touch(tmp_path, mask, image)
    assert found(tmp_path) == [mask]


def test_synthetic_images_are_left_out_by_their_sidecar(tmp_path: Path) -> None:
    touch(tmp_path, "a.nii.gz", "a_any_seed0_000.nii.gz", "other.nii.gz")
    (tmp_path / "a_any_seed0_000.json").write_text(json.dumps({"synthetic": True}))
    (tmp_path / "other.json").write_text(json.dumps({"SliceThickness": 8}))
    assert found(tmp_path) == ["a.nii.gz", "other.nii.gz"]


def test_linked_patients_are_found_and_broken_links_named(tmp_path: Path) -> None:
    touch(tmp_path, "masks/p0/m_gt.nii", "store/p1/m_gt.nii", "store/p1/m.nii")
    (tmp_path / "masks" / "p1").symlink_to(tmp_path / "store" / "p1")
    (tmp_path / "masks" / "p2").symlink_to(tmp_path / "store" / "p2")
    assert found(tmp_path / "masks") == ["p0/m_gt.nii", "p1/m_gt.nii"]
    assert "p2: is a link to" in find_masks([tmp_path / "masks"]).left_out[0]


def test_files_are_taken_as_they_are(tmp_path: Path) -> None:
    touch(tmp_path, "folder/a.nii", "image.nii")
    paths = mask_files([tmp_path / "image.nii", tmp_path / "folder", tmp_path / "missing.nii"])
    assert [path.name for path in paths] == ["image.nii", "a.nii", "missing.nii"]


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no NIfTI mask"):
        mask_files([tmp_path])
    with pytest.raises(InputError, match="no masks given"):
        mask_files([])


def test_masks_of_one_name_are_told_apart_by_their_folders() -> None:
    paths = [Path("p1/mask.nii.gz"), Path("p2/mask.nii.gz"), Path("p2/other.nii")]
    assert unique_stems(paths) == ["p1_mask", "p2_mask", "other"]
    with pytest.raises(InputError, match="2 masks would be called 'p1_mask'"):
        unique_stems([Path("a/p1/mask.nii"), Path("b/p1/mask.nii")])


@pytest.mark.parametrize("convention", ["acdc", "mnms"])
def test_numbers_become_engine_labels(tmp_path: Path, convention: str) -> None:
    labels = draw_slice()
    path = write(tmp_path / "heart.nii.gz", revert(labels, convention))
    for told in (None, convention):
        mask = read_mask(path, convention=told)
        np.testing.assert_array_equal(mask.scan.array[0], labels)
        assert mask.sha256 == sha256(path)
        assert mask.labels.startswith(f"read as {convention} labels")
    assert mask.labels.endswith("as told.")


def test_a_mask_that_topology_does_not_decide_needs_a_convention(tmp_path: Path) -> None:
    path = write(tmp_path / "heart.nii.gz", np.where(draw_slice() == 1, 1, 0).astype(np.uint8))
    with pytest.raises(InputError, match="cannot tell which convention.*--labels acdc"):
        read_mask(path)
    assert read_mask(path, convention="mnms").scan.array.max() == 1
