"""Requested function: the heart that has it, or the constraint that binds."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.anatomy.body_size import body_surface_m2
from cmr_synth.anatomy.dials import Heart
from cmr_synth.anatomy.labels import LV, MYO, RV
from cmr_synth.anatomy.measurements import ejection_fraction, mass_g, volumes_ml
from cmr_synth.anatomy.requested import Function, indexed, reach
from cmr_synth.anatomy.template import draw_stack
from cmr_synth.errors import InputError

SPACING = (10.0, 2.0, 2.0)


@pytest.fixture(scope="module")
def heart():
    return Heart(draw_stack(seed=4, slices=6, shape=(80, 80), spacing=SPACING), SPACING)


@pytest.mark.parametrize("ef", [0.1, 0.45, 0.75])
def test_an_ejection_fraction_is_that_of_the_masks(heart, ef):
    found = reach(heart, Function(ef=ef))
    ed, es = (volumes_ml(labels, SPACING) for labels in (found.ed, found.es))
    assert ejection_fraction(ed["LV"], es["LV"]) == pytest.approx(ef, abs=0.01)
    assert np.array_equal(found.ed, heart.labels)  # nothing was asked of end-diastole
    # the wall keeps its mass
    assert mass_g(found.es, SPACING) == pytest.approx(mass_g(found.ed, SPACING), rel=0.03)


def test_everything_at_once(heart):
    wanted = Function(edv_ml=170, esv_ml=90, mass_g=110, rv_edv_ml=150, rv_ef=0.45)
    found = reach(heart, wanted)
    assert not found.missed
    assert max(abs(error) for error in found.errors.values()) < 0.02
    volumes = volumes_ml(found.ed, SPACING)
    assert volumes["LV"] == pytest.approx(170, rel=0.02)
    assert volumes["RV"] == pytest.approx(150, rel=0.02)


def test_a_wall_thickness_and_no_end_systole(heart):
    found = reach(heart, Function(wall_mm=9.0))
    assert found.es is None
    assert found.measured["wall_mm"] == pytest.approx(9.0, rel=0.02)
    assert found.measured["edv_ml"] == pytest.approx(
        volumes_ml(heart.labels, SPACING)["LV"], rel=0.01
    )


def test_an_end_systolic_volume_with_an_ejection_fraction_tells_the_diastolic_one(heart):
    found = reach(heart, Function(esv_ml=80, ef=0.5))
    assert found.measured["edv_ml"] == pytest.approx(160, rel=0.02)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"edv_ml": 120, "esv_ml": 150}, "LV ESV 150 mL is not below its EDV 120 mL"),
        ({"ef": 0.9}, "LV EF 90 % is out of range; give 5 to 85 %"),
        ({"rv_ef": 0.01}, "RV EF 1 % is out of range"),
        ({"edv_ml": 100, "esv_ml": 10}, "make an EF of 90.0 %; hearts have 5 to 85 %"),
        ({"edv_ml": 120, "esv_ml": 60, "ef": 0.6}, "make an EF of 50.0 %, and 60 % is asked for"),
        ({"mass_g": -3}, "LV mass -3 g; give a number above 0"),
        ({"edv_ml": float("nan")}, "give a number above 0"),
    ],
)
def test_what_no_heart_has_is_refused(asked, told):
    with pytest.raises(InputError, match=told):
        Function(**asked)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, "no function is asked for"),
        ({"edv_ml": 900}, r"LV EDV of 900 mL is too far from the \d+ mL that it has"),
        ({"mass_g": 900}, "mass of 900 g is too far from the"),
        ({"esv_ml": 300}, r"its LV holds \d+ mL at ED, no more than the ESV of 300 mL"),
        ({"mass_g": 150, "wall_mm": 4}, "mass and wall thickness contradict each other"),
        ({"wall_mm": 40}, "a wall of 40 mm is too far from"),
    ],
)
def test_the_constraint_that_binds_is_named(heart, asked, told):
    with pytest.raises(InputError, match=told):
        reach(heart, Function(**asked))


def test_what_is_not_there_has_no_function(heart):
    for label, asked, told in (
        (RV, {"rv_ef": 0.5}, "has no RV"),
        (MYO, {"mass_g": 100}, "has no myocardium"),
    ):
        without = Heart(np.where(heart.labels == label, 0, heart.labels), SPACING)
        with pytest.raises(InputError, match=told):
            reach(without, Function(**asked))


def test_requests_by_body_surface():
    surface = body_surface_m2(180, 80)
    assert surface == pytest.approx(2.0)
    wanted = indexed(Function(edv_ml=80, ef=0.6, wall_mm=8), surface)
    assert wanted == Function(edv_ml=160, ef=0.6, wall_mm=8)
    with pytest.raises(InputError, match="height 1.8 cm; give 30 to 250 cm"):
        body_surface_m2(1.8, 80)


def test_one_slice_has_an_ejection_fraction_too():
    one = draw_stack(seed=4, slices=1, shape=(80, 80), spacing=SPACING)
    found = reach(Heart(one, SPACING), Function(ef=0.5))
    assert (found.es == LV).sum() == pytest.approx(0.5 * (one == LV).sum(), rel=0.03)
