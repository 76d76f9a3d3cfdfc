"""Distances between sets of features: known ones, those of one population, perfect generators."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from cmr_synth.cohorts.slices import SliceRow
from cmr_synth.evaluation.realism.class_score import Clusters, class_score
from cmr_synth.evaluation.realism.crossed import Crossed, crossed
from cmr_synth.evaluation.realism.frechet import frechet_distance
from cmr_synth.evaluation.realism.halves import Patients, listed
from cmr_synth.evaluation.realism.kernel import kernel_distance
from cmr_synth.evaluation.realism.metrics import Found, load_metric, measure
from cmr_synth.evaluation.realism.sets import Sets
from cmr_synth.evaluation.sample import Sample

from .tried import World, clustered, names

PATIENTS, EACH, WIDTH = 20, 6, 6
ANATOMY = 0.8  # standard deviation between patients; 0.6 within makes the variance 1
STUDIES = 60
PERFECT = (
    "a perfect generator: counterparts of the masks of 20 held-out patients with 6 slices each, "
    "drawn from the very distribution of real slices; anatomy is 0.64 of the variance"
)
SHARES = ("precision", "recall", "density", "coverage")


class Given:
    """A space whose features stand in the first row of each picture."""

    name, hash = "given features", "0" * 64
    frechet_name, kernel_name = "Frechet distance", "kernel distance"
    standardise = False

    def features(self, sample: Sample) -> NDArray[np.float64]:
        return sample.pixels[:, 0].astype(np.float64)

    def shares(self, sample: Sample) -> None:
        return None


def slices(prefix: str, features: NDArray[np.floating]) -> Sample:
    """Slices that have these features, of patients with `EACH` slices."""
    rows = tuple(
        SliceRow(
            cohort="drawn",
            patient=f"{prefix}{k // EACH:02d}",
            split="test",
            vendor=("ge", "siemens")[k // EACH % 2],
            phase=("ED", "ES")[k % 2],
            pathology="normal",
            slice=k % EACH,
            z=k % EACH / EACH,
            completed=False,
        )
        for k in range(len(features))
    )
    pixels = np.stack([features, np.zeros_like(features)], axis=1).astype(np.float32)
    return Sample(prefix, pixels, np.zeros(pixels.shape, np.uint8), rows, 1.5)


def looked(rng: np.random.Generator, anatomy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slices of the anatomies, each with a look of its own."""
    whole = anatomy.repeat(EACH, axis=0)
    return whole + rng.normal(0, np.sqrt(1 - ANATOMY**2), whole.shape)


def anatomies(rng: np.random.Generator, patients: int = PATIENTS) -> NDArray[np.float64]:
    return rng.normal(0, ANATOMY, (patients, WIDTH))


def of_a_shift() -> tuple[str, bool]:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 4000, 4))
    found = frechet_distance(a, b + np.array([2.0, 0, 0, 0]))
    return f"{found:.2f}", abs(found - 4) < 0.15


@cache
def studies(*, other_masks: bool) -> list[Crossed]:
    """Ratios of a perfect generator, for the masks of held-out patients or of others."""
    rng = np.random.default_rng(1)
    found = []
    for k in range(STUDIES):
        anatomy = anatomies(rng)
        real = looked(rng, anatomy)
        made = looked(rng, anatomies(rng) if other_masks else anatomy)
        patients = Patients(
            listed(slices("o" if other_masks else "h", made)), listed(slices("h", real))
        )
        found.append(crossed(made, real, patients, splits=12, draws=40, seed=k))
    return found


def of_a_perfect_generator() -> tuple[str, bool]:
    return _mean_ratio(studies(other_masks=False))


def of_other_patients() -> tuple[str, bool]:
    return _mean_ratio(studies(other_masks=True))


def of_its_interval() -> tuple[str, bool]:
    return _held(studies(other_masks=False), 1.0)


def of_the_interval_of_others() -> tuple[str, bool]:
    return _held(studies(other_masks=True), 1.0)


def of_a_generator_at_fault() -> tuple[str, bool]:
    """The truth is what the ratio is on average over many studies."""
    rng = np.random.default_rng(2)
    found = []
    for k in range(STUDIES):
        anatomy = anatomies(rng)
        real, made = looked(rng, anatomy), looked(rng, anatomy) + 0.35
        patients = Patients(listed(slices("h", made)), listed(slices("h", real)))
        found.append(crossed(made, real, patients, splits=12, draws=40, seed=k))
    truth = np.mean([one.made[0] for one in found]) / np.mean([one.real[0] for one in found])
    words, holds = _held(found, float(truth))
    return f"{words}; the ratio is {truth:.2f}", holds and truth > 1.2


def of_the_null() -> tuple[str, bool]:
    """Synthetic slices that are far from real ones, and such slices again with other noise."""
    rng = np.random.default_rng(3)
    found = []
    for k in range(STUDIES):
        anatomy = anatomies(rng)
        made, again = (np.tanh(looked(rng, anatomy)) + 1 for _ in range(2))
        patients = listed(slices("h", made))
        of = Patients(patients, patients)
        found.append(crossed(made, again, of, splits=12, draws=40, seed=k))
    (words, right), (share, holds) = _mean_ratio(found), _held(found, 1.0)
    return f"{words}, 1 {share}", right and holds


def of_one_population() -> tuple[str, bool]:
    return _kernel(2, same_patients=False)


def of_counterparts() -> tuple[str, bool]:
    return _kernel(3, same_patients=True)


def _kernel(seed: int, *, same_patients: bool) -> tuple[str, bool]:
    rng, patients, each, sets, alike = np.random.default_rng(seed), 20, 8, 40, 0.3
    values, above = [], 0
    for _ in range(sets):
        if same_patients:
            own = rng.normal(0, np.sqrt(alike), (patients, 64)).repeat(each, axis=0)
            a, b = own + rng.normal(0, np.sqrt(1 - alike), (2, *own.shape))
        else:
            a, b = (clustered(rng, patients, each, alike, 64) for _ in range(2))
        others = "a" if same_patients else "b"
        found = kernel_distance(
            a, b, names("a", patients, each), names(others, patients, each), draws=200
        )
        values.append(found.value)
        above += found.low > 0
    mean, error = np.mean(values), np.std(values) / np.sqrt(sets)
    words = f"{mean:.3f} over {sets} sets, {above} intervals above 0"
    return words, abs(mean) < 3 * error and above <= 4


def of_reach() -> tuple[str, bool]:
    """Every share less its floor, in standard errors over sets."""
    rng = np.random.default_rng(4)
    chosen = {name: load_metric(name) for name in SHARES}
    apart = []
    for k in range(25):
        anatomy = anatomies(rng)
        made, real = (slices("h", looked(rng, anatomy)) for _ in range(2))
        other = slices("o", looked(rng, anatomies(rng)))
        *_, found = measure(Sets(made, real, other, Given(), k), chosen)
        assert isinstance(found, Found)
        apart.append([found.estimates[name].value - found.estimates[name].floor for name in SHARES])
    mean = np.mean(apart, axis=0)
    error = np.std(apart, axis=0) / np.sqrt(len(apart))
    words = ", ".join(f"{name} {m:+.3f}" for name, m in zip(SHARES, mean, strict=True))
    return f"{words} over {len(apart)} sets", bool((np.abs(mean) < 3 * error).all())


def of_classes() -> tuple[str, bool]:
    rng = np.random.default_rng(5)
    apart = []
    for k in range(40):
        anatomy = anatomies(rng)
        clusters = Clusters(looked(rng, anatomies(rng)), seed=k)
        made, real = (class_score(clusters.shares(looked(rng, anatomy))) for _ in range(2))
        apart.append(made - real)
    mean, error = np.mean(apart), np.std(apart) / np.sqrt(len(apart))
    return f"{mean:+.3f} over {len(apart)} sets", abs(mean) < 3 * error


def _mean_ratio(found: list[Crossed]) -> tuple[str, bool]:
    made, real = (np.array([getattr(one, k)[0] for one in found]) for k in ("made", "real"))
    ratio = made.mean() / real.mean()
    error = np.std(made / real) / np.sqrt(len(found))
    return f"{ratio:.2f} over {len(found)} sets", abs(ratio - 1) < 3 * error < 0.15


def _held(found: list[Crossed], truth: float) -> tuple[str, bool]:
    held = sum(one.ratio[1] <= truth <= one.ratio[2] for one in found)
    # nor so wide that it says nothing
    wide = np.median([np.log(one.ratio[2] / one.ratio[1]) for one in found])
    spread = np.std([np.log(one.ratio[0]) for one in found])
    share = held / len(found)
    return (
        f"within {share:.2f} of {len(found)} intervals",
        share >= 0.9 and wide < 2 * 3.92 * spread,
    )


WORLDS = {
    "frechet shift": World(
        figure="Frechet distance",
        world="two normal populations of unit variance whose means are 2 apart",
        expected="4",
        simulate=of_a_shift,
    ),
    "frechet ratio": World(
        figure="Frechet ratio", world=PERFECT, expected="1", simulate=of_a_perfect_generator
    ),
    "frechet ratio of other patients": World(
        figure="Frechet ratio of other real patients",
        world="20 other patients of the same population in the place of the synthetic slices",
        expected="1",
        simulate=of_other_patients,
    ),
    "frechet ratio interval": World(
        figure="Interval of the Frechet ratio",
        world=PERFECT,
        expected="1 within 0.95 of intervals",
        simulate=of_its_interval,
    ),
    "frechet ratio interval of other patients": World(
        figure="Interval of the Frechet ratio of other real patients",
        world="20 other patients of the same population in the place of the synthetic slices",
        expected="1 within 0.95 of intervals",
        simulate=of_the_interval_of_others,
    ),
    "frechet ratio interval of a fault": World(
        figure="Interval of the Frechet ratio of a generator at fault",
        world="counterparts whose features are all shifted by 0.35 standard deviations",
        expected="the ratio of the mean distances within 0.95 of intervals",
        simulate=of_a_generator_at_fault,
    ),
    "frechet ratio null": World(
        figure="Null of the Frechet ratio",
        world="a generator far from real slices on both sides, with other noise",
        expected="1, within 0.95 of intervals",
        simulate=of_the_null,
    ),
    "kernel of one population": World(
        figure="Kernel distance",
        world="two sets of one population, 20 patients with 8 slices each, intraclass correlation "
        "0.3",
        expected="0 on average, with 1 interval in 40 above 0",
        simulate=of_one_population,
    ),
    "kernel of counterparts": World(
        figure="Kernel distance of counterparts",
        world="a perfect generator for the masks of the 20 patients themselves, 8 slices each, "
        "intraclass correlation 0.3",
        expected="0 on average, with 1 interval in 40 above 0",
        simulate=of_counterparts,
    ),
    "reach of a perfect generator": World(
        figure="Precision, recall, density and coverage, less their floors",
        world=PERFECT,
        expected="0 on average",
        simulate=of_reach,
    ),
    "class score of a perfect generator": World(
        figure="Class score, less that of real slices",
        world=PERFECT,
        expected="0 on average",
        simulate=of_classes,
    ),
}
