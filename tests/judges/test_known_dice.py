"""The shipped Dice by vendor: of the bundled weights, and refused where it is damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from cmr_synth.errors import InputError
from cmr_synth.files import sha256
from cmr_synth.judges.known_dice import FILE, KnownDice
from cmr_synth.judges.segmenter import BUNDLED


def test_shipped_numbers_are_those_of_the_bundled_segmenter() -> None:
    known = KnownDice.load()
    assert known.segmenter_sha256 == sha256(BUNDLED / "weights.safetensors")
    assert {"siemens", "philips", "ge"} <= set(known.vendors)
    for one in known.vendors.values():
        assert one.patients > 0 and one.slices >= one.patients
        for mean, low, high in one.dice.values():
            assert 0 <= low <= mean <= high <= 1


@pytest.mark.parametrize(
    "change", [("vendors", "vendor"), ('"dice"', '"disc"'), ("0.", '"x'), ("{", "[")]
)
def test_a_damaged_file_is_told_in_a_line(tmp_path: Path, change: tuple[str, str]) -> None:
    damaged = tmp_path / "dice.json"
    damaged.write_text(FILE.read_text().replace(*change))
    with pytest.raises(InputError, match="cannot be read"):
        KnownDice.load(damaged)
