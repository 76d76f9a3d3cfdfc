"""New hearts: plausible, as asked for, and drawn again where they are not."""

import numpy as np
import pytest

from cmr_synth.anatomy.labels import LV, RV
from cmr_synth.anatomy.plausibility import is_plausible
from cmr_synth.anatomy.plausible_pairs import pair_findings
from cmr_synth.anatomy.reference import function_of, outside
from cmr_synth.anatomy.shapes import ShapeModel
from cmr_synth.anatomy.shapes import new_heart as module
from cmr_synth.anatomy.shapes.new_heart import MOST_DRAWS, HeartGrid, new_heart
from cmr_synth.anatomy.shapes.wishes import Wishes, drawn_pathology
from cmr_synth.errors import InputError

COARSE = HeartGrid(spacing=(10.0, 2.0, 2.0))


@pytest.fixture(scope="module")
def model():
    return ShapeModel.load()


@pytest.mark.parametrize("number", range(3))
def test_a_healthy_heart_is_plausible_and_in_the_published_ranges(model, number):
    heart = new_heart(model, Wishes(pathology="normal"), seed=1, number=number, grid=COARSE)
    assert is_plausible(pair_findings(heart.ed, heart.es, heart.spacing))
    assert len(outside(heart.measured)) <= 1


def test_masks_measure_what_was_asked_for(model):
    wishes = Wishes(pathology="hcm", ef=0.72, edv=120, mass=190, rv_ef=0.55)
    heart = new_heart(model, wishes, seed=2, grid=COARSE)
    for name, value in wishes.asked().items():
        assert heart.measured[name] == pytest.approx(value, rel=0.02)


def test_a_heart_depends_on_its_number_alone(model):
    one = new_heart(model, Wishes(), seed=4, number=1, grid=COARSE)
    new_heart(model, Wishes(), seed=4, number=0, grid=COARSE)
    again = new_heart(model, Wishes(), seed=4, number=1, grid=COARSE)
    assert np.array_equal(one.ed, again.ed) and np.array_equal(one.es, again.es)
    assert one.pathology == again.pathology


def test_a_pathology_is_drawn_that_has_what_is_asked_for(model):
    rng = np.random.default_rng(0)
    drawn = [drawn_pathology(model.statistics, rng, {"lv_ef": 0.15}) for _ in range(40)]
    assert drawn.count("dcm") > 30
    anything = [drawn_pathology(model.statistics, rng, {}) for _ in range(100)]
    assert set(anything) == set(model.pathologies)


def test_slices_are_as_far_apart_as_it_takes(model):
    grid = HeartGrid(spacing=(None, 2.0, 2.0), slices=9)
    heart = new_heart(model, Wishes(pathology="normal"), seed=1, grid=grid)
    assert len(heart.ed) == 9 and heart.spacing[0] % 0.5 == 0
    assert (heart.ed[[0, -2]] > 0).any(axis=(1, 2)).all()


def test_hearts_that_need_more_slices_are_drawn_again(model):
    needed = len(new_heart(model, Wishes(pathology="dcm"), seed=6, grid=COARSE).ed)
    few = HeartGrid(spacing=COARSE.spacing, slices=needed - 1)
    heart = new_heart(model, Wishes(pathology="dcm"), seed=6, grid=few)
    assert len(heart.ed) == needed - 1
    assert heart.redrawn[0] == f"It needs {needed} slices, and {needed - 1} were asked for."


def test_implausible_hearts_are_drawn_again_and_counted(model, monkeypatch):
    real, calls = pair_findings, []

    def with_a_fault(ed, es, spacing):
        calls.append(1)
        broken = np.where(np.arange(len(ed))[:, None, None] == 3, 0, ed)  # a gap in the stack
        return real(broken if len(calls) < 3 else ed, es, spacing)

    monkeypatch.setattr(module, "pair_findings", with_a_fault)
    heart = new_heart(model, Wishes(pathology="minf"), seed=0, grid=COARSE)
    assert len(heart.redrawn) == 2 and "The LV is missing here" in heart.redrawn[0]


def test_a_picture_too_small_for_any_heart_is_one_line(model, monkeypatch):
    monkeypatch.setattr(module, "MOST_DRAWS", 2)
    grid = HeartGrid(spacing=(10.0, 2.0, 2.0), shape=(24, 24))
    with pytest.raises(InputError, match="heart 0: none of 2 draws is a plausible heart"):
        new_heart(model, Wishes(pathology="dcm"), seed=0, grid=grid)
    assert MOST_DRAWS > 2


def test_a_heart_may_be_cut_where_only_a_part_of_it_is_wanted(model):
    """Base first: the same slices as of the whole heart, and what is asked for is the part's."""
    whole = HeartGrid(spacing=(8.0, 3.0, 3.0), slices=3, shape=(64, 64))
    with pytest.raises(InputError, match="and 3 were asked for"):
        new_heart(model, Wishes(pathology="normal"), seed=2, grid=whole)
    part = HeartGrid(spacing=(8.0, 3.0, 3.0), slices=3, shape=(64, 64), whole=False)
    heart = new_heart(model, Wishes(pathology="normal", ef=0.5), seed=2, grid=part)
    assert heart.ed.shape == (3, 64, 64)
    assert function_of(heart.ed, heart.es, heart.spacing)["lv_ef"] == pytest.approx(0.5, abs=0.02)
    longer, _ = model.decode(heart.parameters, spacing=heart.spacing, shape=(64, 64))
    assert len(longer) > 3
    for structure in (1, 2, 3):  # each stack is centred by itself, so pixels may differ at edges
        own, of_whole = ((stack[:3] == structure).sum((1, 2)) for stack in (heart.ed, longer))
        np.testing.assert_allclose(own, of_whole, rtol=0.1, atol=3)


def test_a_part_shows_both_ventricles_in_both_phases(model):
    part = HeartGrid(spacing=(10.0, 3.0, 3.0), slices=1, shape=(64, 64), whole=False)
    drawn = [
        new_heart(model, Wishes(pathology="normal"), seed=1, number=k, grid=part) for k in range(4)
    ]
    stacks = [stack for heart in drawn for stack in (heart.ed, heart.es)]
    assert all((stack == ventricle).any() for stack in stacks for ventricle in (LV, RV))
    # at ES the base of most comes down by more than a slice: those are drawn again, and say so
    assert any("at ES, of 1 slices" in why for heart in drawn for why in heart.redrawn)
