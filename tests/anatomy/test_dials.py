"""Disease dials: nothing at 0, what was asked for otherwise, and back again."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.anatomy.dials import (
    DIALS,
    PRESETS,
    Dials,
    Heart,
    Region,
    Regional,
    combined,
    move_labels,
    move_pixels,
    preset,
    scaled,
    turn,
)
from cmr_synth.anatomy.labels import INFARCT, LV, MYO, RV, scar_as_myocardium
from cmr_synth.anatomy.measurements import mass_g, volumes_ml, wall_thickness_mm
from cmr_synth.anatomy.template import draw_slice, draw_stack
from cmr_synth.errors import InputError

SPACING = (8.0, 1.5, 1.5)


def wall(amount: float, where: str = "") -> tuple[Regional, ...]:
    return (Regional(amount, Region(where)),)


# One of every dial; along the axis one slice of eight, for which there is room beside the heart.
ONE_OF_EACH = {
    "dilation": Dials(dilation=0.4),
    "contraction": Dials(dilation=-0.5),
    "hypertrophy": Dials(hypertrophy=wall(0.5)),
    "asymmetric": Dials(hypertrophy=wall(0.6, "septal")),
    "thinning": Dials(thinning=wall(0.3, "inferior+inferolateral")),
    "rv_dilation": Dials(rv_dilation=0.5),
    "septal_flattening": Dials(septal_flattening=0.8),
    "apical_displacement": Dials(apical_displacement=0.1),
    "basal_shift": Dials(basal_shift=0.1),
    "several": Dials(dilation=0.3, hypertrophy=wall(0.3, "septal"), rv_dilation=0.3),
}


@pytest.fixture(scope="module")
def labels():
    """A drawn heart with two empty slices on either side."""
    return np.pad(draw_stack(seed=3, shape=(112, 112)), ((2, 2), (0, 0), (0, 0)))


@pytest.fixture(scope="module")
def heart(labels):
    return Heart(labels, SPACING)


def dice(one, other, label) -> float:
    a, b = one == label, other == label
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def test_at_zero_nothing_changes_to_the_bit(labels, heart):
    turned = heart.turned(Dials())
    assert np.array_equal(turned.labels, labels)
    assert all(effect.before == effect.measured for effect in turned.effects)
    pixels = np.random.default_rng(0).random(labels.shape, dtype=np.float32)
    assert np.array_equal(move_pixels(pixels, turned.warp), pixels)


def test_a_touch_of_a_dial_changes_little(labels, heart):
    for dials in (Dials(dilation=1e-4), Dials(hypertrophy=wall(1e-4)), Dials(basal_shift=1e-5)):
        assert np.mean(heart.turned(dials).labels != labels) < 1e-3


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_points_come_back_where_they_were(heart, name):
    warp = heart.turned(ONE_OF_EACH[name]).warp
    rng = np.random.default_rng(1)
    y, x = rng.uniform(0, 160, size=(2, 400))
    for z in (16.0, 40.0, 61.3, 90.0):
        there = warp.source(z, y, x)
        z_back, y_back, x_back = warp.inverse.source(*there)
        np.testing.assert_allclose(z_back, z, atol=1e-9)
        np.testing.assert_allclose(y_back, y, atol=1e-5)
        np.testing.assert_allclose(x_back, x, atol=1e-5)


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_there_and_back_is_the_same_mask(labels, heart, name):
    turned = heart.turned(ONE_OF_EACH[name])
    back = move_labels(turned.labels, turned.warp.inverse)
    along = name in ("apical_displacement", "basal_shift")  # between slices 8 mm apart, twice
    for label in (LV, MYO, RV):
        assert dice(back, labels, label) >= (0.93 if along else 0.98)


def test_dials_do_what_they_say(labels, heart):
    before = volumes_ml(labels, SPACING)

    def after(dials):
        return volumes_ml(heart.turned(dials).labels, SPACING)

    larger = after(Dials(dilation=0.4))
    assert larger["LV"] == pytest.approx(1.4 * before["LV"], rel=0.02)
    assert larger["MYO"] == pytest.approx(before["MYO"], rel=0.03)  # the wall keeps its mass
    assert larger["RV"] == pytest.approx(before["RV"], rel=0.02)
    rv = after(Dials(rv_dilation=0.5))
    assert rv["RV"] == pytest.approx(1.5 * before["RV"], rel=0.03)
    assert rv["LV"] == pytest.approx(before["LV"], rel=0.005)
    flat = after(Dials(septal_flattening=0.8))
    assert flat["LV"] < 0.95 * before["LV"]
    assert flat["RV"] > 1.05 * before["RV"]


def test_hypertrophy_of_a_sector_stays_in_it(labels, heart):
    thick = heart.turned(Dials(hypertrophy=wall(0.6, "inferoseptal+anteroseptal"))).labels
    k = len(labels) // 2
    old, new = (wall_thickness_mm(stack[k], SPACING[1:]) for stack in (labels, thick))
    for sector in ("inferoseptal", "anteroseptal"):
        assert new[sector] == pytest.approx(1.6 * old[sector], rel=0.08)
    for sector in ("inferolateral", "anterolateral"):
        assert new[sector] == pytest.approx(old[sector], rel=0.05)


def test_levels_limit_an_effect_along_the_axis(labels, heart):
    thick = heart.turned(Dials(hypertrophy=wall(0.8, "apical"))).labels
    grown = [
        (b == MYO).sum() / (a == MYO).sum() for a, b in zip(labels[2:10], thick[2:10], strict=True)
    ]
    assert grown[0] == pytest.approx(1, abs=0.01)
    assert grown[-1] > 1.7


def test_segments_and_sectors_name_the_same_wall(heart):
    by_name = heart.turned(Dials(hypertrophy=wall(0.5, "mid-anterolateral"))).labels
    by_number = heart.turned(Dials(hypertrophy=wall(0.5, "12"))).labels
    assert np.array_equal(by_name, by_number)


def test_scar_reaches_from_the_endocardium_as_deep_as_asked(labels, heart):
    for transmurality in (0.25, 0.5, 1.0):
        turned = heart.turned(Dials(scar=wall(transmurality, "inferior")))
        (share,) = [e for e in turned.effects if e.name.startswith("scar of")]
        assert share.measured == pytest.approx(share.asked, abs=12)  # %, of a wall 4 pixels thick
        assert np.array_equal(scar_as_myocardium(turned.labels), labels)
    mid = turned.labels[len(labels) // 2]
    rows = np.argwhere(mid == INFARCT)[:, 0]
    assert rows.mean() > np.argwhere(mid == LV)[:, 0].mean()  # inferior is below


def test_flat_septum_makes_a_d_of_the_left_ventricle(heart):
    turned = heart.turned(Dials(septal_flattening=1.0))
    (index,) = [e for e in turned.effects if e.dial == "septal_flattening"]
    assert index.before == pytest.approx(1.0, abs=0.08)
    assert index.measured > 1.2
    assert index.measured == pytest.approx(index.asked, rel=0.03)


def test_ends_of_the_ventricle_move_by_slices(labels, heart):
    one_slice = 1 / 8
    longer = heart.turned(Dials(apical_displacement=one_slice)).labels
    shorter = heart.turned(Dials(basal_shift=one_slice)).labels

    def with_lv(stack):
        return np.flatnonzero((stack == LV).any(axis=(1, 2))).tolist()

    assert with_lv(labels) == list(range(2, 10))
    assert with_lv(longer) == list(range(2, 11))
    assert with_lv(shorter) == list(range(3, 10))


def test_stacks_with_the_apex_first_are_the_same_heart(labels, heart):
    for dials in (Dials(basal_shift=0.1), Dials(hypertrophy=wall(0.8, "apical"))):
        turned_over = turn(labels[::-1], SPACING, dials).labels[::-1]
        assert np.array_equal(turned_over, heart.turned(dials).labels)


def test_what_lies_around_the_heart_and_in_other_slices_changes_nothing(labels):
    dials = ONE_OF_EACH["several"]
    alone = Heart(labels, SPACING).turned(dials).labels
    wide = ((0, 0), (40, 3), (5, 60))
    within = Heart(np.pad(labels, wide), SPACING).turned(dials).labels
    np.testing.assert_array_equal(within, np.pad(alone, wide))
    np.testing.assert_array_equal(Heart(labels, SPACING).slices(dials, (5,))[5], alone[5])


def test_image_moves_with_its_mask(labels, heart):
    turned = heart.turned(Dials(dilation=0.4, hypertrophy=wall(0.4, "septal")))
    blood = move_pixels((labels == LV).astype(np.float32), turned.warp)
    assert dice(blood > 0.5, turned.labels == LV, True) > 0.99


def test_far_from_the_heart_nothing_moves(labels):
    wide = np.pad(labels, ((0, 0), (80, 80), (80, 80)))
    turned = turn(wide, SPACING, Dials(dilation=0.3))
    pixels = np.random.default_rng(0).random(wide.shape, dtype=np.float32)
    moved = move_pixels(pixels, turned.warp)
    assert np.array_equal(moved[:, 0], pixels[:, 0])
    assert not np.array_equal(moved, pixels)


def test_more_of_a_dial_is_more_of_its_effect(heart):
    def mass(amount):
        return mass_g(heart.turned(Dials(hypertrophy=wall(amount))).labels, SPACING)

    masses = [mass(amount) for amount in (0.0, 0.2, 0.5, 1.0)]
    assert masses == sorted(masses)
    assert masses[-1] > 1.8 * masses[0]


@pytest.mark.parametrize("name", PRESETS)
def test_presets_do_what_they_say_to_a_dilated_heart(name):
    drawn = draw_stack(seed=1, anatomy="dilated", shape=(144, 144))
    for effect in turn(drawn, SPACING, preset(name)).effects:
        if effect.unit in ("mL", "g") and "scar" not in effect.name:
            assert effect.measured == pytest.approx(effect.asked, rel=0.06), effect


def test_severity_scales_a_disease():
    assert scaled(preset("dcm"), 0.0).neutral
    assert scaled(preset("dcm"), 0.5).dilation == pytest.approx(0.4)
    with pytest.raises(InputError, match="severity -1 is out of range"):
        scaled(preset("dcm"), -1)
    with pytest.raises(InputError, match="dilation 2.4 is out of range"):
        scaled(preset("dcm"), 3.0)


def test_combined_dials_multiply_their_shares():
    both = combined(Dials(dilation=0.5, hypertrophy=wall(0.2)), Dials(dilation=0.1))
    assert both.dilation == pytest.approx(0.65)
    assert both.hypertrophy == wall(0.2)


def test_a_record_says_the_dials_again():
    dials = Dials(dilation=0.2, scar=(Regional(0.5, Region("mid-septal")),))
    assert dials.record() == {"dilation": 0.2, "scar": ["0.5@mid-septal"]}
    assert Dials.from_record(dials.record()) == dials
    with pytest.raises(InputError, match="dial 'speed' is unknown"):
        Dials.from_record({"speed": 1})


@pytest.mark.parametrize("name", DIALS)
@pytest.mark.parametrize("beyond", [0.01, float("nan")])
def test_amounts_out_of_range_are_refused(name, beyond):
    amount = DIALS[name].highest + beyond
    value = wall(amount) if DIALS[name].regional else amount
    with pytest.raises(InputError, match="is out of range; give"):
        Dials(**{name: value})


def test_regions_unknown_are_named_with_the_known_ones():
    with pytest.raises(InputError, match=r"region 'septum' is unknown; give septal.*AHA segments"):
        Region("septum")
    with pytest.raises(InputError, match="name a region after the @"):
        Regional.parse("0.5@", dial="scar")
    with pytest.raises(InputError, match="give a number"):
        Regional.parse("much", dial="scar")


def no_lv(labels):
    return np.where(labels == LV, 0, labels)


def no_rv(labels):
    return np.where(labels == RV, 0, labels)


def no_wall(labels):
    return np.where(labels == MYO, 0, labels)


def no_lateral_wall(labels):
    x = np.arange(labels.shape[2])
    right = x > np.argwhere(labels == LV)[:, 2].mean()
    return np.where((labels == MYO) & right, 0, labels)


def touching(labels):
    return np.where((labels == MYO), LV, labels)


@pytest.mark.parametrize(
    ("spoil", "dials", "told"),
    [
        (np.zeros_like, Dials(dilation=0.3), "is empty"),
        (no_lv, Dials(dilation=0.3), "has no LV blood pool"),
        (touching, Dials(dilation=0.3), "RV and LV blood pool touch.*Mend the mask"),
        (no_wall, Dials(hypertrophy=wall(0.5)), "has no myocardium"),
        (no_rv, Dials(rv_dilation=0.3), "has no RV"),
        (no_rv, Dials(septal_flattening=0.3), "has no RV beside the septum"),
        (no_rv, Dials(scar=wall(0.5, "septal")), "nothing tells where septal is"),
        (no_lateral_wall, Dials(thinning=wall(0.5, "lateral")), "there is no wall in lateral"),
        (lambda s: s[5:6], Dials(basal_shift=0.1), "one slice alone"),
        (lambda s: s[5:6], Dials(hypertrophy=wall(0.5, "apical")), "shows nothing of the region"),
        (lambda s: s[2:10], Dials(apical_displacement=0.2), "2 more empty slices beyond the apex"),
        (lambda s: s[:, 30:-30, 30:-30], Dials(dilation=1.2), "outgrows the picture"),
    ],
)
def test_what_cannot_be_turned_is_said_in_one_line(labels, spoil, dials, told):
    with pytest.raises(InputError, match=told):
        turn(spoil(labels).astype(np.uint8), SPACING, dials, name="heart.nii.gz")


def test_one_slice_has_all_dials_within_its_plane():
    one = draw_slice(level="mid", seed=2)[None]
    turned = turn(one, SPACING, Dials(dilation=0.3, septal_flattening=0.5, rv_dilation=0.2))
    assert (turned.labels == LV).sum() > (one == LV).sum()


def test_no_rv_still_dilates_and_thickens(labels):
    drawn = no_rv(labels).astype(np.uint8)
    turned = turn(drawn, SPACING, Dials(dilation=0.3, hypertrophy=wall(0.3)))
    grown = volumes_ml(turned.labels, SPACING)["LV"] / volumes_ml(drawn, SPACING)["LV"]
    assert grown == pytest.approx(1.3, rel=0.02)
