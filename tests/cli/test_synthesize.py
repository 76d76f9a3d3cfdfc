"""`synthesize`: a mask on disk becomes images on disk."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cmr_synth.anatomy.labels import revert
from cmr_synth.anatomy.template import draw_slice, draw_stack
from cmr_synth.files import sha256


def test_images_come_with_sidecars_on_the_grid_of_the_mask(
    run, mask: Path, tiny_model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ended = run("synthesize", mask, "--vendor", "Siemens", "--phase", "ed", "--n", 2, "--seed", 9,
                "--model", tiny_model, "--out", out)  # fmt: skip
    assert ended.code == 0
    stems = [f"heart_siemens_ED_seed9_{k:03d}" for k in range(2)]
    assert sorted(p.name for p in out.iterdir()) == sorted(
        stem + ending for stem in stems for ending in (".json", ".nii.gz")
    )
    given, made = nib.load(mask), nib.load(out / f"{stems[0]}.nii.gz")
    assert made.shape == given.shape
    np.testing.assert_allclose(made.affine, given.affine)
    record = json.loads((out / f"{stems[1]}.json").read_text())
    assert record["mask"]["file_sha256"] == sha256(mask)
    assert record["sha256"] == sha256(out / f"{stems[1]}.nii.gz")
    assert (record["vendor"], record["phase"], record["variant"]) == ("siemens", "ED", 1)


def test_json_is_for_programs(run, mask: Path, tiny_model: Path, tmp_path: Path) -> None:
    ended = run("synthesize", mask, "--model", tiny_model, "--out", tmp_path / "out", "--json")
    facts = json.loads(ended.out)
    assert all(Path(file).is_file() for file in facts["files"])
    assert facts["records"][0]["synthetic"] is True


@pytest.mark.parametrize("convention", ["acdc", "mnms"])
def test_the_convention_is_guessed_and_said(
    run, write_mask, tiny_model: Path, tmp_path: Path, convention: str
) -> None:
    path = write_mask(revert(draw_slice(), convention)[None])
    out = tmp_path / "out"
    ended = run("synthesize", path, "--model", tiny_model, "--out", out, "--labels", "auto")
    assert ended.code == 0
    assert f"read as {convention} labels. The myocardium" in ended.err


def test_a_wrong_convention_changes_the_image(
    run, mask: Path, tiny_model: Path, tmp_path: Path
) -> None:
    for labels in ("mnms", "ukbb", "acdc"):
        out = tmp_path / labels
        assert run("synthesize", mask, "--model", tiny_model, "--out", out,
                   "--labels", labels).code == 0  # fmt: skip
    told = {k: sha256(next((tmp_path / k).glob("*.nii.gz"))) for k in ("mnms", "ukbb", "acdc")}
    assert told["mnms"] == told["ukbb"] != told["acdc"]


def test_what_is_unusual_is_said(run, write_mask, tiny_model: Path, tmp_path: Path) -> None:
    labels = draw_stack(slices=3)[..., ::-1].copy()
    labels[1] = 0
    ended = run("synthesize", write_mask(labels), "--model", tiny_model, "--out", tmp_path / "out")
    assert ended.code == 0
    assert "slice 0:" in ended.err
    assert "slices without a heart were skipped and are 0: 1." in ended.err


def test_masks_of_one_name_are_told_apart_by_their_folders(
    run, write_mask, tiny_model: Path, tmp_path: Path
) -> None:
    paths = [write_mask(draw_slice(seed=k)[None], f"p{k}/mask.nii.gz") for k in range(2)]
    out = tmp_path / "out"
    assert run("synthesize", *paths, "--model", tiny_model, "--out", out).code == 0
    assert sorted(p.name for p in out.glob("*.nii.gz")) == [
        "p0_mask_any_seed0_000.nii.gz",
        "p1_mask_any_seed0_000.nii.gz",
    ]


def test_a_folder_of_masks(run, write_mask, tiny_model: Path, tmp_path: Path) -> None:
    for k in range(2):
        write_mask(draw_slice(seed=k)[None], f"masks/heart{k}.nii.gz")
    out = tmp_path / "out"
    assert run("synthesize", tmp_path / "masks", "--model", tiny_model, "--out", out).code == 0
    assert sorted(p.name for p in out.glob("*.nii.gz")) == [
        "heart0_any_seed0_000.nii.gz",
        "heart1_any_seed0_000.nii.gz",
    ]


def test_resume_makes_what_is_missing(run, write_mask, tiny_model: Path, tmp_path: Path) -> None:
    paths = [write_mask(draw_slice(seed=k)[None], f"heart{k}.nii.gz") for k in range(3)]
    out = tmp_path / "out"
    command = ("synthesize", *paths, "--model", tiny_model, "--out", out, "--resume")
    assert run(*command).code == 0
    first, middle, last = sorted(out.glob("*.nii.gz"))
    before = first.stat().st_mtime_ns
    middle.unlink()
    ended = run(*command, "--json")
    assert ended.code == 0
    assert first.stat().st_mtime_ns == before
    assert f"heart0.nii.gz: its images are in {out} already; skipped." in ended.err
    assert json.loads(ended.out)["files"] == [str(first), str(middle), str(last)]
    assert "2 of them from before" not in ended.out
    ended = run(*command)
    assert "3 synthetic images" in ended.out and "3 of them from before" in ended.out


def test_other_files_in_the_folder_stay(run, mask: Path, tiny_model: Path) -> None:
    """Output beside the masks themselves."""
    assert run("synthesize", mask, "--model", tiny_model, "--out", mask.parent).code == 0
    assert mask.is_file()


def test_real_masks_with_their_own_grids(
    run, data_root: Path, tiny_model: Path, tmp_path: Path
) -> None:
    path = sorted((data_root / "acdc_fullfov" / "training").glob("*/*_gt.nii.gz"))[0]
    ended = run("synthesize", path, "--vendor", "ge", "--model", tiny_model,
                "--out", tmp_path / "out")  # fmt: skip
    assert ended.code == 0
    assert "read as acdc labels" in ended.err
    made = nib.load(next((tmp_path / "out").glob("*.nii.gz")))
    assert made.shape == nib.load(path).shape
    np.testing.assert_allclose(made.affine, nib.load(path).affine)
