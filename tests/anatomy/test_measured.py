"""All that a mask measures: on discs with a known volume, and what is left out is said."""

from __future__ import annotations

import csv
from html import unescape

import numpy as np
import pytest

from cmr_synth.anatomy.labels import LV, MYO, RV
from cmr_synth.anatomy.measured import COLUMNS, measure
from cmr_synth.anatomy.template import draw_stack
from cmr_synth.errors import InputError
from cmr_synth.reports.html import page
from cmr_synth.reports.measurements import measurements_report, write_csv

SPACING = (10.0, 1.0, 1.0)


def heart(lv: float, wall: float) -> np.ndarray:
    """Three equal slices: round LV and wall, an RV of 30 x 20 mm on the left, mm."""
    y, x = np.indices((120, 120)) - 59.5
    radius = np.hypot(y, x)
    plane = np.zeros((120, 120), np.uint8)
    plane[45:75, 5:45] = RV
    plane[radius < lv + wall] = MYO
    plane[radius < lv] = LV
    return np.repeat(plane[None], 3, axis=0)


@pytest.fixture(scope="module")
def cine():
    return [heart(r, w) for r, w in ((24, 8), (20, 10), (16, 12), (20, 10))]


def test_numbers_are_those_of_the_discs(cine) -> None:
    found = measure(cine, SPACING, name="discs", frame_ms=40)
    assert found.phases == {"ED": 0, "ES": 2}
    edv, esv = (np.pi * r**2 * 30 / 1000 for r in (24, 16))
    assert found.function["lv_edv_ml"] == pytest.approx(edv, rel=0.01)
    assert found.function["lv_ef"] == pytest.approx(1 - esv / edv, abs=0.01)
    assert found.function["lv_mass_g"] == pytest.approx(
        1.05 * np.pi * (32**2 - 24**2) * 0.03, rel=0.02
    )
    np.testing.assert_allclose(found.wall_mm["ED"], 8, atol=0.4)
    np.testing.assert_allclose(found.thickening, 0.5, atol=0.08)


def test_every_number_has_a_row_and_normal_ranges_stand_beside(cine, tmp_path) -> None:
    found = measure(cine, SPACING, name="discs")
    path = write_csv([found, found], tmp_path / "discs.csv")
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["mask", *COLUMNS]
    per_mask = len(found.function) + 3 * 4 + 3 * 16 + 4 * 3 * 3
    assert len(rows) == 2 * per_mask
    (mass,) = [row for row in rows[:per_mask] if row["measure"] == "lv_mass_g"]
    assert float(mass["normal_low"]) == 46 and mass["unit"] == "g"
    (volume,) = [
        row
        for row in rows[:per_mask]
        if row["measure"] == "volume" and row["structure"] == "LV" and row["phase"] == "ES"
    ]
    assert volume["frame"] == "2" and float(volume["value"]) == pytest.approx(24.1, abs=0.3)
    segments = [r["segment"] for r in rows[:per_mask] if r["measure"] == "wall_thickening"]
    assert segments[0] == "1 basal anterior" and segments[-1] == "16 apical lateral"


def test_one_phase_gives_no_ejection_fraction_and_says_so(cine) -> None:
    found = measure(cine[:1], SPACING)
    assert found.phases == {"": 0} and list(found.function) == ["lv_mass_g"]
    assert "One phase only" in found.doubts[0] and found.thickening is None


def test_without_rv_the_rest_is_measured(cine) -> None:
    bare = [np.where(frame == RV, 0, frame) for frame in cine]
    found = measure(bare, SPACING)
    assert not found.wall_mm and "lv_ef" in found.function and "rv_ef" not in found.function
    assert any("no slice shows the RV" in doubt for doubt in found.doubts)


@pytest.mark.parametrize(
    ("frames", "says"),
    [
        ([np.zeros((2, 8, 8), np.uint8)], "nothing is drawn"),
        ([np.ones((2, 8, 8), np.uint8), np.ones((3, 8, 8), np.uint8)], "differ in size"),
    ],
)
def test_what_cannot_be_measured_is_refused(frames, says) -> None:
    with pytest.raises(InputError, match=f"here: .*{says}"):
        measure(frames, SPACING, name="here")


def test_the_page_has_curve_eyes_and_ranges() -> None:
    ed, es = (
        draw_stack(slices=6, shape=(96, 96), spacing=(12.0, 2.0, 2.0), phase=p)
        for p in ("ED", "ES")
    )
    found = measure([ed, es, ed], (12.0, 2.0, 2.0), name="drawn")
    text = unescape(page(measurements_report(found)))
    for words in (
        "over the cardiac cycle",
        "Bull's-eye, ED",
        "thickening",
        "Petersen",
        "88 to 161",
    ):
        assert words in text
