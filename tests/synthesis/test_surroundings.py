"""The tissues of the mask's own scan: taken, recorded, followed, and refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cmr_synth.anatomy.surroundings import TISSUES
from cmr_synth.anatomy.template import draw_slice, draw_stack
from cmr_synth.cli import main
from cmr_synth.errors import InputError
from cmr_synth.generators import zoo
from cmr_synth.generators.interface import Condition
from cmr_synth.imaging.nifti import write_nifti
from cmr_synth.imaging.scan import Scan
from cmr_synth.synthesis.from_mask import synthesize
from cmr_synth.synthesis.record import Synthetic
from cmr_synth.synthesis.request import Request
from cmr_synth.synthesis.unconditional import synthesize_unconditional
from tests.conftest import write_tiny_model

GREY = np.array([0.2, 0.8, 0.3, 0.75], np.float32)
LABELS = draw_stack(slices=3).astype(np.uint8)
AFFINE = np.diag([-1.5, -1.5, 8, 1.0])


def scan(array: np.ndarray, name: str = "heart.nii.gz", affine: np.ndarray = AFFINE) -> Scan:
    return Scan(array=array, spacing=(8, 1.5, 1.5), affine=affine, name=name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tissues") / "tiny-tissues"
    return write_tiny_model(made, name="tiny-tissues", tissues=True)


@pytest.fixture(scope="module")
def model(folder: Path) -> zoo.Model:
    return zoo.load(folder, device="cpu")


@pytest.fixture(scope="module")
def chests(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two scans of the mask: one with dark surroundings, one with bright ones."""
    out = tmp_path_factory.mktemp("scans")
    for name, grey in (("dark", 0.02), ("bright", 0.7)):
        pixels = np.where(LABELS > 0, GREY[LABELS], grey) + np.float32(0.001) * np.arange(128)
        write_nifti(scan(900 * pixels.astype(np.float32)), out / f"{name}.nii.gz", description="")
    return out / "dark.nii.gz", out / "bright.nii.gz"


def made(model: zoo.Model, request: Request) -> Synthetic:
    *_, last = synthesize(scan(LABELS), model, request)
    assert isinstance(last, Synthetic)
    return last


def test_other_surroundings_make_another_picture(model, chests) -> None:
    dark, bright = (made(model, Request(surroundings=path)) for path in chests)
    free = made(model, Request())
    assert not np.allclose(dark.scan.array, bright.scan.array, atol=1e-3)
    assert not np.allclose(dark.scan.array, free.scan.array, atol=1e-3)
    assert dark.record["surroundings"] == "dark.nii.gz"
    assert free.record["surroundings"] is None


def test_the_picture_is_made_again_where_the_scan_is_named(model, chests) -> None:
    first = made(model, Request(surroundings=chests[0], seed=3))
    again = made(model, Request.from_record(first.record, surroundings=chests[0]))
    np.testing.assert_allclose(again.scan.array, first.scan.array, atol=1e-5)
    with pytest.raises(InputError, match="were those of dark.nii.gz; name that scan"):
        Request.from_record(first.record)


@pytest.mark.parametrize(
    ("pixels", "affine"),
    [(np.ones((3, 96, 96), np.float32), AFFINE), (LABELS, np.diag([-2, -2, 8, 1.0]))],
    ids=["size", "affine"],
)
def test_a_scan_on_another_grid_is_refused(model, tmp_path, pixels, affine) -> None:
    path = tmp_path / "other.nii.gz"
    pixels = pixels.astype(np.float32) + np.arange(pixels.shape[-1])
    write_nifti(scan(pixels, affine=affine), path, description="")
    with pytest.raises(InputError, match="on another grid than the mask heart.nii.gz"):
        made(model, Request(surroundings=path))


def test_a_model_without_a_map_refuses_one(tiny_model, chests) -> None:
    with pytest.raises(InputError, match="trained without a map of tissues"):
        made(zoo.load(tiny_model, device="cpu"), Request(surroundings=chests[0]))
    given = [Condition(tissues=np.zeros((64, 64), np.uint8))]
    with pytest.raises(InputError, match="trained without a map"):
        [*zoo.load(tiny_model, device="cpu").generator.sample(given, seed=0)]


def test_maps_of_another_grid_or_with_unknown_tissues_are_refused(model) -> None:
    rows, columns = model.generator.shape
    mask = draw_slice(shape=(rows, columns), spacing=(3.0, 3.0))
    for wrong, why in (
        (np.zeros((rows, columns + 1), np.uint8), "the model's grid is of"),
        (np.full((rows, columns), len(TISSUES) + 1, np.uint8), "the map holds 7"),
    ):
        with pytest.raises(InputError, match=why):
            [*model.generator.sample([Condition(mask=mask, tissues=wrong)], seed=0)]


def test_without_a_mask_there_is_nothing_around_it(model, chests) -> None:
    with pytest.raises(InputError, match="belong to a mask"):
        [*synthesize_unconditional(model, Request(surroundings=chests[0]))]


def test_one_scan_belongs_to_one_mask(folder, chests, tmp_path, capsys) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    for name in "ab":
        write_nifti(scan(LABELS), masks / f"{name}.nii.gz", description="")
    common = ["--model", str(folder), "--labels", "LV=1,MYO=2,RV=3", "--no-check"]
    common += ["--surroundings", str(chests[0]), "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit, match="1"):
        main(["synthesize", str(masks), *common])
    assert "is the scan of one mask, and 2 are given" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    for again in ([], ["--resume"]):
        with pytest.raises(SystemExit, match="0"):
            main(["synthesize", str(masks / "a.nii.gz"), *common, *again])
    assert "from before" in "".join(capsys.readouterr())


def test_the_same_request_with_other_surroundings_is_not_found_by_resume(model, chests) -> None:
    dark = Request(surroundings=chests[0])
    bright = replace(dark, surroundings=chests[1])
    assert dark.record(model.card, None) != bright.record(model.card, None)
