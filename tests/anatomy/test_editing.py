"""The contouring tools against closed forms and by the properties that a mask must keep."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cmr_synth.anatomy.editing import (
    copy_slice,
    draw_contour,
    expand,
    fill_between,
    rasterise,
    remove_strays,
    ring,
    smooth,
)
from cmr_synth.anatomy.labels import LV, MYO, RV
from cmr_synth.anatomy.measurements import wall_thickness_mm
from cmr_synth.anatomy.plausibility import findings, stack_findings
from cmr_synth.anatomy.template import draw_slice, draw_stack
from cmr_synth.errors import InputError

SPACINGS = [(1.5, 1.5), (1.0, 2.0), (0.8, 0.8)]
FEW = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def circle(radius, centre=(40.0, 44.0), points=200):
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.stack(
        [centre[0] + radius * np.sin(angle), centre[1] + radius * np.cos(angle)], axis=1
    )


def disc_mm(spacing, radius, field=140.0, offset=(0.0, 0.0)):
    """Pixels within `radius` mm of the middle of a field of view of `field` mm."""
    axes = [
        (np.arange(round(field / step)) - (round(field / step) - 1) / 2) * step - shift
        for step, shift in zip(spacing, offset, strict=True)
    ]
    y, x = np.meshgrid(*axes, indexing="ij")
    return np.hypot(y, x) <= radius


def empty():
    return np.zeros((80, 88), np.uint8)


# Contours


@FEW
@given(
    radius=st.floats(3, 25),
    dy=st.floats(-3, 3),
    dx=st.floats(-3, 3),
)
def test_a_filled_circle_has_the_area_of_the_circle(radius, dy, dx):
    filled = rasterise(circle(radius, (40 + dy, 44 + dx)), (80, 88))
    # Pixels on the outline are rounded up or down; on a symmetric circle they agree by eights.
    assert filled.sum() == pytest.approx(np.pi * radius**2, abs=8 + 0.1 * 2 * np.pi * radius)


def test_the_area_of_contours_is_right_on_average():
    rng = np.random.default_rng(0)
    error = [
        np.sqrt(rasterise(circle(radius, centre), (80, 88)).sum() / np.pi) - radius
        for radius, centre in zip(
            rng.uniform(3, 25, 100), rng.uniform(30, 50, (100, 2)), strict=True
        )
    ]
    assert abs(np.mean(error)) < 0.05  # pixels; a share of exactly a half is rounded up


def test_a_pixel_needs_half_its_area_inside():
    def strip(width):
        return [(9.5, 9.5), (9.5, 20.5), (9.5 + width, 20.5), (9.5 + width, 9.5)]

    assert rasterise(strip(1.5), (40, 40))[10].sum() == 11
    assert rasterise(strip(1.55), (40, 40))[11].sum() == 11
    assert rasterise(strip(1.2), (40, 40))[11].sum() == 0


def test_a_freehand_line_that_crosses_itself_leaves_no_hole():
    once, twice = circle(12), circle(10)
    filled = rasterise(np.vstack([once, once[:1], twice]), (80, 88))
    assert (filled == rasterise(once, (80, 88))).all()


def test_what_lies_beyond_the_image_is_cut():
    filled = rasterise(circle(10, (0, 44)), (80, 88))
    assert filled.shape == (80, 88)
    assert filled.sum() == pytest.approx(np.pi * 50 + 10, rel=0.05)  # and half a pixel's strip


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([(1, 1), (2, 2)], "fewer than three different points"),
        ([(1, 1), (2, 2), (1, 1)], "fewer than three different points"),
        ([(1, 1), (2, float("nan")), (3, 1)], "a point that is no number"),
        ([(5, 5), (5.1, 5), (5, 5.1)], "encloses no pixel"),
        (circle(5, (-40, -40)), "encloses no pixel"),
    ],
)
def test_a_contour_around_nothing_is_refused(points, message):
    with pytest.raises(InputError, match=message):
        rasterise(points, (80, 88))


@FEW
@given(inner=st.floats(5, 15), wall=st.floats(3, 12), shift=st.floats(-2, 2))
def test_endo_and_epi_give_the_same_heart_in_either_order(inner, wall, shift):
    endo, epi = circle(inner, (40 + shift, 44)), circle(inner + wall)
    one = draw_contour(draw_contour(empty(), endo, "endo"), epi, "epi")
    other = draw_contour(draw_contour(empty(), epi, "epi"), endo, "endo")
    assert (one == other).all()
    assert {f.code for f in findings(one, (1.0, 1.0))} <= {"lv-missing"}


def test_a_new_endo_gives_back_to_the_wall_what_it_leaves(heart):
    centre = np.argwhere(heart == LV).mean(axis=0)
    smaller = draw_contour(heart, circle(10, centre), "endo")
    assert (np.isin(smaller, (LV, MYO)) == np.isin(heart, (LV, MYO))).all()
    assert (smaller == LV).sum() < (heart == LV).sum()


def test_an_rv_contour_takes_nothing_from_the_left_heart(heart):
    around_all = [(2, 2), (2, 125), (125, 125), (125, 2)]
    drawn = draw_contour(heart, around_all, "RV")
    left = np.isin(heart, (LV, MYO))
    assert (drawn[left] == heart[left]).all()
    # Pixels that the line halves belong to it, those at the corners are a quarter inside.
    assert (drawn == RV).sum() == 124**2 - 4 - left.sum()


def test_a_contour_replaces_the_one_before(heart):
    drawn = draw_contour(heart, circle(9, (30, 30)), "RV")
    assert (drawn == RV).sum() == pytest.approx(np.pi * 81, rel=0.05)


def test_an_rv_contour_within_the_lv_is_refused(heart):
    centre = np.argwhere(heart == LV).mean(axis=0)
    with pytest.raises(InputError, match="lies within the LV and the myocardium"):
        draw_contour(heart, circle(5, centre), "RV")
    with pytest.raises(InputError, match="unknown contour 'Endo'; known are endo, epi, RV"):
        draw_contour(heart, circle(5, centre), "Endo")


# Wall and margins


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("thickness", [6.0, 9.3, 14.0])
def test_the_wall_is_as_thick_as_asked_whatever_the_pixels(spacing, thickness):
    labels = ring(disc_mm(spacing, 22.0) * np.uint8(LV), spacing, thickness)
    measured = wall_thickness_mm(labels, spacing, anterior_insertion=0.3)
    assert list(measured.values()) == pytest.approx([thickness] * 6, abs=max(spacing) / 3)
    assert np.mean(list(measured.values())) == pytest.approx(thickness, abs=max(spacing) / 5)
    assert "myocardium-open" not in {f.code for f in findings(labels, spacing)}


def test_the_wall_replaces_the_old_one_and_spares_the_rv(heart):
    thick = ring(heart, (1.5, 1.5), 20.0)
    assert ((heart == RV) <= (thick == RV)).all()
    over = ring(heart, (1.5, 1.5), 20.0, over_rv=True)
    assert (over == RV).sum() < (heart == RV).sum()
    thin = ring(thick, (1.5, 1.5), 5.0)
    assert (thin == MYO).sum() < (heart == MYO).sum()
    assert ((thin == LV) == (heart == LV)).all()


def test_wall_of_a_stack_is_the_wall_of_its_slices():
    stack = draw_stack(slices=3)
    walled = ring(stack, (8.0, 1.5, 1.5), 7.0)
    for before, after in zip(stack, walled, strict=True):
        assert (ring(before, (1.5, 1.5), 7.0) == after).all()


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("by", [-6.0, -2.0, 3.0, 8.0])
def test_a_disc_grows_and_shrinks_by_the_distance(spacing, by):
    labels = disc_mm(spacing, 25.0) * np.uint8(RV)
    area = (expand(labels, spacing, RV, by) == RV).sum() * spacing[0] * spacing[1]
    assert np.sqrt(area / np.pi) == pytest.approx(25 + by, abs=max(spacing) / 5)


def test_thin_structures_are_not_lost():
    line = np.zeros((40, 40), np.uint8)
    line[20, 10:30] = line[5, 5] = RV
    wide = expand(line, (1.5, 1.5), RV, 3.0)
    assert (wide[line == RV] == RV).all()
    assert 4 <= (wide[:, 20] == RV).sum() <= 5 and (wide[3:8, 3:8] == RV).sum() > 12


@FEW
@given(
    seed=st.integers(0, 50),
    by=st.sampled_from([-4.0, -2.0, 2.0, 5.0]),
    structure=st.sampled_from([LV, MYO, RV]),
)
def test_a_moved_border_takes_only_what_it_may(seed, by, structure):
    before = draw_slice(seed=seed)
    after = expand(before, (1.5, 1.5), structure, by)
    assert (after == structure).sum() != (before == structure).sum()
    changed = before != after
    lost = {LV: (MYO, 0), MYO: (0,), RV: (0,)}[structure]
    assert np.isin(before[changed], (*lost, structure)).all()
    if structure == LV and by < 0:  # the wall follows: the epicardium stays
        assert (np.isin(after, (LV, MYO)) == np.isin(before, (LV, MYO))).all()
    if structure == MYO:
        assert ((after == LV) == (before == LV)).all()


def test_expanding_by_nothing_is_said(heart):
    with pytest.raises(InputError, match="LV: nothing changes. The distance is less than half"):
        expand(heart, (1.5, 1.5), LV, 0.01)
    with pytest.raises(InputError, match="contracted by 60 mm nothing would be left of it"):
        expand(heart, (1.5, 1.5), LV, -60)


# Between slices


def test_a_copy_is_the_other_slice_and_changes_no_third():
    stack = draw_stack(slices=4)
    copied = copy_slice(stack, 1, 2)
    assert (copied[2] == stack[1]).all()
    assert (copied[[0, 1, 3]] == stack[[0, 1, 3]]).all()


def test_slices_between_are_filled_as_a_cone_demands():
    """The radius of a cone falls linearly, and so does a signed distance to its outline."""
    spacing = (8.0, 1.0, 1.0)
    radii = np.linspace(30, 14, 5)
    cone = np.stack([disc_mm(spacing[1:], r) for r in radii]) * np.uint8(RV)
    gappy = cone.copy()
    gappy[1:4] = 0
    filled = fill_between(gappy, spacing)
    for plane, radius in zip(filled, radii, strict=True):
        assert np.sqrt((plane == RV).sum() / np.pi) == pytest.approx(radius, abs=0.5)


@pytest.mark.parametrize("left_out", [[1], [2, 3], [1, 2, 4, 5, 6]])
def test_a_gap_in_a_heart_is_filled_much_as_it_was(left_out):
    stack = draw_stack(seed=2)
    gappy = stack.copy()
    gappy[left_out] = 0
    filled = fill_between(gappy, (8.0, 1.5, 1.5))
    drawn = [index for index in range(len(stack)) if index not in left_out]
    assert (filled[drawn] == stack[drawn]).all()
    for label in (LV, MYO, RV):
        both = ((filled == label) & (stack == label))[left_out].sum()
        either = (filled[left_out] == label).sum() + (stack[left_out] == label).sum()
        assert 2 * both / either > 0.75
    codes = {f.code for f in stack_findings(filled) if f.severity != "info"}
    assert not codes & {"rv-touches-lv", "myocardium-open", "gap-in-stack"}


def test_filling_overwrites_nothing_and_keeps_partly_drawn_slices():
    stack = draw_stack(slices=5)
    gappy = stack.copy()
    gappy[2][stack[2] != LV] = 0  # here only the LV is drawn
    gappy[3] = 0
    filled = fill_between(gappy, (8.0, 1.5, 1.5))
    assert (filled[gappy != 0] == gappy[gappy != 0]).all()
    assert ((filled[2] == LV) == (gappy[2] == LV)).all()
    assert (filled[2] == MYO).any() and (filled[3] == RV).any()


def test_the_lv_narrows_towards_an_apex_of_wall_alone():
    stack = draw_stack(slices=6)
    stack[5][stack[5] == LV] = MYO
    gappy = stack.copy()
    gappy[2:5] = 0
    areas = (fill_between(gappy, (8.0, 1.5, 1.5)) == LV).sum(axis=(1, 2))
    assert (np.diff(areas[1:]) < 0).all() and areas[4] > 0


def test_nothing_to_fill_or_copy_is_said():
    stack = draw_stack(slices=3)
    with pytest.raises(InputError, match="no slice lies between two that show the same structure"):
        fill_between(stack, (8.0, 1.5, 1.5))
    with pytest.raises(InputError, match="no slice 3, the stack has 0 to 2"):
        copy_slice(stack, 3, 1)
    stack[0] = 0
    with pytest.raises(InputError, match="nothing is drawn in slice 0"):
        copy_slice(stack, 0, 1)
    apart = np.zeros((3, 60, 60), np.uint8)
    apart[0, 5:10, 5:10] = apart[2, 50:55, 50:55] = RV
    with pytest.raises(InputError, match="do not overlap"):
        fill_between(apart, (8.0, 1.5, 1.5))


# Cleaning


def ragged(heart, seed):
    """Pixels along the outlines take the label of a random neighbour."""
    rng = np.random.default_rng(seed)
    shift = rng.integers(-1, 2, (2, *heart.shape))
    rows, columns = np.indices(heart.shape)
    return heart[(rows + shift[0]).clip(0, 127), (columns + shift[1]).clip(0, 127)]


def outline_length(labels):
    return (np.diff(labels.astype(int), axis=0) != 0).sum() + (
        np.diff(labels.astype(int), axis=1) != 0
    ).sum()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("level", ["basal", "mid", "apical"])
def test_smoothing_brings_a_ragged_heart_back(seed, level):
    heart = draw_slice(seed=seed, level=level, phase="ES" if seed % 2 else "ED")
    rough = ragged(heart, seed)
    smoothed = smooth(rough, (1.5, 1.5))
    assert outline_length(smoothed) < 0.85 * outline_length(rough)
    assert (smoothed != heart).sum() < (rough != heart).sum()


@FEW
@given(
    seed=st.integers(0, 100),
    sigma=st.floats(0.8, 4),
    anatomy=st.sampled_from(["normal", "dilated"]),
    level=st.floats(0, 0.95),
)
def test_smoothing_keeps_a_closed_wall_closed(seed, sigma, anatomy, level):
    heart = ring(draw_slice(seed=seed, anatomy=anatomy, level=level), (1.5, 1.5), 2.5)
    before = {(f.code, f.structure) for f in findings(heart) if f.code not in ("cut", "rv-side")}
    try:
        smoothed = smooth(heart, (1.5, 1.5), sigma_mm=sigma)
    except InputError:  # already smooth
        return
    after = {(f.code, f.structure) for f in findings(smoothed)}
    planted = {"myocardium-open", "rv-touches-lv", "lv-missing", "myocardium-missing", "stray"}
    assert {f for f in after if f[0] in planted} <= before
    assert set(np.unique(smoothed)) == set(np.unique(heart))


def test_smoothing_opens_no_gap_at_the_septum(heart):
    smoothed = smooth(ragged(heart, 5), (1.5, 1.5))
    assert "hole" not in {f.code for f in findings(smoothed)}


def test_unlabelled_pixels_stay(heart):
    heart[:20] = 255
    assert ((smooth(ragged(heart, 1), (1.5, 1.5)) == 255) == (ragged(heart, 1) == 255)).all()


def test_strays_become_what_surrounds_them(heart):
    dirty = heart.copy()
    lv = np.argwhere(heart == LV).mean(axis=0).round().astype(int)
    dirty[3:6, 3:6] = RV
    dirty[lv[0] : lv[0] + 2, lv[1]] = RV
    dirty[120, 120] = MYO
    assert (remove_strays(dirty) == heart).all()
    assert (remove_strays(np.stack([heart, dirty])) == heart).all()
    with pytest.raises(InputError, match="in one piece in its slice already"):
        remove_strays(heart)


# All of them


def tools():
    spacing = (8.0, 1.5, 1.5)
    stack = draw_stack(slices=4, seed=1)
    dirty = stack.copy()
    dirty[1, 2:4, 2:4] = LV
    gappy = stack.copy()
    gappy[1] = 0
    return {
        "ring": (stack, lambda labels: ring(labels, spacing, 6.0)),
        "expand": (stack, lambda labels: expand(labels, spacing, LV, 3.0)),
        "copy": (stack, lambda labels: copy_slice(labels, 0, 1)),
        "fill": (gappy, lambda labels: fill_between(labels, spacing)),
        "smooth": (dirty, lambda labels: smooth(labels, spacing, sigma_mm=3.0)),
        "strays": (dirty, remove_strays),
        "contour": (stack[1], lambda labels: draw_contour(labels, circle(12), "endo")),
    }


@pytest.mark.parametrize("tool", tools())
def test_a_tool_returns_a_new_array_and_leaves_the_old_one(tool):
    labels, apply = tools()[tool]
    before = labels.copy()
    after = apply(labels)
    assert (labels == before).all() and not np.shares_memory(labels, after)
    assert after.dtype == np.uint8 and after.shape == labels.shape
    assert (after != before).any()


@pytest.mark.parametrize("tool", tools())
def test_a_tool_refuses_an_empty_mask_or_what_is_no_mask(tool):
    labels, apply = tools()[tool]
    with pytest.raises(InputError, match="engine labels"):
        apply(np.full_like(labels, 9))
    with pytest.raises(InputError, match="dimensions"):
        apply(np.zeros((1, 1, 1, 4), np.uint8))
    if tool != "contour":
        with pytest.raises(InputError, match=r"^[^\n]+$"):
            apply(np.zeros_like(labels))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda h: ring(h, (1.5, 1.5), 0), "wall thickness 0 mm; give a number above 0"),
        (lambda h: ring(h, (1.5, 0), 5), "2 positive numbers"),
        (lambda h: ring(h * (h == RV), (1.5, 1.5), 5), "no LV blood pool here"),
        (lambda h: expand(h, (1.5, 1.5), 7, 2), r"unknown structure 7; known are 1 \(LV\)"),
        (lambda h: expand(h * (h == RV), (1.5, 1.5), LV, 2), "LV: nothing to expand or contract"),
        (lambda h: smooth(h, (1.5, 1.5), sigma_mm=-1), "smooth: by -1 mm"),
    ],
)
def test_bad_arguments_are_named(call, message, heart):
    with pytest.raises(InputError, match=message):
        call(heart)
