"""Beating hearts: volumes follow the curve, the wall keeps its mass, and time is smooth."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.anatomy.beating import TYPICAL, Plan, beat, function_between
from cmr_synth.anatomy.dials import Heart
from cmr_synth.anatomy.labels import LV, MYO
from cmr_synth.anatomy.template import draw_stack
from cmr_synth.errors import InputError

SPACING = (10.0, 2.0, 2.0)


@pytest.fixture(scope="module")
def heart():
    return Heart(draw_stack(seed=4, slices=6, shape=(80, 80), spacing=SPACING), SPACING)


@pytest.fixture(scope="module")
def frames(heart):
    return list(beat(heart, Plan(ef=0.6, frames=10)))


def test_the_curve_falls_to_end_systole_and_rises_again():
    times = np.linspace(0, 1, 101)
    shares = TYPICAL.at(times)
    es = int(np.argmin(shares))
    assert [shares[0], shares[-1], shares[es]] == pytest.approx([1, 1, 0], abs=0.01)
    assert times[es] == pytest.approx(TYPICAL.systole, abs=0.02)
    assert (np.diff(shares[: es + 1]) <= 1e-9).all() and (np.diff(shares[es:]) >= -1e-9).all()
    later = TYPICAL.at(times, systole=0.5)
    assert times[int(np.argmin(later))] == pytest.approx(0.5, abs=0.02)


def test_the_ejection_fraction_is_that_of_the_plan(heart, frames):
    assert np.array_equal(frames[0].labels, heart.labels)
    volumes = [frame.volumes_ml["LV"] for frame in frames]
    assert 1 - min(volumes) / volumes[0] == pytest.approx(0.6, abs=0.01)
    for frame in frames:
        assert frame.volumes_ml["LV"] == pytest.approx(frame.asked_ml["LV"], rel=0.02)


def test_the_wall_keeps_its_mass(frames):
    wall = np.array([frame.volumes_ml["MYO"] for frame in frames])
    assert np.abs(wall / wall[0] - 1).max() < 0.03


def test_both_ventricles_eject_as_much(frames):
    strokes = [
        frames[0].volumes_ml[part] - min(frame.volumes_ml[part] for frame in frames)
        for part in ("LV", "RV")
    ]
    assert strokes[1] == pytest.approx(strokes[0], rel=0.05)


def test_time_is_smooth_and_comes_round(heart):
    several = list(beat(heart, Plan(ef=0.5, frames=16)))
    lv = np.array([frame.volumes_ml["LV"] for frame in several])
    stroke = lv.max() - lv.min()
    steps = np.abs(np.diff(np.append(lv, lv[0])))
    assert steps.max() < 0.3 * stroke
    moved = [np.mean(a.labels != b.labels) for a, b in zip(several, several[1:], strict=False)]
    assert max(moved) < 0.05  # no frame jumps


def test_the_base_comes_down_if_it_is_to(heart):
    (*_,) = frames = list(beat(heart, Plan(ef=0.6, frames=4, systole=0.5, shortening=0.15)))
    with_lv = [int((frame.labels == LV).any(axis=(1, 2)).sum()) for frame in frames]
    assert with_lv == [6, 6, 5, 6] or with_lv[2] == min(with_lv) < with_lv[0]
    assert frames[2].volumes_ml["LV"] == pytest.approx(frames[2].asked_ml["LV"], rel=0.02)
    wall = np.array([frame.volumes_ml["MYO"] for frame in frames])
    assert np.abs(wall / wall[0] - 1).max() < 0.03


def test_the_function_between_two_masks(heart, frames):
    es = min(frames, key=lambda frame: frame.volumes_ml["LV"])
    ef, rv_ef = function_between(heart, es.labels)
    assert ef == pytest.approx(0.6, abs=0.01) and rv_ef is not None
    larger = Heart(es.labels, SPACING)
    with pytest.raises(InputError, match="are the phases swapped"):
        function_between(larger, heart.labels)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"ef": 0.9}, "EF 90 % is out of range; give 5 to 85 %"),
        ({"ef": 0.5, "rv_ef": 0.0}, "RV EF 0 % is out of range"),
        ({"ef": 0.5, "frames": 1}, "1 frames; give 2 to 100"),
        ({"ef": 0.5, "systole": 0.9}, "systole of 0.9 of the cycle"),
        ({"ef": 0.5, "shortening": 0.5}, "shortening 0.5; give 0 to 0.25"),
    ],
)
def test_plans_that_no_heart_follows_are_refused(asked, told):
    with pytest.raises(InputError, match=told):
        Plan(**asked)


def test_only_walls_beat(heart):
    without = Heart(np.where(heart.labels == MYO, 0, heart.labels), SPACING)
    with pytest.raises(InputError, match="has no myocardium"):
        next(beat(without, Plan(ef=0.5)))
