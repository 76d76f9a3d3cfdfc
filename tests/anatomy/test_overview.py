"""The overview gathers what the measurements say, and finds the phases of a beat."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.anatomy.labels import MYO, RV
from cmr_synth.anatomy.measurements import SECTORS, areas_mm2, ejection_fraction, volumes_ml
from cmr_synth.anatomy.overview import beat, overview, slices_drawn
from cmr_synth.anatomy.template import draw_stack
from cmr_synth.errors import InputError

SPACING = (8.0, 1.5, 1.5)


def test_it_says_what_the_measurements_say():
    stack = draw_stack()
    seen = overview(stack, SPACING, 3)
    assert seen.areas_mm2 == areas_mm2(stack[3], SPACING[1:])
    assert seen.volumes_ml == volumes_ml(stack, SPACING)
    assert seen.mass_g == pytest.approx(seen.volumes_ml["MYO"] * 1.05)
    assert tuple(seen.wall_mm) == SECTORS and seen.findings == ()


def test_a_slice_without_rv_takes_the_septum_of_its_neighbour():
    stack = draw_stack()
    whole = overview(stack, SPACING, 5).wall_mm
    stack[5][stack[5] == RV] = 0
    lent = overview(stack, SPACING, 5).wall_mm
    assert list(lent.values()) == pytest.approx(list(whole.values()), abs=0.5)
    stack[stack == RV] = 0
    assert list(overview(stack, SPACING, 5).wall_mm) == ["all round"]


def test_where_there_is_nothing_to_measure_there_is_no_number():
    stack = draw_stack()
    stack[2][stack[2] == MYO] = 0
    seen = overview(stack, SPACING, 2)
    assert seen.wall_mm == {}
    assert ("myocardium-missing", 2) in {(f.code, f.slice_index) for f in seen.findings}
    assert np.isnan(overview(stack[:1], SPACING, 0).volumes_ml["LV"])
    with pytest.raises(InputError, match="m: there is no slice 8, it has 0 to 7"):
        overview(stack, SPACING, 8, name="m")


def test_the_beat_goes_from_the_largest_lv_to_the_smallest():
    es, ed = (volumes_ml(draw_stack(phase=phase), SPACING) for phase in ("ES", "ED"))
    empty = {"LV": 0.0, "MYO": 0.0, "RV": 0.0}
    found = beat([empty, es, ed, empty])
    assert (found.ed, found.es) == (2, 1)
    assert found.fraction["LV"] == ejection_fraction(ed["LV"], es["LV"])
    assert 0.3 < found.fraction["RV"] < 0.7
    assert found.doubts == {}


def test_a_frame_that_is_half_drawn_gives_no_ejection_fraction():
    ed, es = draw_stack(phase="ED"), draw_stack(phase="ES")
    painted = np.zeros_like(ed)
    painted[4] = es[4]
    measured = [volumes_ml(frame, SPACING) for frame in (ed, es, painted)]
    drawn = [slices_drawn(frame) for frame in (ed, es, painted)]
    assert beat(measured[:2], drawn[:2]).doubts == {}  # the base moved by a slice
    half = beat(measured[::2], drawn[::2])
    assert np.isnan(half.fraction["LV"])
    assert half.doubts["LV"] == "LV: drawn on 8 slices at ED and 1 at ES; finish both phases."


@pytest.mark.parametrize(("es_ml", "said"), [(9.0, "91 %"), (120.0, "-20 %")])
def test_what_no_ventricle_ejects_is_a_doubt_and_no_number(es_ml, said):
    # the LV decides which is which; the RV of a swapped or unfinished phase cannot be believed
    ed, es = {"LV": 100.0, "RV": 100.0}, {"LV": 40.0, "RV": es_ml}
    found = beat([ed, es])
    assert found.fraction["LV"] == pytest.approx(0.6)
    assert np.isnan(found.fraction["RV"]) and said in found.doubts["RV"]


def test_no_beat_without_two_phases():
    ed = volumes_ml(draw_stack(), SPACING)
    assert beat([]) is None and beat([ed]) is None and beat([ed, ed]) is None
    half = beat([ed, {"LV": 40.0, "RV": 0.0}])
    assert np.isnan(half.fraction["RV"]) and half.fraction["LV"] > 0.5
