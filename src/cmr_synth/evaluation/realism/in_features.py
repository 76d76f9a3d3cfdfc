"""The metrics of a feature space, as the table of metrics has them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmr_synth.evaluation.realism.class_score import CLUSTERS, Clusters, class_score, divergences
from cmr_synth.evaluation.realism.contract import Declared, NotMeasured, Truths
from cmr_synth.evaluation.realism.coverage import Reached, reached
from cmr_synth.evaluation.realism.estimate import Estimate
from cmr_synth.evaluation.realism.frechet import frechet_distance, frechet_interval, real_floor
from cmr_synth.evaluation.realism.kernel import kernel_distance
from cmr_synth.evaluation.realism.sets import Sets
from cmr_synth.evaluation.resampling import slice_mean_interval

FEATURES = frozenset({"features"})
FLOOR_DRAWS = 20


def _frechet(sets: Sets) -> Estimate:
    found, space = sets.features, sets.opened
    size, needed = len(found.real), slices_needed(found.real)
    if size < needed:
        raise NotMeasured(
            f"no {space.frechet_name}: {space.name} has {found.real.shape[1]} features, which need "
            f"{needed} slices on each side and there are {size}; read the {space.kernel_name}, "
            "which is unbiased at any size"
        )
    low, high = frechet_interval(
        found.made, found.real, sets.synthetic.patients, sets.held_out.patients
    )
    floor = real_floor(found.more, sets.other.patients, found.real, draws=FLOOR_DRAWS)
    return Estimate(
        value=frechet_distance(found.made, found.real),
        low=low,
        high=high,
        floor=float(floor.mean()),
        patients=sets.patients,
        floor_sd=float(floor.std()),
    )


def slices_needed(features: NDArray) -> int:
    """For a covariance of full rank: one more than there are dimensions."""
    return int(features.shape[1]) + 1


def _frechet_ratio(sets: Sets) -> Estimate:
    one = sets.once(_frechet)
    # no distance between different patients is nought, but duplicated data may have it so
    value, low, high = (
        v / one.floor if one.floor > 0 else np.nan for v in (one.value, one.low, one.high)
    )
    return Estimate(value, low, high, 1.0, one.patients)


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
    """Of synthetic slices, and of other real ones."""
    found = sets.scaled
    return reached(found.real, found.made), reached(found.real, found.more[sets.matched])


def _share(name: str, of: str) -> Callable[[Sets], Estimate]:
    """A share, and the array of `Reached` that it is the mean of.

    The neighbourhoods are those of all slices, in every draw of the interval: a patient drawn twice
    would be its own neighbour.
    """

    def measure(sets: Sets) -> Estimate:
        found, real = sets.once(_reached)
        side = sets.synthetic if of in ("precise", "dense") else sets.held_out
        each = getattr(found, of) / (found.neighbours if of == "dense" else 1)
        low, high = slice_mean_interval(each, side.patients, seed=sets.seed)
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
        identity=0.0,
        worse="higher",
        duplicates="higher",
        why="the floor of twice as many slices is that of more different ones, and smaller",
    ),
)
FRECHET = Declared(
    name="frechet",
    heading="Distance",
    sentence="Frechet distance of synthetic to held-out slices; its floor is the mean, with the "
    "standard deviation, over draws of as many slices of other real patients",
    needs=FEATURES,
    measure=_frechet,
    truths=Truths(
        identity=0.0,
        worse="higher",
        duplicates=0.05,
        why="covariances are over n - 1: slices that stand twice change them by 1 / (2 n - 1)",
    ),
)
KERNEL = Declared(
    name="kernel",
    heading="Kernel",
    sentence="unbiased squared maximum mean discrepancy, cubic kernel; its floor is that of other "
    "real patients",
    needs=FEATURES,
    measure=_kernel,
    truths=Truths(
        identity=0.0,
        within=1.0,
        worse="higher",
        duplicates="higher",
        why="without bias it is 0 on average only, and below 0 for a set against itself, where "
        "every slice has itself on the other side; a slice that stands twice counts as a pair of "
        "different slices",
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
        identity=1.0,
        worse="lower",
        duplicates="lower",
        why="a slice that stands twice is its own neighbour, so that neighbourhoods shrink",
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
        identity=1.0,
        within=0.3,
        worse="lower",
        duplicates="either",
        why="about 1 for a set against itself, whose points are in the neighbourhoods of those "
        "whose neighbours they are; slices that stand twice make twice as many, smaller ones",
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
