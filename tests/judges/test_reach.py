"""What synthetic slices are held to: Dice of a slice, and the shipped bounds."""

import json
from pathlib import Path

import numpy as np
import pytest

from cmr_synth.anatomy.labels import LV, MYO, RV
from cmr_synth.errors import InputError
from cmr_synth.judges.reach import FILE, Reach, slice_dice
from cmr_synth.judges.segmenter import Segmenter


def test_dice_of_the_structures_that_are_asked_for() -> None:
    asked = np.zeros((8, 8), np.uint8)
    asked[2:4, 2:6], asked[5:7] = LV, MYO
    found = np.zeros_like(asked)
    found[2:4, 2:4], found[0, 0] = LV, RV
    dice = slice_dice(found, asked)
    assert set(dice) == {"LV", "MYO"}  # a right ventricle was found and not asked for
    assert dice["LV"] == pytest.approx(2 * 4 / (4 + 8)) and dice["MYO"] == 0


def test_open_pixels_are_not_compared() -> None:
    asked = np.full((4, 4), 255, np.uint8)
    asked[0] = LV
    assert slice_dice(np.full((4, 4), LV, np.uint8), asked) == {"LV": 1.0}


def test_the_shipped_bounds_are_of_the_bundled_segmenter() -> None:
    reach = Reach.load()
    assert reach.segmenter_sha256 == Segmenter.load().hash
    assert reach.patients >= 5 and reach.slices > 50
    for z in (None, 0.0, 0.5, 1.0):
        assert all(0 <= bound < 1 for bound in reach.at(z).values())
    # the cavity is found better in the middle than at the apex
    assert reach.at(0.5)["LV"] > reach.at(1.0)["LV"]


@pytest.mark.parametrize("change", ["{", "[]", None])
def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path, change: str | None) -> None:
    file = tmp_path / "reach.json"
    facts = json.loads(FILE.read_text())
    del facts["bounds"]["mid"]["MYO"]
    file.write_text(json.dumps(facts) if change is None else change)
    with pytest.raises(InputError, match="cannot be read"):
        Reach.load(file)
