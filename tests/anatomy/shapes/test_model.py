"""The bundled shape model: what it draws is a heart, is what was asked for, and is repeatable."""

import numpy as np
import pytest

from cmr_synth.anatomy.labels import LV, MYO, RV
from cmr_synth.anatomy.plausibility import stack_findings
from cmr_synth.anatomy.reference import function_of
from cmr_synth.anatomy.shapes import ShapeModel, ShapeParameters, layout
from cmr_synth.anatomy.shapes.outlines import extent_mm, outlines
from cmr_synth.anatomy.shapes.sampling import TILTS
from cmr_synth.anatomy.template import draw_stack
from cmr_synth.errors import InputError

GRID = {"spacing": (10.0, 2.0, 2.0), "shape": (96, 96)}


@pytest.fixture(scope="module")
def model():
    return ShapeModel.load()


def dice(a, b, label):
    a, b = a == label, b == label
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def test_same_seed_same_heart_and_another_one_otherwise(model):
    one, same, other = (model.sample(seed, pathology="hcm") for seed in ([3, 1], [3, 1], [3, 2]))
    assert np.array_equal(one.vector, same.vector)
    assert not np.allclose(one.vector, other.vector)


@pytest.mark.parametrize("pathology", ["normal", "arv", "dcm", "hcm", "minf"])
def test_masks_hold_all_structures_and_nothing_impossible(model, pathology):
    for phase in model.decode(model.sample(5, pathology=pathology), **GRID):
        assert set(np.unique(phase)) == {0, LV, MYO, RV}
        assert not [f for f in stack_findings(phase, GRID["spacing"]) if f.severity == "error"]


def test_any_numbers_give_outlines_that_do_not_cross(model):
    rng = np.random.default_rng(0)
    vector = model.mean().vector + 3 * rng.normal(size=layout.SIZE)
    for phase in layout.PHASES:
        shape = ShapeParameters(vector=vector)
        top, end = extent_mm(shape, phase)
        found = outlines(shape, phase, np.linspace(top + 0.1, end - 0.1, 20))
        assert (found.endo >= 0).all()
        assert (found.epi > found.endo).all()
        assert (found.rv_inner >= found.epi).all()
        assert (found.rv_outer >= found.rv_inner).all()


def test_masks_of_unusual_numbers_are_in_one_piece(model):
    rng = np.random.default_rng(1)
    vector = model.mean().vector + 0.12 * rng.normal(size=layout.SIZE)
    for phase in model.decode(ShapeParameters(vector=vector), **GRID):
        found = {f.code for f in stack_findings(phase, GRID["spacing"])}
        assert not found & {"rv-touches-lv", "hole", "stray", "gap-in-stack"}


def test_no_sliver_of_the_rv_lies_beyond_the_left_ventricle(model):
    vector = np.array(model.mean("dcm").vector)
    for phase in layout.PHASES:  # an RV that would outlast the left ventricle
        vector[layout.where(f"{phase} rv_length")] += 0.5
    for labels in model.decode(ShapeParameters(vector=vector), spacing=(4.0, 2.0, 2.0)):
        for slice_labels in labels:
            alone = (slice_labels == RV).sum() * 4.0
            assert (slice_labels == MYO).any() or alone == 0 or alone >= 200


def test_hearts_hang_as_the_short_axis_is_planned(model):
    tilts = [float(model.sample(s, pathology="hcm", ef=0.7).block("tilt")) for s in range(12)]
    assert TILTS[0] <= min(tilts) < max(tilts) <= TILTS[1]


def test_wishes_come_true_in_the_outlines(model):
    shape = model.sample(1, pathology="dcm", ef=0.35, edv=210, mass=140)
    found = model.measure(shape)
    assert found["lv_ef"] == pytest.approx(0.35, rel=0.02)
    assert found["lv_edv_ml"] == pytest.approx(210, rel=0.02)
    assert found["lv_mass_g"] == pytest.approx(140, rel=0.02)


def test_function_can_be_that_of_the_masks(model):
    start = model.sample(2, pathology="normal")
    shape = model.with_function(start, grid=GRID, lv_ef=0.45)
    found = function_of(*model.decode(shape, **GRID), GRID["spacing"])
    before = function_of(*model.decode(start, **GRID), GRID["spacing"])
    assert abs(before["lv_ef"] - 0.45) > 0.05
    assert found["lv_ef"] == pytest.approx(0.45, abs=0.01)


def test_severity_leads_from_healthy_to_ill(model):
    volumes = [model.measure(model.mean("dcm", severity))["lv_edv_ml"] for severity in (0, 0.5, 1)]
    assert volumes[0] == pytest.approx(model.measure(model.mean())["lv_edv_ml"])
    assert volumes[0] < volumes[1] < volumes[2]


def test_traversal_starts_and_moves_along_the_mode_alone(model):
    start, moved = model.traverse(1, [0.0, 2.0])
    assert np.array_equal(start.vector, model.mean().vector)
    assert model.scores(moved) == pytest.approx(
        np.eye(len(model.statistics.modes))[1] * 2, abs=0.01
    )


def test_masks_come_back_from_encoding_on_their_own_grid(model):
    spacing = (8.0, 1.5, 1.5)
    ed, es = (draw_stack(phase=phase, seed=4) for phase in ("ED", "ES"))
    shape = model.encode(ed, es, spacing)
    back = model.decode(shape, spacing=spacing, slices=len(ed), shape=ed.shape[1:])
    for given, found in zip((ed, es), back, strict=True):
        assert dice(given, found, LV) > 0.97
        assert dice(given, found, MYO) > 0.93
        assert dice(given, found, RV) > 0.93


def test_a_stack_with_the_apex_first_is_turned(model):
    spacing = (8.0, 1.5, 1.5)
    ed, es = (draw_stack(phase=phase, seed=4) for phase in ("ED", "ES"))
    upright, turned = (model.encode(a, b, spacing) for a, b in ((ed, es), (ed[::-1], es[::-1])))
    assert np.allclose(upright.vector, turned.vector)


def test_finer_slices_show_the_same_heart(model):
    shape = model.sample(7, pathology="normal")
    for spacing in ((5.0, 2.0, 2.0), (2.5, 1.5, 1.5)):
        found = function_of(*model.decode(shape, spacing=spacing), spacing)
        assert found["lv_edv_ml"] == pytest.approx(model.measure(shape)["lv_edv_ml"], rel=0.03)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"pathology": "flu"}, "knows normal, arv"),
        ({"pathology": "dcm", "severity": 3}, "give 0 .* to 2"),
        ({"severity": 0.5}, "severity 0.5 of what"),
        ({"ef": 0.9}, "ef of 90%: give 5% to 85%"),
        ({"edv": 5}, "edv of 5 mL: give 20 to 500 mL"),
    ],
)
def test_what_no_heart_can_be_is_refused(model, asked, says):
    with pytest.raises(InputError, match=says):
        model.sample(0, **asked)


def test_masks_that_are_no_heart_are_refused(model):
    ed, es = (draw_stack(phase=phase, seed=4) for phase in ("ED", "ES"))
    without_rv = np.where(ed == RV, 0, ed)
    with pytest.raises(InputError, match="ED: no RV"):
        model.encode(without_rv, es, (8.0, 1.5, 1.5))
    with pytest.raises(InputError, match="ES: 2 slices with LV"):
        model.encode(ed, np.where(np.arange(len(es))[:, None, None] < 3, es, 0), (8.0, 1.5, 1.5))
    with pytest.raises(InputError, match="both phases of one stack"):
        model.encode(ed, es[:-1], (8.0, 1.5, 1.5))
