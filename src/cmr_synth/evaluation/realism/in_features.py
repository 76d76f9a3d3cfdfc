"""The metrics of a feature space, as the table of metrics has them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmr_synth.evaluation.realism.class_score import CLUSTERS, Clusters, class_score, divergences
from cmr_synth.evaluation.realism.contract import Declared, NotMeasured, Truths
from cmr_synth.evaluation.realism.coverage import NEIGHBOURS, OF_MADE, Reached, reached_on_average
from cmr_synth.evaluation.realism.crossed import SPLITS, Crossed, crossed
from cmr_synth.evaluation.realism.estimate import NAN, Estimate
from cmr_synth.evaluation.realism.halves import LEAST_PATIENTS, Patients, listed
from cmr_synth.evaluation.realism.kernel import kernel_distance
from cmr_synth.evaluation.realism.sets import Sets
from cmr_synth.evaluation.resampling import slice_mean_interval

FEATURES = frozenset({"features"})


def _crossed(sets: Sets) -> Crossed:
    """Of synthetic and held-out slices."""
    found, space = sets.features, sets.opened
    needed = slices_needed(found.real)
    rng = np.random.default_rng(sets.seed)
    size = min(sets.halves.dealt(rng).size for _ in range(SPLITS))
    if size < needed:
        enough = int(np.ceil(needed / max(size, 1) * sets.patients))
        raise NotMeasured(
            f"no {space.frechet_name}: {space.name} has {found.real.shape[1]} features, which need "
            f"{needed} slices in each half of the patients; {sets.patients} patients have {size}, "
            f"so that about {enough} patients like these are needed; read the {space.kernel_name}, "
            "which is unbiased at any size"
        )
    return crossed(found.made, found.real, sets.halves, seed=sets.seed)


def _frechet(sets: Sets) -> Estimate:
    made, real = sets.once(_crossed).made, sets.once(_crossed).real
    return Estimate(*made, real[0], sets.patients, floor_low=real[1], floor_high=real[2])


def slices_needed(features: NDArray) -> int:
    """For a covariance of full rank: one more than there are dimensions."""
    return int(features.shape[1]) + 1


def _frechet_ratio(sets: Sets) -> Estimate:
    value = sets.once(_crossed).ratio
    found, floor, null = sets.features, (NAN, NAN, NAN), (NAN, NAN, NAN)
    other = sets.other.take(sets.matched)
    if len(np.unique(other.patients)) >= LEAST_PATIENTS:
        patients = Patients(listed(other), listed(sets.held_out))
        floor = crossed(found.more[sets.matched], found.real, patients, seed=sets.seed).ratio
    if found.again is not None:
        of = listed(sets.synthetic)
        null = crossed(found.made, found.again, Patients(of, of), seed=sets.seed).ratio
    return Estimate(*value, floor[0], sets.patients, *floor[1:], *null)


def _kernel(sets: Sets) -> Estimate:
    made, real, more = sets.scaled.made, sets.scaled.real, sets.scaled.more[sets.matched]
    held_out = sets.held_out.patients
    found = kernel_distance(made, real, sets.synthetic.patients, held_out)
    floor = kernel_distance(more, real, sets.other.patients[sets.matched], held_out)
    return Estimate(
        value=found.value,
        low=found.low,
        high=found.high,
        floor=floor.value,
        patients=sets.patients,
        floor_low=floor.low,
        floor_high=floor.high,
    )


def _reached(sets: Sets) -> tuple[Reached, Reached]:
    """Of synthetic slices of one half and real ones of the other; and of real ones of both."""
    found, rng = sets.scaled, np.random.default_rng(sets.seed)
    dealt = [sets.halves.dealt(rng) for _ in range(SPLITS)]
    size = min(halves.size for halves in dealt)
    if size <= NEIGHBOURS:
        raise NotMeasured(
            f"no precision, recall, density and coverage: a half of the patients has {size} slices "
            f"of levels, phases and vendors that both halves have, and {NEIGHBOURS + 1} are needed"
        )
    both = [(halves, one) for halves in dealt for one in (0, 1)]
    made = [(halves.real[1 - one], halves.made[one]) for halves, one in both]
    real = [(halves.real[1 - one], halves.real[one]) for halves, one in both]
    return (
        reached_on_average(found.real, found.made, made),
        reached_on_average(found.real, found.real, real),
    )


def _share(name: str, of: str) -> Callable[[Sets], Estimate]:
    """A share, and the array of `Reached` that it is the mean of.

    The neighbourhoods are those of all slices, in every draw of the interval: a patient drawn twice
    would be its own neighbour.
    """

    def measure(sets: Sets) -> Estimate:
        found, real = sets.once(_reached)
        side = sets.synthetic if of in OF_MADE else sets.held_out
        each = getattr(found, of) / (found.neighbours if of == "dense" else 1)
        known = np.isfinite(each)
        low, high = slice_mean_interval(each[known], side.patients[known], seed=sets.seed)
        value, floor = (getattr(one.shares(), name) for one in (found, real))
        return Estimate(value, low, high, floor, sets.patients)

    return measure


@dataclass(frozen=True, eq=False)
class Classes:
    """Classes of synthetic and of held-out slices, (n, k) each, and what they are."""

    made: NDArray[np.float64]
    real: NDArray[np.float64]
    words: str


def classes(sets: Sets) -> Classes:
    """The space's own, if it has some; else clusters of other real slices."""
    made, real = (sets.opened.shares(sample) for sample in (sets.synthetic, sets.held_out))
    if made is not None and real is not None:
        return Classes(made, real, "classes of ImageNet")
    found = sets.features
    clusters = Clusters(found.more, seed=sets.seed)
    words = f"{CLUSTERS} clusters of other real pictures"
    return Classes(clusters.shares(found.made), clusters.shares(found.real), words)


def _class_score(sets: Sets) -> Estimate:
    found = sets.once(classes)
    # the classes of all are kept as they are in every draw: fewer patients have fewer classes
    each = divergences(found.made)
    low, high = slice_mean_interval(each, sets.synthetic.patients, seed=sets.seed)
    return Estimate(
        value=class_score(found.made),
        low=float(np.exp(low)),
        high=min(float(np.exp(high)), float(found.made.shape[1])),
        floor=class_score(found.real),
        patients=sets.patients,
    )


FRECHET_RATIO = Declared(
    name="frechet_ratio",
    heading="Ratio",
    sentence="the Frechet distance over its floor; 1 is as near as other real patients are",
    needs=FEATURES,
    digits=2,
    measure=_frechet_ratio,
    truths=Truths(
        identity=1.0,
        worse="higher",
        duplicates=0.1,
        why="real slices in the place of the synthetic ones are the floor itself; covariances are "
        "over n - 1",
    ),
)
FRECHET = Declared(
    name="frechet",
    heading="Distance",
    sentence="Frechet distance of the synthetic slices of one half of the patients to the real "
    "slices of the other; its floor is that of the real slices of both halves",
    needs=FEATURES,
    measure=_frechet,
    truths=Truths(
        identity="floor",
        worse="higher",
        duplicates=0.1,
        why="covariances are over n - 1: slices that stand twice change them by 1 / (2 n - 1), n "
        "those of half the patients; real slices in the place of the synthetic ones are the floor",
    ),
)
KERNEL = Declared(
    name="kernel",
    heading="Kernel",
    sentence="unbiased squared maximum mean discrepancy, cubic kernel, of slices of different "
    "patients; 0 is as near as can be, and its floor is that of other real patients",
    needs=FEATURES,
    measure=_kernel,
    truths=Truths(
        identity=0.0,
        worse="higher",
    ),
)
PRECISION = Declared(
    name="precision",
    heading="Precision",
    sentence="share of synthetic slices within the reach of real ones",
    needs=FEATURES,
    digits=2,
    measure=_share("precision", "precise"),
    truths=Truths(
        identity="floor",
        worse="lower",
        order=0.01,
        duplicates="lower",
        why="a slice that stands twice is its own neighbour, so that neighbourhoods shrink; the "
        "share within reach is of few slices, and not moved by every damage",
    ),
)
RECALL = Declared(
    name="recall",
    heading="Recall",
    sentence="share of real slices within the reach of synthetic ones; low after mode collapse",
    needs=FEATURES,
    digits=2,
    measure=_share("recall", "recalled"),
    truths=PRECISION.truths,
)
DENSITY = Declared(
    name="density",
    heading="Density",
    sentence="real neighbourhoods that a synthetic slice lies in, over their expected number",
    needs=FEATURES,
    digits=2,
    measure=_share("density", "dense"),
    truths=Truths(
        identity="floor",
        worse="lower",
        duplicates="either",
        why="slices that stand twice make twice as many neighbourhoods, smaller ones",
    ),
)
COVERAGE = Declared(
    name="coverage",
    heading="Coverage",
    sentence="share of real neighbourhoods with a synthetic slice in them",
    needs=FEATURES,
    digits=2,
    measure=_share("coverage", "covered"),
    truths=PRECISION.truths,
)
CLASS_SCORE = Declared(
    name="class_score",
    heading="Class score",
    sentence="in the manner of the Inception Score, 1 for slices that are all alike",
    needs=FEATURES,
    digits=2,
    measure=_class_score,
    truths=Truths(
        identity="floor",
        worse="lower",
        order=1.5,
        why="clusters start at other real slices drawn by number: in another order, at others",
    ),
)
