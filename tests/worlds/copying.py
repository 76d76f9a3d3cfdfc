"""Tests of overfitting and copying: known answers, and sets in which there is nothing to find."""

from __future__ import annotations

from functools import cache

import numpy as np

from cmr_synth.privacy.overfitting.audit import LEVEL, Overfitting
from cmr_synth.privacy.overfitting.measures import (
    Estimate,
    authentic,
    cluster,
    data_copying,
    diversity,
    generalisation_gap,
    nearest,
    privacy_loss,
    share_estimate,
)

from .tried import World, clustered, names

STUDIES, TRAINING, HELD_OUT, MASKS, EACH, FEW, ALIKE, WIDTH = 40, 40, 24, 16, 6, 2, 0.7, 6
WORLD = (
    f"{TRAINING} training and {HELD_OUT} held-out patients and a perfect generator that follows "
    f"the masks of {MASKS} of the latter, {EACH} slices each, intraclass correlation {ALIKE}"
)
OFTEN = f"in 1 of 20 of {STUDIES} studies"


@cache
def _studies() -> list[Overfitting]:
    """All tests of sets of one population."""
    rng = np.random.default_rng(0)
    people = names("t", TRAINING, EACH), names("h", HELD_OUT, EACH), names("h", MASKS, EACH)
    found = []
    for seed in range(STUDIES):
        trained, held, made = (
            clustered(rng, n, EACH, ALIKE, WIDTH) for n in (TRAINING, HELD_OUT, MASKS)
        )
        owners, others, groups = people
        sets = (made, trained, held, groups, owners, others)
        *accuracies, loss = privacy_loss(*sets, draws=40, seed=seed)
        around, around_real = owners[nearest(made, trained)[0]], owners[nearest(held, trained)[0]]
        real = share_estimate(authentic(held, trained), others, real=np.nan)
        shown = share_estimate(authentic(made, trained), groups, real=real.value)
        few = np.arange(len(made)) % EACH < FEW
        style = cluster(around[few], groups[few], around_real, others, draws=200, seed=seed)
        found.append(
            Overfitting(
                "made",
                None,
                len(made),
                shown.tested(-1, float(np.hypot(shown.error, real.error))),
                generalisation_gap(*sets, draws=200, seed=seed),
                data_copying(made, held, trained, groups, others, owners),
                accuracies[0],
                accuracies[1],
                loss,
                cluster(around, groups, around_real, others, draws=200, seed=seed),
                diversity(made, held, groups, others, draws=40, seed=seed),
                styles={"ge": style},
            )
        )
    return found


def of_points_on_a_line() -> tuple[str, bool]:
    """Gaps are exponential, that about a new point is two of them: 1 - 2 (1 - 2/3) = 1/3."""
    rng = np.random.default_rng(0)
    shares = [authentic(rng.random((1500, 1)), rng.random((1500, 1))).mean() for _ in range(12)]
    mean, error = np.mean(shares), np.std(shares) / np.sqrt(len(shares))
    return f"{mean:.3f} over {len(shares)} sets", abs(mean - 1 / 3) < 3 * error


def of_one_cell() -> tuple[str, bool]:
    rng, studies = np.random.default_rng(1), 150
    owners, others, groups = (names(k, n, EACH) for k, n in (("t", 40), ("h", 24), ("h", 16)))
    values = []
    for _ in range(studies):
        sets = (clustered(rng, n, EACH, 0.8, WIDTH) for n in (MASKS, HELD_OUT, TRAINING))
        values.append(data_copying(*sets, groups, others, owners).value)
    mean, spread = np.mean(values), np.std(values)
    outside = np.mean(np.abs(values) > 1.96)
    words = f"mean {mean:.2f}, deviation {spread:.2f}, {outside:.3f} beyond 1.96"
    holds = abs(mean) < 3 / np.sqrt(studies) and abs(spread - 1) < 3 / np.sqrt(2 * studies)
    return words, holds and _seldom(int(outside * studies), studies)


def of_a_gap() -> tuple[str, bool]:
    return _nothing([one.gap for one in _studies()], 0)


def of_a_loss() -> tuple[str, bool]:
    return _nothing([one.loss for one in _studies()], 0)


def of_diversity() -> tuple[str, bool]:
    return _nothing([one.diversity for one in _studies()], 1)


def of_a_cluster() -> tuple[str, bool]:
    return _p([one.cluster.p for one in _studies()])


def of_a_style() -> tuple[str, bool]:
    return _p([one.styles["ge"].p for one in _studies()])


def of_all_tests() -> tuple[str, bool]:
    found = [bool(one.findings()) for one in _studies()]
    alone = [min(p for p, _ in one.tests.values()) <= LEVEL for one in _studies()]
    words = f"in {sum(found)} of {STUDIES} studies; uncorrected in {sum(alone)}"
    return words, _seldom(sum(found), STUDIES)


def _nothing(found: list[Estimate], truth: float) -> tuple[str, bool]:
    values = [one.value for one in found]
    mean, error = np.mean(values), np.std(values) / np.sqrt(len(values))
    told = sum(one.p <= LEVEL for one in found)
    words = f"{mean:.3f} on average, told apart in {told}"
    return words, abs(mean - truth) < 3 * error and _seldom(told, len(found))


def _p(found: list[float]) -> tuple[str, bool]:
    small = sum(p <= 0.05 for p in found)
    return f"p <= 0.05 in {small}, {np.mean(found):.2f} on average", _seldom(small, len(found))


def _seldom(found: int, of: int) -> bool:
    return found <= of * (0.05 + 3 * np.sqrt(0.05 * 0.95 / of))


WORLDS = {
    "authenticity": World(
        figure="Authenticity",
        world="1500 training and 1500 new points drawn evenly on a line",
        expected="1/3",
        simulate=of_points_on_a_line,
    ),
    "C_T": World(
        figure="C_T, of one cell",
        world=f"{TRAINING} training and {HELD_OUT} held-out patients, a perfect generator that "
        f"follows the masks of {MASKS} of these, {EACH} slices each, intraclass correlation 0.8",
        expected="a standard normal: mean 0, deviation 1, 0.05 beyond 1.96",
        simulate=of_one_cell,
    ),
    "generalisation gap": World(
        figure="Generalisation gap",
        world=WORLD,
        expected=f"0, told apart {OFTEN}",
        simulate=of_a_gap,
    ),
    "privacy loss": World(
        figure="Privacy loss",
        world=WORLD,
        expected=f"0, told apart {OFTEN} or less",
        simulate=of_a_loss,
    ),
    "diversity": World(
        figure="Diversity",
        world=WORLD,
        expected=f"1, told apart {OFTEN}",
        simulate=of_diversity,
    ),
    "cluster": World(
        figure="p of a cluster about one patient",
        world=WORLD,
        expected=f"p <= 0.05 {OFTEN}",
        simulate=of_a_cluster,
    ),
    "style": World(
        figure="p of a style that points to one patient",
        world=f"{WORLD}; of each mask {FEW} slices in the style",
        expected=f"p <= 0.05 {OFTEN}",
        simulate=of_a_style,
    ),
    "findings": World(
        figure="Findings of all tests of copying",
        world=WORLD,
        expected=f"any finding {OFTEN} or less",
        simulate=of_all_tests,
    ),
}
