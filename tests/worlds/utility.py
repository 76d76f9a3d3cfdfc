"""Utility: trainings of many seeds on many patients, and what the arms are trained with."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from cmr_synth.cohorts.slices import SliceRow, SliceSet
from cmr_synth.evaluation.adherence.patients import PatientScore
from cmr_synth.evaluation.utility.arms import Arm
from cmr_synth.evaluation.utility.results import Result, compare_arms
from cmr_synth.evaluation.utility.runs import Run
from cmr_synth.evaluation.utility.sets import training_set
from cmr_synth.evaluation.utility.study import Protocol
from cmr_synth.training.batches import Batches
from cmr_synth.training.recipe import Augmentation

from .tried import World

STUDIES, SEEDS = 200, 5
DICE = 0.8


def of_a_mean(patients: int) -> tuple[str, bool]:
    rng, held = np.random.default_rng(patients), 0
    for _ in range(STUDIES):
        one, _ = _study(rng, patients)
        held += one.low <= DICE <= one.high
    return _covered(held)


def of_a_difference(patients: int) -> tuple[str, bool]:
    rng, held = np.random.default_rng(10 + patients), 0
    for _ in range(STUDIES):
        _, other = _study(rng, patients)
        assert other.difference_low is not None and other.difference_high is not None
        held += other.difference_low <= 0 <= other.difference_high
    # three standard errors of 5 % over 200 studies are 4.6 %
    missed = 1 - held / STUDIES
    return f"misses 0 in {missed:.3f} of {STUDIES} studies", 0.005 <= missed <= 0.096


def of_exposure() -> tuple[str, bool]:
    """Slices are told by their one shade: 0 to 19 real, 20 to 31 of others, 100 up synthetic."""
    real, others = np.arange(20), np.arange(20, 32)
    shades = np.arange(32, dtype=np.uint8)[:, None, None]
    rows = tuple(
        SliceRow(
            cohort="drawn",
            patient=f"p{k}",
            split="train",
            vendor="siemens",
            phase="ED",
            pathology="",
            slice=0,
            z=0.5,
            completed=False,
        )
        for k in range(32)
    )
    images = np.broadcast_to(shades, (32, 128, 128))
    slices = SliceSet(images, np.ones_like(images), np.ones_like(images), rows, {"spacing_mm": 1.5})
    copies = {k: np.broadcast_to(100 + shades[:20], (20, 128, 128)) for k in range(3)}
    protocol, seen = Protocol(ratios=(1, 2), images=48), {}
    for arm in protocol.arms(others=True):
        recipe = protocol.recipe(arm, 0)
        training, streams = training_set(arm, slices, real, others, copies)
        still = Augmentation(share=0, shift=0)
        batches = Batches(training, augmentation=still, seed=recipe.seed, streams=streams)
        shown: Counter[int] = Counter()
        for first in range(0, recipe.images, recipe.batch_size):
            batch = batches.batch(first, recipe.batch_size)
            shown.update(np.rint(batch.images[:, 0, 64, 64].numpy() * 255).astype(int).tolist())
        seen[arm] = Counter({shade: n for shade, n in shown.items() if shade < 20})
    with_real = [seen[arm] for arm in seen if arm.real]
    same = all(one == with_real[0] for one in with_real) and with_real[0].total() == 48
    words = ", ".join(sorted({str(one.total()) for one in with_real}))
    return f"{words} by {len(with_real)} sets", same and not seen[Arm(copies=1)]


def _study(rng: np.random.Generator, patients: int) -> tuple[Result, Result]:
    """Two arms that are alike: patients, seeds, both and what an arm makes of them differ."""
    hard = rng.normal(0, 0.06, patients) + rng.normal(0, 0.02, (SEEDS, 1))
    runs = {}
    for arm in ("real", "other"):
        own = rng.normal(0, 0.02, patients) + rng.normal(0, 0.015, (SEEDS, 1))
        dice = DICE + hard + own + rng.normal(0, 0.02, (SEEDS, patients))
        runs[arm] = [Run(arm, k, 0, 0, (), _scores(dice[k])) for k in range(SEEDS)]
    found = compare_arms(runs).results
    real, other = (
        one
        for arm in runs
        for one in found
        if (one.arm, one.score, one.stratum.structure) == (arm, "dice", "mean")
    )
    return real, other


def _scores(dice: NDArray[np.float64]) -> list[PatientScore]:
    return [
        PatientScore(f"p{k}", "drawn", "", "", "LV", "all", float(value), float("nan"), 0, 8)
        for k, value in enumerate(dice)
    ]


def _covered(held: int) -> tuple[str, bool]:
    share = held / STUDIES
    return f"in {share:.3f} of {STUDIES} studies", 0.91 <= share <= 0.985


def _sizes(patients: int) -> str:
    return (
        f"{patients} patients, {SEEDS} seeds; hearts, trainings and what an arm makes of either "
        "differ"
    )


WORLDS = {
    "utility mean": World(
        figure="Interval of Dice over patients and seeds",
        world=_sizes(20),
        expected="holds the truth in 0.95 of studies",
        simulate=lambda: of_a_mean(20),
    ),
    "utility mean of five": World(
        figure="Interval of Dice over patients and seeds",
        world=_sizes(5),
        expected="holds the truth in 0.95 of studies",
        simulate=lambda: of_a_mean(5),
    ),
    "utility difference": World(
        figure="Interval of what Dice gained",
        world=f"two arms that are worth the same; {_sizes(20)}",
        expected="misses 0 in 0.05 of studies",
        simulate=lambda: of_a_difference(20),
    ),
    "utility exposure": World(
        figure="Real slices seen by a training",
        world="the sampler of every training set that has real slices, 48 of them asked for",
        expected="48, the same ones",
        simulate=of_exposure,
    ),
}
