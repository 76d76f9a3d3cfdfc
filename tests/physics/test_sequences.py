"""Signal equations against a magnetisation that is followed pulse by pulse."""

from __future__ import annotations

import numpy as np
import pytest

from cmr_synth.errors import InputError
from cmr_synth.physics.molli import Molli, fit, signals
from cmr_synth.physics.sequences import (
    Readout,
    inverted_steady_state,
    late_enhancement,
    null_of,
    steady_state,
    t2_prepared,
)
from cmr_synth.physics.simulate import t2_of
from cmr_synth.physics.tissues import Tissue, changed, tissues, with_contrast


def followed(tissue, readout, pulses=4000):
    """Transverse magnetisation at the echo of the last of many alternating pulses."""
    angle = np.deg2rad(readout.flip)
    m = np.array([0.0, 0.0, 1.0])
    e1, e2 = (np.exp(-readout.tr / t) for t in (tissue.t1, tissue.t2))
    for k in range(pulses):
        a = angle * (-1) ** k
        m = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]]) @ m
        echo = abs(m[1]) * np.sqrt(e2)
        m = m * (e2, e2, e1) + (0, 0, 1 - e1)
    return echo


@pytest.mark.parametrize("name", ["LV", "MYO", "fat"])
@pytest.mark.parametrize("flip", [20, 60])
def test_steady_state_is_where_the_pulses_lead(name, flip):
    tissue, readout = tissues(1.5)[name], Readout(flip=flip)
    expected = tissue.density * followed(tissue, readout)
    assert steady_state(tissue, readout) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("name", ["LV", "MYO"])
def test_bssfp_after_an_inversion_goes_where_the_pulses_lead(name):
    tissue, readout = tissues(1.5)[name], Readout(flip=35, tr=1)
    half = np.deg2rad(readout.flip) / 2
    m = np.array([0.0, np.sin(half), -np.cos(half)])  # inverted, and tipped by half a pulse
    e1, e2 = (np.exp(-readout.tr / 2 / t) for t in (tissue.t1, tissue.t2))
    seen = []
    for k in range(2000):  # a pulse between two echoes
        m = m * (e2, e2, e1) + (0, 0, 1 - e1)
        a = 2 * half * (-1) ** k
        m = np.array([[1, 0, 0], [0, np.cos(a), np.sin(a)], [0, -np.sin(a), np.cos(a)]]) @ m
        m = m * (e2, e2, e1) + (0, 0, 1 - e1)
        seen.append(m[1] * (-1) ** k)
    expected = tissue.density * np.array(seen)
    found = inverted_steady_state(tissue, readout.tr * np.arange(1, 2001), readout)
    assert found[0] < 0 < found[-1]
    np.testing.assert_allclose(found, expected, atol=0.02 * np.abs(found).max())


def test_blood_is_brighter_than_wall_in_cine():
    for field in (1.5, 3.0):
        table = tissues(field)
        lv, wall = (steady_state(table[name], Readout()) for name in ("LV", "MYO"))
        assert 1.5 < lv / wall < 5


def test_late_enhancement_nulls_the_wall_and_shows_the_infarct():
    table = with_contrast(tissues(1.5), 1.5, 0.75)
    inversion = null_of(table["MYO"], 2000)
    assert 200 < inversion < 400  # as at the scanner
    assert late_enhancement(table["MYO"], inversion, 2000) == pytest.approx(0, abs=1e-9)
    assert late_enhancement(table["infarct"], inversion, 2000) > 0.15
    assert table["LV"].t1 < table["infarct"].t1 < table["MYO"].t1 < tissues(1.5)["MYO"].t1
    assert table["no-reflow"].t1 > table["MYO"].t1  # no agent gets there


def test_the_fit_finds_the_curve_that_was_drawn():
    times = Molli().times
    t_star, a, b = np.array([400.0, 900, 1500]), 0.4, 0.75
    curves = a - b * np.exp(-times[:, None] / t_star)
    assert fit(curves, times) == pytest.approx(t_star * (b / a - 1), rel=1e-3)
    assert fit(np.zeros((len(times), 2)), times).tolist() == [0, 0]


def test_without_a_readout_molli_is_an_inversion_recovery():
    quiet = Molli(scheme="9", beat=1500, readout=Readout(flip=0.5, tr=2.7, pulses=1))
    tissue = Tissue(1030, 40)
    assert fit(signals(tissue, quiet)[:, None], quiet.times)[0] == pytest.approx(1030, rel=2e-3)


def test_molli_is_short_of_t1_and_more_so_where_t2_is_short():
    taken = Molli()
    found = [fit(signals(Tissue(1030, t2), taken)[:, None], taken.times)[0] for t2 in (30, 45, 200)]
    assert found == sorted(found)
    assert 0.8 < found[1] / 1030 < 0.95  # Messroghli et al. and later work: about a tenth


def test_times_of_a_scheme():
    taken = Molli(scheme="3(3)5", beat=900)
    assert taken.times.tolist() == [100, 1000, 1900, 180, 1080, 1980, 2880, 3780]
    assert (taken.images, taken.rests) == ([3, 5], [3])


def test_t2_of_prepared_images():
    times = np.array([0.0, 25, 55])
    tissue = Tissue(1030, 47)
    images = t2_prepared(tissue, times, Readout(), beat=1000)
    assert t2_of(images[:, None], times)[0] == pytest.approx(47, rel=1e-4)
    assert t2_of(np.ones((3, 1)), times).tolist() == [0]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: tissues(7), "known for 1.5 or 3 T"),
        (lambda: changed(tissues(), ["MYO=3"]), "write TISSUE.FIGURE=VALUE"),
        (lambda: changed(tissues(), ["heart.t1=3"]), "tissues are LV, MYO"),
        (lambda: changed(tissues(), ["MYO.t3=3"]), "a tissue has t1, t2"),
        (lambda: changed(tissues(), ["MYO.t2=5000"]), "at most twice T1"),
        (lambda: changed(tissues(), ["MYO.t1=1e-e"]), "no number"),
        (lambda: changed(tissues(), ["MYO.space=2"]), "space"),
        (lambda: with_contrast(tissues(), 1.5, -1), "0 to 10"),
        (lambda: Molli(scheme="5-3-3"), "such as 5\\(3\\)3"),
        (lambda: Molli(scheme="2"), "three images"),
        (lambda: Molli(beat=250), "heartbeat of 250 ms"),
    ],
)
def test_what_cannot_be_is_one_line(call, words):
    with pytest.raises(InputError, match=words) as refused:
        call()
    assert "\n" not in str(refused.value)


def test_figures_are_set_one_by_one():
    table = changed(tissues(), ["MYO.t1=1250", "LV.density=0.9"])
    assert (table["MYO"].t1, table["MYO"].t2) == (1250, tissues()["MYO"].t2)
    assert table["LV"].density == 0.9
