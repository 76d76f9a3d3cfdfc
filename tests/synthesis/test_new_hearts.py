"""New hearts on disk: read back as what they are, with their record."""

import json

import nibabel as nib
import numpy as np
import pytest

from cmr_synth.anatomy.shapes import ShapeModel
from cmr_synth.anatomy.shapes.new_heart import HeartGrid
from cmr_synth.anatomy.shapes.wishes import Wishes
from cmr_synth.errors import InputError
from cmr_synth.files import sha256
from cmr_synth.imaging.masks import mask_files, read_mask
from cmr_synth.imaging.orientation import in_plane_orientation
from cmr_synth.synthesis.new_hearts import Order, make_hearts

GRID = HeartGrid(spacing=(10.0, 2.0, 2.0))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hearts")
    order = Order(n=2, seed=5, first=3)
    made = list(make_hearts(ShapeModel.load(), Wishes(pathology="arv"), order, GRID, folder))
    return folder, made


def test_files_are_the_masks_of_both_phases(made):
    folder, hearts = made
    assert [p.name for p in mask_files([folder])] == [
        "heart0003_ED.nii.gz",
        "heart0003_ES.nii.gz",
        "heart0004_ED.nii.gz",
        "heart0004_ES.nii.gz",
    ]
    for heart, one in hearts:
        for phase, labels in (("ED", heart.ed), ("ES", heart.es)):
            mask = read_mask(folder / f"{one.stem}_{phase}.nii.gz")
            assert np.array_equal(mask.scan.array, labels)
            assert mask.scan.spacing == pytest.approx(heart.spacing)


def test_stacks_lie_in_a_short_axis_plane_in_radiological_display(made):
    folder, hearts = made
    image = nib.load(folder / f"{hearts[0][1].stem}_ED.nii.gz")
    found = in_plane_orientation(image.affine)
    assert found.trustworthy
    assert not (found.transpose or found.flip_rows or found.flip_columns)
    assert str(image.header["descrip"].item().decode()).startswith("SYNTHETIC heart mask")


def test_the_record_says_how_it_was_made(made):
    folder, hearts = made
    heart, one = hearts[1]
    record = json.loads((folder / "heart0004_ES.json").read_text(encoding="utf-8"))
    assert record == {**one.records[1], "file": "heart0004_ES.nii.gz"}
    assert record["sha256"] == sha256(folder / record["file"])
    assert (record["seed"], record["heart"], record["phase"]) == (5, 4, "ES")
    assert record["model"]["sha256"] == ShapeModel.load().card.sha256
    assert record["measured"]["rv_edv_ml"] == pytest.approx(heart.measured["rv_edv_ml"], abs=0.01)
    assert record["draws"] == 1 + len(heart.redrawn)


def test_a_heart_does_not_depend_on_those_made_with_it(made, tmp_path):
    folder, hearts = made
    order = Order(n=1, seed=5, first=4, phases=("ES",))
    list(make_hearts(ShapeModel.load(), Wishes(pathology="arv"), order, GRID, tmp_path))
    (file,) = tmp_path.glob("*.nii.gz")
    assert file.name == "heart0004_ES.nii.gz"
    assert file.read_bytes() == (folder / file.name).read_bytes()


@pytest.mark.parametrize(
    ("order", "says"),
    [
        (Order(n=0), "0 hearts: ask for 1 to"),
        (Order(n=1, seed=-1), "counted from 0"),
        (Order(n=1, phases=("MID",)), "phase 'MID'"),
    ],
)
def test_orders_that_cannot_be_made(order, says, tmp_path):
    with pytest.raises(InputError, match=says):
        list(make_hearts(ShapeModel.load(), Wishes(), order, GRID, tmp_path))
