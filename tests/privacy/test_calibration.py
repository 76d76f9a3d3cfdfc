"""P-values: right on null data, indifferent to duplicates, small for copies."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from cmr_synth.privacy.calibration import Calibration, LeftOut, discoveries


def held_out(rng: np.random.Generator, patients: int = 200, each: int = 3) -> Calibration:
    count = patients * each
    return Calibration(
        rng.uniform(0.5, 1, (count, 4)).astype(np.float32),
        np.repeat([f"p{i}" for i in range(patients)], each),
        np.full(count, "siemens"),
        np.tile(["basal", "mid", "apical"], patients),
    )


def drawn_from(statistics: np.ndarray, each: int = 3) -> Calibration:
    who, vendors, levels = conditions(len(statistics), each)
    return Calibration(statistics, who, vendors, levels)


def clustered(rng: np.random.Generator, patients: int, each: int, alike: float) -> np.ndarray:
    """Distances of which `alike` of the variance is between patients."""
    own = rng.normal(size=(patients, 4)).repeat(each, axis=0)
    return 10 + np.sqrt(alike) * own + np.sqrt(1 - alike) * rng.normal(size=(patients * each, 4))


LEVELS = np.array(["basal", "mid", "apical"])


def p_of(calibration: Calibration, statistics: np.ndarray, each: int = 3) -> np.ndarray:
    """Of slices, `each` of a mask."""
    return calibration.p_values(statistics, *conditions(len(statistics), each))


def conditions(count: int, each: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    masks = np.array([f"m{i // each}" for i in range(count)])
    return masks, np.full(count, "siemens"), np.resize(LEVELS, count)


def flagged_of(calibration: Calibration, statistics: np.ndarray, each: int = 3) -> np.ndarray:
    masks, vendors, _ = conditions(len(statistics), each)
    return discoveries(p_of(calibration, statistics, each), masks, vendors)


def test_p_values_of_strangers_are_those_of_a_patient():
    """The smallest of a mask's slices is uniform: as often below any level as it says."""
    for alike in (0.0, 0.8):
        least = []
        for seed in range(20):
            rng = np.random.default_rng(seed)
            near, asked = (clustered(rng, 60, 3, alike).astype(np.float32) for _ in range(2))
            p = p_of(drawn_from(near), asked)
            least.append(p.reshape(-1, 3).min(axis=1))
        for level in (0.05, 0.1, 0.3):
            assert 0.5 * level <= (np.concatenate(least) <= level).mean() <= 1.2 * level


def test_of_one_slice_the_share_of_a_patients_slices_counts():
    """By hand: every statistic the same, 24 patients with two slices, one of them near."""
    values = np.linspace(1, 2, 24)
    statistics = np.stack([values, np.full(24, 3.0)], axis=1).reshape(-1, 1).repeat(4, axis=1)
    calibration = Calibration(
        statistics.astype(np.float32),
        np.repeat([f"p{i:02}" for i in range(24)], 2),
        np.full(48, "ge"),
        np.full(48, "mid"),
    )
    asked = np.full((1, 4), values[5] + 0.01, np.float32)
    p = calibration.p_values(asked, np.array(["m"]), np.array(["ge"]), np.array(["mid"]))
    assert p == pytest.approx((1 + 6 / 2) / 25)  # six patients, half of whose slices are as near
    both = np.concatenate([asked, np.full((1, 4), 9.0, np.float32)])
    p = calibration.p_values(both, np.array(["m"] * 2), np.array(["ge"] * 2), np.array(["mid"] * 2))
    assert p[0] == pytest.approx((1 + 6) / 25)  # of two slices drawn one is near in all six


def test_patients_with_few_slices_count_for_more():
    near = clustered(np.random.default_rng(0), 30, 2, 0.5).astype(np.float32)
    peers = drawn_from(near, each=2).peers("siemens")
    inside = np.sort(peers.own.max(axis=1).reshape(30, 2).max(axis=1))[-4]
    eight = np.full((8, 4), inside)  # slices of a mask, four times as many as each patient has
    assert peers.p_values(eight) == pytest.approx((1 + 4 * 4) / 31)
    assert peers.p_values(eight[:2]) == pytest.approx((1 + 4) / 31)


def test_copies_are_discovered_among_honest_slices():
    rng = np.random.default_rng(0)
    statistics = rng.uniform(0.5, 1, (300, 4)).astype(np.float32)
    statistics[:30, 1] = 0.01
    flagged = flagged_of(held_out(rng), statistics)
    assert flagged[:30].all() and flagged[30:].mean() < 0.03


def test_one_copy_among_hundreds_is_discovered():
    rng = np.random.default_rng(0)
    statistics = rng.uniform(0.5, 1, (400, 4)).astype(np.float32)
    statistics[0, 1] = 0.05
    assert np.flatnonzero(flagged_of(held_out(rng, patients=30), statistics, 20)).tolist() == [0]
    # somewhat nearer than all is not yet a copy
    statistics[0, 1] = 0.495
    assert not flagged_of(held_out(rng, patients=30), statistics, 20).any()


def by_slices(near: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """The former p-value: (n F + 1) / (n + 1) with n slices, and a tail fitted to slices."""
    ranks = [
        np.min([(near[:, k] <= values[:, k, None]).mean(axis=1) for k in range(4)], axis=0)
        for values in (near, asked)
    ]
    share = (ranks[0] <= ranks[1][:, None]).mean(axis=1)
    p = (len(near) * share + 1) / (len(near) + 1)
    point = np.quantile(near, 0.1, axis=0)
    scale = [np.mean(point[k] - near[near[:, k] <= point[k], k]) for k in range(4)]
    tails = 4 * (0.1 * np.exp(-np.maximum(point - asked, 0) / scale)).min(axis=1)
    return np.where(ranks[1] == 0, np.minimum(p, tails), p)


def test_slices_counted_as_draws_of_their_own_would_be_flagged_too_often():
    """The former tail of p-values, which took slices of one patient for draws of their own."""
    old = new = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        near, asked = (clustered(rng, 37, 12, 0.8).astype(np.float32) for _ in range(2))
        calibration = drawn_from(near, each=12)
        new += flagged_of(calibration, asked, 12).any()
        old += bool((false_discovery_control(by_slices(near, asked)) <= 0.1).any())
    assert new / 40 <= 0.1 + 3 * np.sqrt(0.09 / 40) < old / 40


def test_the_continued_tail_errs_on_the_large_side():
    small = []
    for seed in range(25):
        rng = np.random.default_rng(seed)
        near, asked = (1 + 0.1 * rng.normal(size=(n, 4)).astype(np.float32) for n in (120, 402))
        small.append((p_of(drawn_from(near), asked) <= 0.002).reshape(-1, 3).any(axis=1).mean())
    assert np.mean(small) <= 0.003


def test_duplicated_slices_change_nothing():
    rng = np.random.default_rng(3)
    one = held_out(rng, patients=30)
    many = np.concatenate([np.arange(len(one)), *[np.arange(3)] * 20])  # of the first patient
    heavy = Calibration.of(
        one.statistics[many], one.patients[many], one.vendors[many], one.levels[many]
    )
    asked = rng.uniform(0.4, 1, (51, 4)).astype(np.float32)
    assert p_of(one, asked) == pytest.approx(p_of(heavy, asked))
    _, vendors, levels = conditions(51)
    np.testing.assert_array_equal(*(c.near(asked, vendors, levels) for c in (one, heavy)))


def test_patients_are_left_out_one_by_one():
    rng = np.random.default_rng(0)
    calibration = held_out(rng, patients=30)
    seen = calibration.left_out
    assert seen.patients == 30 and seen.flagged <= 3 and seen.above == ""
    assert "of 30 are flagged" in seen.words
    loud = LeftOut(40, 9, (0.02, 0.0, 0.05))
    assert "22.5% are flagged (9 of 40; 12% to 38%), above the 10%" in loud.above
    assert held_out(rng, patients=20).left_out is None  # 19 are too few to calibrate


def test_too_few_patients_say_how_many_are_needed():
    few = held_out(np.random.default_rng(0), patients=19)
    assert few.too_few == "19 held-out patients, and 20 are needed"
    with pytest.raises(ValueError, match="and 20 are needed"):
        p_of(few, np.ones((3, 4)))


def test_few_patients_of_a_vendor_are_widened_and_named():
    calibration = held_out(np.random.default_rng(0), patients=130)
    calibration.vendors[: 3 * 115] = "ge"
    assert calibration.matched("ge", "mid") == "ge, mid"
    assert calibration.matched("siemens", "mid") == "mid, all vendors"
    assert calibration.matched("ge", "") == "ge, all levels"
    assert calibration.matched("", "") == "all vendors and levels"
    # a level of few slices has no tail of its own
    assert held_out(np.random.default_rng(0), patients=30).matched("ge", "mid") == (
        "all vendors and levels"
    )


def test_without_a_discovery_nothing_is_flagged():
    masks, vendors, _ = conditions(100)
    assert not discoveries(np.full(100, 0.5), masks, vendors).any()
    assert discoveries(np.array([]), masks[:0], vendors[:0]).shape == (0,)


def test_slices_of_one_mask_are_one_discovery():
    """Twelve slices as near as a tenth of patients are one mask, and no twelve discoveries."""
    masks, vendors, _ = conditions(240, each=12)
    p = np.where(masks == "m0", 0.02, 1.0)
    assert not discoveries(p, masks, vendors).any()
    assert discoveries(p, np.arange(240).astype(str), vendors).sum() == 0
    p[masks == "m0"] = 0.004
    p[5] = 0.02
    assert np.flatnonzero(discoveries(p, masks, vendors)).tolist() == [
        i for i in range(12) if i != 5
    ]


def test_discoveries_are_those_of_the_paper():
    """Step by step as Benjamini and Hochberg state it, ties and steps met exactly included."""
    rng = np.random.default_rng(0)
    for n in range(1, 60):
        for rate in (0.05, 0.1):
            k = int(rng.integers(1, n + 1))
            met = np.r_[np.full(k - 1, 1e-9), rate * k / n, np.full(n - k, 0.9)]
            masks, vendors, _ = conditions(n, each=1)
            for p in (met, rng.random(n) ** 3, rng.integers(1, 11, n) / 100):
                rank = np.array([(p <= each).sum() for each in p])
                largest = max(p[p <= rate * rank / n * (1 + 1e-12)], default=-1.0)
                np.testing.assert_array_equal(discoveries(p, masks, vendors, rate), p <= largest)
