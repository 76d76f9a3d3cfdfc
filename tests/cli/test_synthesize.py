"""`synthesize`: a mask on disk becomes images on disk."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cmr_synth.anatomy.labels import revert
from cmr_synth.anatomy.template import draw_slice, draw_stack
from cmr_synth.files import sha256
from cmr_synth.generators.card import read_card
from cmr_synth.imaging.grid import WorkingGrid
from cmr_synth.imaging.masks import read_mask
from cmr_synth.imaging.readers import read_scan
from cmr_synth.synthesis.reference import reference_on_grid


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


def test_a_mask_of_another_program_is_read_by_its_numbers(
    run, write_mask, tiny_model: Path, tmp_path: Path
) -> None:
    ours = draw_slice()[None]
    theirs = np.choose(ours, [np.uint8(0), 50, 20, 60]).astype(np.uint8)
    files = []
    for name, numbers, said in (("a", ours, "mnms"), ("b", theirs, "LV=50,MYO=20,RV=60")):
        mask = write_mask(numbers, f"{name}.nii.gz")
        ended = run("synthesize", mask, "--model", tiny_model, "--out", tmp_path / name,
                    "--labels", said)  # fmt: skip
        assert ended.code == 0, ended.err
        files.append(next((tmp_path / name).glob("*.nii.gz")))
    assert sha256(files[0]) == sha256(files[1])
    wrong = run("synthesize", mask, "--out", tmp_path / "c", "--labels", "LV=50,MYO=50")
    assert wrong.code == 2 and "50 is both LV and MYO" in " ".join(wrong.err.split())
    assert run("synthesize", mask, "--out", tmp_path / "c", "--labels", "emdc").code == 2


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


def test_without_a_mask_the_model_draws_the_anatomy(run, tiny_model: Path, tmp_path: Path) -> None:
    outs = [tmp_path / name for name in ("three", "again", "one")]
    for out, n, batch in zip(outs, (3, 3, 1), (2, 3, 1), strict=True):
        ended = run("synthesize", "--unconditional", "--vendor", "ge", "--n", n, "--seed", 4,
                    "--batch", batch, "--model", tiny_model, "--out", out)  # fmt: skip
        assert ended.code == 0, ended.err
    stems = [f"unconditional_ge_seed4_{k:03d}" for k in range(3)]
    assert sorted(p.name for p in outs[0].iterdir()) == sorted(
        stem + ending for stem in stems for ending in (".json", ".nii.gz")
    )
    made = [[nib.load(out / f"{stem}.nii.gz") for stem in stems] for out in outs[:2]]
    record = json.loads((outs[0] / f"{stems[2]}.json").read_text())
    grid = record["model"]["name"] and made[0][0].header.get_zooms()
    assert grid[0] == grid[1] > 0
    assert record["mask"] is None and record["synthetic"] is True and record["vendor"] == "ge"
    assert record["sha256"] == sha256(outs[0] / f"{stems[2]}.nii.gz")
    pixels = [np.asarray(image.dataobj) for image in made[0]]
    assert np.abs(pixels[0] - pixels[1]).max() > 0.01
    for first, other in zip(*made, strict=True):  # the batch decides nothing
        np.testing.assert_allclose(first.get_fdata(), other.get_fdata(), atol=1e-5)
    alone = nib.load(outs[2] / f"{stems[0]}.nii.gz").get_fdata()
    np.testing.assert_allclose(alone, pixels[0], atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--unconditional", "--vendor", "canon"], "vendor 'canon'"),
        (["--unconditional", "--slice-position", "2"], "slice position 2.0 is outside"),
        (["--unconditional", "--n", "0"], "n: 0 given"),
        (["--unconditional", "--prompt", "a heart"], "prompt: models of 'flow' read no text"),
        (["--unconditional", "--sampler", "x"], "sampler 'x'.*choose euler, heun"),
        (["--unconditional", "--reference-slice", "1"], "reference slice: needs a reference"),
    ],
    ids=lambda value: str(value)[-20:],
)
def test_what_cannot_be_made_without_a_mask(
    run, tiny_model: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    out = tmp_path / "out"
    ended = run("synthesize", *arguments, "--model", tiny_model, "--out", out)
    assert ended.code == 1 and re.search(message, ended.line)
    assert not out.exists()


def test_masks_or_none_must_be_said(run, mask: Path, tiny_model: Path, tmp_path: Path) -> None:
    for arguments, word in (([mask, "--unconditional"], "takes no masks"), ([], "name a MASK")):
        ended = run("synthesize", *arguments, "--model", tiny_model, "--out", tmp_path / "out")
        assert ended.code and word in " ".join(ended.err.replace("│", "").split())


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """A bright, grainy picture of a drawn heart, off the middle, on a finer grid; and its mask."""
    labels = np.zeros((3, 256, 256), dtype=np.uint8)
    labels[1, 40:168, 80:208] = draw_slice(spacing=(0.9, 0.9))
    shades = np.array([0.5, 1.0, 0.6, 0.9])[labels]
    pixels = 800 * shades + np.random.default_rng(0).normal(0, 40, labels.shape)
    affine = np.diag([-0.9, -0.9, 8.0, 1.0])
    nib.save(nib.Nifti1Image(pixels.T.astype(np.float32), affine), tmp_path / "scan.nii.gz")
    nib.save(nib.Nifti1Image(revert(labels, "acdc").T, affine), tmp_path / "scan_mask.nii.gz")
    return tmp_path / "scan.nii.gz"


def test_the_look_of_a_reference_is_taken_over(
    run, mask: Path, scan: Path, tiny_model: Path, tmp_path: Path
) -> None:
    reference = ("--reference", scan, "--reference-mask", scan.with_name("scan_mask.nii.gz"),
                 "--reference-slice", 1, "--reference-strength", 1)  # fmt: skip
    means, records = [], []
    for name, more in (("plain", ()), ("looked", reference)):
        out = tmp_path / name
        ended = run("synthesize", mask, *more, "--model", tiny_model, "--out", out)
        assert ended.code == 0, ended.err
        records.append(json.loads(next(out.glob("*.json")).read_text()))
        rows, columns = (slice(*records[-1]["covered"][k]) for k in ("rows", "columns"))
        made = nib.load(next(out.glob("*.nii.gz"))).get_fdata()  # (x, y, z)
        means.append(made[columns, rows].mean())
    grid = read_card(tiny_model / "card.yaml").grid
    target = reference_on_grid(
        read_scan(scan),
        WorkingGrid(shape=grid.shape, spacing=grid.spacing_mm),
        k=1,
        mask=read_mask(scan.with_name("scan_mask.nii.gz"), convention="acdc").scan,
    ).pixels.mean()
    assert abs(means[1] - target) < abs(means[0] - target) / 3
    assert records[0]["reference"] is None
    assert (
        records[1]["reference"]["name"] == "scan.nii.gz" and records[1]["reference"]["slice"] == 1
    )
    assert records[1]["reference"]["strength"] == 1 and not records[1]["reference"]["notes"]
    ended = run("synthesize", mask, *reference, "--model", tiny_model, "--out", out, "--resume")
    assert "1 of them from before" in ended.out
    ended = run("synthesize", mask, "--model", tiny_model, "--out", out, "--resume")
    assert "from before" not in ended.out


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--reference-slice", "7"], "scan.nii.gz: has no slice 7; choose 0 to 2."),
        (["--reference-strength", "2"], "reference strength: 2 given; give 0"),
        (["--reference-mask", "MASK"], "heart.nii.gz: is of .* voxels and scan.nii.gz of"),
    ],
    ids=lambda value: str(value)[-12:],
)
def test_a_reference_that_does_not_do(
    run, mask: Path, scan: Path, tiny_model: Path, tmp_path: Path, more: list[str], message: str
) -> None:
    more = [str(mask) if word == "MASK" else word for word in more]
    out = tmp_path / "out"
    ended = run("synthesize", mask, "--reference", scan, *more, "--model", tiny_model, "--out", out)
    assert ended.code == 1 and re.search(message, ended.line)
    assert not out.exists()


def test_a_mask_is_no_reference(run, mask: Path, tiny_model: Path, tmp_path: Path) -> None:
    ended = run("synthesize", mask, "--reference", mask, "--model", tiny_model,
                "--out", tmp_path / "out")  # fmt: skip
    assert ended.code == 1 and "holds 4 whole numbers only, as a mask does" in ended.line
