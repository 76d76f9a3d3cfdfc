"""Intervals: how often those of 95 % hold the truth when a study is made again and again."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from cmr_synth.evaluation.distributions import patient_means
from cmr_synth.evaluation.readers.calls import Reading, calls_of
from cmr_synth.evaluation.resampling import mean_interval, slice_mean_interval

from .tried import World, clustered, names

PATIENTS, EACH, ALIKE = 30, 8, 0.5


def of_a_mean() -> tuple[str, bool]:
    rng, studies = np.random.default_rng(0), 400
    patients = names("p", PATIENTS, EACH)
    held = 0
    for _ in range(studies):
        values = clustered(rng, PATIENTS, EACH, ALIKE)[:, 0]
        low, high = mean_interval(patient_means(values, patients), draws=500)
        held += low <= 0 <= high
    return _coverage(held, studies)


def of_a_share() -> tuple[str, bool]:
    rng, studies = np.random.default_rng(1), 400
    patients = names("p", PATIENTS, EACH)
    held = 0
    for _ in range(studies):
        inside = clustered(rng, PATIENTS, EACH, ALIKE)[:, 0] < norm.ppf(0.7)
        low, high = slice_mean_interval(inside.astype(float), patients, draws=500)
        held += low <= 0.7 <= high
    return _coverage(held, studies)


def of_five_readers() -> tuple[str, bool]:
    rng, studies, skill, hard, ease = np.random.default_rng(2), 200, 0.15, 0.3, 0.4
    truth = norm.cdf(ease / np.sqrt(1 + skill**2 + hard**2))
    kinds = ["real", "synthetic"] * 30
    other = {"real": "synthetic", "synthetic": "real"}
    held = 0
    for _ in range(studies):
        scale = ease + rng.normal(0, skill, (5, 1)) + rng.normal(0, hard, len(kinds))
        right = rng.random(scale.shape) < norm.cdf(scale)
        given = [
            Reading(f"r{r}", f"p{i}", kind, kind if right[r, i] else other[kind], 3)
            for r in range(5)
            for i, kind in enumerate(kinds)
        ]
        found = calls_of("all", given, draws=400)
        held += found.low <= truth <= found.high
    return _coverage(held, studies)


def _coverage(held: int, studies: int) -> tuple[str, bool]:
    # three standard errors of a coverage of 0.95 over 200 studies are 0.046
    share = held / studies
    return f"in {share:.3f} of {studies} studies", 0.91 <= share <= 0.985


WORLDS = {
    "mean interval": World(
        figure="Interval of a mean over patients",
        world=f"{PATIENTS} patients with {EACH} slices, intraclass correlation {ALIKE}",
        expected="holds the truth in 0.95 of studies",
        simulate=of_a_mean,
    ),
    "share interval": World(
        figure="Interval of a share of slices",
        world=f"{PATIENTS} patients with {EACH} slices, intraclass correlation {ALIKE}, share 0.7",
        expected="holds the truth in 0.95 of studies",
        simulate=of_a_share,
    ),
    "reader interval": World(
        figure="Interval of readers' accuracy",
        world="five readers of different skill, 60 images of different difficulty",
        expected="holds the truth in 0.95 of studies",
        simulate=of_five_readers,
    ),
}
