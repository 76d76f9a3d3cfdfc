"""Masks whose header is wrong about size or side: said, mended, and recorded."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cmr_synth.anatomy.template import draw_stack


@pytest.fixture
def heart() -> np.ndarray:
    """Nine slices from base to apex, (z, y, x)."""
    return draw_stack(slices=9)


def save(path: Path, labels: np.ndarray, affine: np.ndarray) -> Path:
    nib.save(nib.Nifti1Image(labels.T, affine), path)
    return path


def record_in(folder: Path) -> dict:
    (file,) = folder.glob("*.json")
    return json.loads(file.read_text())


def test_a_spacing_that_was_never_filled_in_is_told_and_can_be_stated(
    run, heart, tiny_model: Path, tmp_path: Path
) -> None:
    mask = save(tmp_path / "m.nii.gz", heart, np.eye(4))
    ended = run("synthesize", mask, "--model", tiny_model, "--out", tmp_path / "believed")
    assert ended.code == 0 and "9 mm long, which no heart is" in ended.err
    ended = run("synthesize", mask, "--model", tiny_model, "--out", tmp_path / "stated",
                "--spacing", "1,5x1,5x8")  # fmt: skip
    assert ended.code == 0 and "which no heart is" not in ended.err
    record = record_in(tmp_path / "stated")
    assert record["spacing"] == [8.0, 1.5, 1.5]
    assert "as stated, in place of 1 x 1 x 1" in record["notes"][-1]
    made = nib.load(tmp_path / "stated" / record["file"])
    assert made.shape == heart.T.shape
    np.testing.assert_allclose(made.header.get_zooms(), (1.5, 1.5, 8.0))
    wrong = run("synthesize", mask, "--out", tmp_path / "no", "--spacing", "wide")
    assert wrong.code == 1 and "columns x rows x slices" in wrong.line


def test_a_heart_on_the_wrong_side_is_turned_and_comes_back_on_its_grid(
    run, heart, tiny_model: Path, tmp_path: Path
) -> None:
    oblique = np.array(  # a short-axis stack: columns to the left, rows to the feet
        [[-0.712, 0.318, -0.631, 0], [-0.701, -0.264, 0.658, 0], [-0.034, -0.91, -0.413, 0],
         [0, 0, 0, 1]]
    )  # fmt: skip
    u, _, v = np.linalg.svd(oblique[:3, :3])
    oblique[:3, :3] = (u @ v) * (1.5, 1.5, 8.0)
    right = save(tmp_path / "right.nii.gz", heart, oblique)
    wrong = save(tmp_path / "wrong.nii.gz", heart, oblique @ np.diag([-1, -1, 1, 1]))
    pictures = {}
    for path in (right, wrong):
        out = tmp_path / path.name.split(".")[0]
        ended = run("synthesize", path, "--model", tiny_model, "--out", out)
        assert ended.code == 0 and ("turned by 180 degrees" in ended.err) == (path == wrong)
        record = record_in(out)
        made = nib.load(out / record["file"])
        np.testing.assert_allclose(made.affine, nib.load(path).affine, atol=1e-5)
        pictures[path] = np.asarray(made.dataobj)
        assert record["mirror"] == "auto" and not any(
            finding["code"] == "rv-side" for finding in record["findings"]
        )
    np.testing.assert_array_equal(pictures[right], pictures[wrong])
    ended = run("synthesize", wrong, "--model", tiny_model, "--out", tmp_path / "no",
                "--mirror", "no")  # fmt: skip
    assert ended.code == 0 and "right of the LV in the picture" in ended.err
    assert record_in(tmp_path / "no")["mirror"] == "no"


def test_what_cannot_be_told_is_asked_before_anything_is_made(
    run, heart, tiny_model: Path, tmp_path: Path
) -> None:
    affine = np.array(
        [[0.712, -0.308, 5, 0], [0.701, 0.268, -5, 0], [0.034, 0.913, 3, 0], [0, 0, 0, 1]]
    )
    mask = save(tmp_path / "one.nii.gz", heart[4:5], affine)
    out = tmp_path / "out"
    ended = run("synthesize", mask, "--model", tiny_model, "--out", out)
    assert ended.code == 1 and not out.exists()
    assert "--mirror half-turn, left-right, top-bottom or no" in ended.line
    told = run("synthesize", mask, "--model", tiny_model, "--out", out, "--mirror", "half-turn")
    assert told.code == 0 and "turned by 180 degrees, as told" in told.err
