"""Every finding is planted once and found, and an undamaged heart has none."""

from __future__ import annotations

from collections import Counter

import nibabel as nib
import numpy as np
import pytest

from cmr_synth.anatomy.labels import INFARCT, LV, MYO, RV, convert
from cmr_synth.anatomy.plausibility import (
    CODES,
    Finding,
    findings,
    is_plausible,
    stack_findings,
)
from cmr_synth.anatomy.template import draw_stack
from cmr_synth.errors import InputError


def centre(labels, structure):
    return np.argwhere(labels == structure).mean(axis=0).round().astype(int)


def empty(heart):
    heart[:] = 0


def lv_missing(heart):
    heart[heart == LV] = 0


def myocardium_missing(heart):
    heart[heart == MYO] = 0


def myocardium_open(heart):
    row, column = centre(heart, LV)
    lateral = heart[row - 12 : row + 13, column:]
    lateral[lateral == MYO] = 0


def hole(heart):
    row, column = centre(heart, RV)
    heart[row, column] = 0


def stray(heart):
    heart[3:6, 3:6] = RV


def rv_touches_lv(heart):
    row, column = centre(heart, LV)
    septum = heart[row, :column]
    septum[septum == MYO] = RV


def rv_side(heart):
    heart[:] = heart[:, ::-1].copy()


def cut(heart):
    heart[:] = np.roll(heart, -40, axis=1)
    heart[:, -40:] = 0


def scar_outside(heart):
    heart[3:6, 3:6] = INFARCT


DAMAGE = {
    "empty": (empty, "info", None),
    "lv-missing": (lv_missing, "info", "LV"),
    "myocardium-missing": (myocardium_missing, "warning", "MYO"),
    "myocardium-open": (myocardium_open, "warning", "MYO"),
    "hole": (hole, "warning", "RV"),
    "stray": (stray, "warning", "RV"),
    "rv-touches-lv": (rv_touches_lv, "error", "RV"),
    "rv-side": (rv_side, "warning", "RV"),
    "cut": (cut, "warning", "RV"),
    "scar-outside-wall": (scar_outside, "warning", "MYO"),
}


def test_every_code_is_planted_somewhere_in_this_file():
    assert set(CODES) == {*DAMAGE, "gap-in-stack", "size", "slices-apart"}


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (8.0, 0.1, 0.1), (80.0, 1.5, 1.5)])
def test_a_heart_whose_size_cannot_be(spacing):
    stack = draw_stack(slices=9)
    (found,) = [f for f in stack_findings(stack, spacing) if f.code == "size"]
    assert found.severity == "error" and "--spacing" in found.message
    assert found.slice_index is None


def test_hearts_of_every_size_that_is_drawn_can_be():
    for slices, spacing in ((9, (8.0, 1.5, 1.5)), (5, (5.0, 0.6, 0.6)), (2, (1.0, 1.0, 1.0))):
        found = stack_findings(draw_stack(slices=slices), spacing)
        assert "size" not in [f.code for f in found]
    (found,) = [f for f in findings(draw_stack()[4], (9.0, 9.0)) if f.code == "size"]
    assert "mm across, which no heart is: the spacing of 9 x 9 mm" in found.message


def test_an_undamaged_heart_has_no_findings(heart):
    assert findings(heart) == []


@pytest.mark.parametrize("code", DAMAGE)
def test_damage_is_found(code, heart):
    damage, severity, structure = DAMAGE[code]
    damage(heart)
    found = [finding for finding in findings(heart) if finding.code == code]
    assert [(f.severity, f.structure, f.slice_index) for f in found] == [
        (severity, structure, None)
    ]
    assert found[0].message.endswith(".")


@pytest.mark.parametrize("code", ["hole", "stray", "rv-touches-lv", "rv-side", "myocardium-open"])
def test_damage_is_found_alone(code, heart):
    """One fault gives one finding, not a cascade."""
    DAMAGE[code][0](heart)
    assert {finding.code for finding in findings(heart)} == {code}


def test_messages_measure_in_mm(heart):
    stray(heart)
    assert "9 mm²" in findings(heart, (1.0, 1.0))[0].message
    assert "36 mm²" in findings(heart, (2.0, 2.0))[0].message


def test_small_gap_is_usual_and_a_wide_one_is_not(heart):
    row, column = centre(heart, LV)
    lateral = heart[row, column:]
    lateral[lateral == MYO] = 0
    assert [(f.code, f.severity) for f in findings(heart)] == [("myocardium-open", "info")]


def test_lv_cut_by_the_edge_is_an_open_myocardium(heart):
    column = centre(heart, LV)[1]
    assert {f.code for f in findings(heart[:, :column])} == {"cut", "myocardium-open"}


def test_hole_between_structures_names_them(heart):
    touching = (heart == RV) & (np.roll(heart, -1, axis=1) == MYO)
    row, column = np.argwhere(touching)[len(np.argwhere(touching)) // 2]
    heart[row, column] = 0
    (found,) = findings(heart)
    assert (found.code, found.structure) == ("hole", None)
    assert "between MYO and RV" in found.message


def test_unlabelled_is_not_a_fault(heart):
    heart[heart == MYO] = 255
    assert findings(heart) == []
    heart[(heart == RV)] = 255
    assert findings(heart) == []


@pytest.mark.parametrize("quarter_turns", [0, 3])
def test_rv_above_the_lv_is_still_expected(quarter_turns, heart):
    turned = np.rot90(heart, quarter_turns)  # 3 quarters counter-clockwise: left goes up
    assert findings(turned) == []


def test_stack_findings_carry_their_slice():
    stack = draw_stack()
    stray(stack[2])
    hole(stack[1])
    found = stack_findings(stack)
    assert [(f.code, f.slice_index) for f in found] == [("hole", 1), ("stray", 2)]


def test_empty_slices_are_usual_at_the_ends_and_a_gap_in_between():
    stack = draw_stack()
    stack[[0, 3, 7]] = 0
    found = [(f.code, f.severity, f.slice_index) for f in stack_findings(stack)]
    assert found == [("empty", "info", 0), ("gap-in-stack", "warning", 3), ("empty", "info", 7)]


def test_a_displaced_slice_is_found():
    stack = draw_stack()
    stack[5] = np.roll(stack[5], -45, axis=0)
    found = [f for f in stack_findings(stack) if f.code == "slices-apart"]
    assert [(f.severity, f.slice_index) for f in found] == [("warning", 4), ("warning", 5)]


def test_plausible_is_what_has_nothing_worse_than_usual():
    stack = draw_stack()
    stack[0] = 0  # usual at the base
    assert is_plausible(stack_findings(stack))
    stray(stack[2])
    assert not is_plausible(stack_findings(stack))


def test_unlabelled_slice_is_no_gap():
    stack = draw_stack()
    stack[3] = 255
    assert [f.code for f in stack_findings(stack)] == ["empty"]


def test_findings_are_data():
    finding = Finding("cut", "The RV reaches the edge.", "warning")
    assert finding == Finding("cut", "The RV reaches the edge.", "warning")
    with pytest.raises(AttributeError, match="cannot assign"):
        finding.code = "hole"


@pytest.mark.parametrize(
    ("check", "labels", "spacing", "message"),
    [
        (findings, np.zeros((2, 4, 4)), (1, 1), "m.nii: has 3 dimensions, expected one slice"),
        (stack_findings, np.zeros((4, 4)), (1, 1, 1), "m.nii: has 2 dimensions, expected a stack"),
        (findings, np.full((4, 4), 9), (1, 1), "m.nii: found 9 where engine labels"),
        (findings, np.ones((4, 4)), (1, 0), "m.nii: spacing .* 2 positive numbers"),
    ],
)
def test_bad_input_is_named(check, labels, spacing, message):
    with pytest.raises(InputError, match=message):
        check(labels, spacing, name="m.nii")


def test_few_findings_in_real_patients(data_root):
    files = sorted(data_root.glob("acdc/training/patient*/*_gt.nii.gz"))[::20]
    if not files:
        pytest.skip("no ACDC patients in the data folder")
    counts: Counter[str] = Counter()
    slices = 0
    for file in files:
        scan = nib.load(file)
        mask = np.asarray(scan.dataobj).astype(np.uint8).T  # (x, y, z) -> (z, y, x)
        spacing = tuple(float(step) for step in scan.header.get_zooms()[::-1])
        found = stack_findings(convert(mask, "acdc"), spacing)
        counts.update(f.code for f in found if f.severity != "info")
        slices += len(mask)
    assert counts["rv-side"] == counts["cut"] == counts["gap-in-stack"] == 0
    assert counts.total() < 0.15 * slices
