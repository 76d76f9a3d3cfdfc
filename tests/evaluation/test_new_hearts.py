"""Figures of sampled hearts in worlds where the answer is known."""

import numpy as np
import pytest

from cmr_synth.anatomy.reference import NORMAL
from cmr_synth.anatomy.shapes import ShapeModel
from cmr_synth.anatomy.template import draw_stack
from cmr_synth.cohorts.hearts import Heart
from cmr_synth.evaluation.new_hearts import (
    COMPARED,
    compared,
    mean_with_interval,
    measurements,
    reconstruction,
    within_ranges,
)

SPACING = (8.0, 1.5, 1.5)


def population(seed, count, shift=0.0):
    rng = np.random.default_rng(seed)
    values = rng.normal(100, 10, (count, len(COMPARED)))
    values[:, 0] += shift
    return [dict(zip(COMPARED, row, strict=True)) for row in values]


def heart(seed=4):
    ed, es = (draw_stack(phase=phase, seed=seed) for phase in ("ED", "ES"))
    return Heart(
        cohort="drawn",
        patient="p",
        pathology="normal",
        split="test",
        ed=ed,
        es=es,
        spacing=SPACING,
    )


def test_one_population_is_not_rejected_and_a_shift_is():
    same = compared(population(0, 400), population(1, 25))
    assert all(one.p_corrected >= 0.05 for one in same.values())
    shifted = compared(population(0, 400, shift=30), population(1, 25))
    assert [name for name, one in shifted.items() if one.p_corrected < 0.05] == [COMPARED[0]]
    assert shifted[COMPARED[0]].p_corrected == pytest.approx(10 * shifted[COMPARED[0]].p)


def test_ranges_count_each_measurement():
    inside = {name: (low + high) / 2 for name, (low, high) in NORMAL.items()}
    outside = {**inside, "lv_ef": 0.2}
    found = within_ranges([inside, outside])
    assert found["lv_ef"] == 0.5 and found["lv_mass_g"] == 1
    assert found["all"] == pytest.approx(1 - 0.5 / len(NORMAL))


def test_measurements_of_a_drawn_heart():
    one = heart()
    found = measurements(one.ed, one.es, SPACING)
    assert set(COMPARED) <= set(found)
    assert found["length_mm"] == 8 * 8.0
    assert 5 < found["wall_mm"] < 12


def test_reconstruction_does_not_mind_which_end_is_the_base():
    one = heart()
    turned = Heart(**{**vars(one), "ed": one.ed[::-1], "es": one.es[::-1]})
    for drawn in (one, turned):
        found = reconstruction(ShapeModel.load(), [drawn])
        assert all(v[0] > 0.9 for phase in found.values() for v in phase.values())


def test_modes_alone_keep_less_than_the_whole_shape():
    model = ShapeModel.load()
    whole, alone = (reconstruction(model, [heart()], modes_alone=m) for m in (False, True))
    assert all(alone[p][s][0] < whole[p][s][0] for p in whole for s in whole[p])


def test_the_interval_holds_the_mean():
    value, low, high = mean_with_interval(np.random.default_rng(0).normal(0.9, 0.02, 20))
    assert low < value < high
