"""Drawn hearts have the sizes of hearts, are whole, and depend on their arguments alone."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.anatomy.labels import LV, MYO, RV
from cmr_synth.anatomy.measurements import ejection_fraction, mass_g, volumes_ml, wall_thickness_mm
from cmr_synth.anatomy.plausibility import findings, stack_findings
from cmr_synth.anatomy.reference import function_of, outside
from cmr_synth.anatomy.template import LEVELS, SIZES, draw_slice, draw_stack
from cmr_synth.errors import InputError

SPACING = (8.0, 1.5, 1.5)
SEEDS = range(4)


def lv_ml(**options):
    return volumes_ml(draw_stack(**options), SPACING)["LV"]


def lv_ef(**options):
    return ejection_fraction(lv_ml(phase="ED", **options), lv_ml(phase="ES", **options))


@pytest.mark.parametrize("seed", SEEDS)
def test_normal_heart_has_normal_volumes(seed):
    assert 118 < lv_ml(seed=seed) < 160
    assert 0.52 < lv_ef(seed=seed) < 0.68


@pytest.mark.parametrize("slices", [8, 10, 12])
@pytest.mark.parametrize("seed", range(12))
def test_a_normal_heart_measures_as_published_ones(seed, slices):
    spacing = (64 / slices, 1.5, 1.5)
    ed, es = (
        draw_stack(phase=phase, seed=seed, slices=slices, spacing=spacing) for phase in ("ED", "ES")
    )
    found = function_of(ed, es, spacing)
    assert outside(found) == {}
    # what one ventricle ejects the other takes up
    assert found["rv_stroke_ml"] == pytest.approx(found["lv_stroke_ml"], rel=0.2)


@pytest.mark.parametrize("anatomy", SIZES)
@pytest.mark.parametrize("seed", range(6))
def test_the_wall_keeps_its_mass(seed, anatomy):
    ed, es = (
        mass_g(draw_stack(phase=phase, anatomy=anatomy, seed=seed), SPACING)
        for phase in ("ED", "ES")
    )
    assert es == pytest.approx(ed, rel=0.05)


def test_the_base_moves_towards_the_apex():
    ed, es = (draw_stack(phase=phase).any(axis=(1, 2)) for phase in ("ED", "ES"))
    assert ed.all()
    assert es.tolist() == [False] + [True] * 7


@pytest.mark.parametrize("seed", SEEDS)
def test_dilated_heart_is_large_and_weak(seed):
    assert lv_ml(anatomy="dilated", seed=seed) > 180
    assert lv_ef(anatomy="dilated", seed=seed) < 0.35


@pytest.mark.parametrize("seed", SEEDS)
def test_hypertrophic_heart_is_thick_above_all_at_the_septum(seed):
    walls = {
        anatomy: wall_thickness_mm(draw_slice(anatomy=anatomy, seed=seed), SPACING[1:])
        for anatomy in SIZES
    }
    assert 6.5 < np.mean(list(walls["normal"].values())) < 10.5
    assert np.mean(list(walls["dilated"].values())) < np.mean(list(walls["normal"].values()))
    assert walls["hypertrophic"]["anteroseptal"] > 11.5
    assert walls["hypertrophic"]["anteroseptal"] > 1.2 * walls["hypertrophic"]["inferolateral"]
    assert lv_ml(anatomy="hypertrophic", seed=seed) < lv_ml(anatomy="normal", seed=seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_wall_thickens_in_systole(seed):
    relaxed = wall_thickness_mm(draw_slice(phase="ED", seed=seed), SPACING[1:])
    contracted = wall_thickness_mm(draw_slice(phase="ES", seed=seed), SPACING[1:])
    assert all(contracted[sector] > relaxed[sector] for sector in relaxed)


@pytest.mark.parametrize("anatomy", SIZES)
@pytest.mark.parametrize("phase", ["ED", "ES"])
def test_nothing_about_a_drawn_heart_is_implausible(phase, anatomy):
    for seed in SEEDS:
        found = stack_findings(draw_stack(phase=phase, anatomy=anatomy, seed=seed))
        # at ES the most basal slice shows none
        assert [finding.code for finding in found] in ([], ["empty"])


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (2.0, 1.2), (0.75, 0.75)])
def test_size_in_mm_does_not_depend_on_the_grid(spacing):
    shape = (round(192 / spacing[0]), round(192 / spacing[1]))
    fine = draw_slice(shape=shape, spacing=spacing, seed=4)
    coarse = draw_slice(seed=4)
    for label in (LV, MYO, RV):
        area = (fine == label).sum() * spacing[0] * spacing[1]
        assert area == pytest.approx((coarse == label).sum() * 2.25, rel=0.04)
    assert findings(fine, spacing) == []


def test_rv_narrows_towards_the_apex_and_the_cavity_shrinks():
    stack = draw_stack()
    lv, rv = ((stack == label).sum(axis=(1, 2)) for label in (LV, RV))
    assert (np.diff(lv) < 0).all()
    assert (np.diff(rv) < 0).all()
    assert rv[-1] < 0.1 * rv[0]


@pytest.mark.parametrize("anatomy", SIZES)
@pytest.mark.parametrize("seed", SEEDS)
def test_heart_lies_centred_with_the_rv_on_the_left(seed, anatomy):
    heart = draw_slice(level="basal", anatomy=anatomy, seed=seed)
    inside = np.argwhere(heart != 0)
    box_centre = (inside.min(axis=0) + inside.max(axis=0)) / 2
    assert np.abs(box_centre - 63.5).max() < 10
    lv, rv = (np.argwhere(heart == label).mean(axis=0) for label in (LV, RV))
    assert rv[1] < 63.5 < lv[1] < 63.5 + 20


def test_same_arguments_same_heart_and_each_argument_counts():
    assert (draw_slice() == draw_slice()).all()
    for option in (
        {"seed": 1},
        {"level": "apical"},
        {"level": 0.4},
        {"phase": "ES"},
        {"anatomy": "dilated"},
        {"spacing": (1.2, 1.2)},
    ):
        assert (draw_slice() != draw_slice(**option)).any(), option


def test_named_levels_are_positions():
    for name, position in LEVELS.items():
        assert (draw_slice(level=name) == draw_slice(level=position)).all()


def test_slice_and_stack_show_the_same_heart():
    stack = draw_stack(slices=5, phase="ES", seed=9)
    assert stack.shape == (5, 128, 128)
    assert stack.dtype == np.uint8
    assert (stack[0] == 0).all()  # the base has moved below it
    assert (stack[2] == draw_slice(level=1.5 / 4, phase="ES", seed=9)).all()
    assert (draw_stack(slices=5, seed=9)[2] == draw_slice(level=0.5, seed=9)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"anatomy": "athletic"}, "unknown anatomy 'athletic'; known are normal, dilated"),
        ({"phase": "ed"}, "unknown phase 'ed'; known are ED, ES"),
        ({"level": "top"}, "unknown level 'top'; known are basal, mid, apical"),
        ({"level": 1.2}, "outside 0 .base. to 1 .apex."),
        ({"shape": (0, 128)}, "cannot draw on a grid"),
        ({"spacing": (1.5, float("nan"))}, "must be a positive number"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(InputError, match=message):
        draw_slice(**options)


def test_a_stack_needs_a_slice():
    with pytest.raises(InputError, match="at least 1"):
        draw_stack(slices=0)
