"""Distances between sets of features: known ones, and those of one population."""

from __future__ import annotations

import numpy as np

from cmr_synth.evaluation.realism.frechet import frechet_distance, real_floor
from cmr_synth.evaluation.realism.kernel import kernel_distance

from .tried import World, clustered, names


def of_a_shift() -> tuple[str, bool]:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 4000, 4))
    found = frechet_distance(a, b + np.array([2.0, 0, 0, 0]))
    return f"{found:.2f}", abs(found - 4) < 0.15


def of_a_perfect_generator() -> tuple[str, bool]:
    """Anatomy is a patient's own and shared with the counterpart, the look is drawn anew."""
    rng, patients, each, width = np.random.default_rng(1), 40, 6, 6
    ratios = []
    for _ in range(20):
        anatomy = rng.normal(0, 0.8, (3 * patients, width)).repeat(each, axis=0)
        look = rng.normal(0, 0.6, (4, patients * each, width))
        masks, others = anatomy[: patients * each], anatomy[patients * each :]
        real, made = masks + look[0], masks + look[1]
        more = others + look[2:].reshape(-1, width)
        floor = real_floor(more, names("o", 2 * patients, each), real, draws=5)
        ratios.append(frechet_distance(made, real) / floor.mean())
    mean, error = np.mean(ratios), np.std(ratios) / np.sqrt(len(ratios))
    return f"{mean:.2f} over {len(ratios)} sets", abs(mean - 1) < 3 * error


def of_one_population() -> tuple[str, bool]:
    rng, patients, each, sets = np.random.default_rng(2), 20, 8, 40
    values, above = [], 0
    for _ in range(sets):
        a, b = (clustered(rng, patients, each, 0.3, 64) for _ in range(2))
        found = kernel_distance(
            a, b, names("a", patients, each), names("b", patients, each), draws=200
        )
        values.append(found.value)
        above += found.low > 0
    mean, error = np.mean(values), np.std(values) / np.sqrt(sets)
    words = f"{mean:.3f} over {sets} sets, {above} intervals above 0"
    return words, abs(mean) < 3 * error and above <= 4


WORLDS = {
    "frechet shift": World(
        figure="Frechet distance",
        world="two normal populations of unit variance whose means are 2 apart",
        expected="4",
        simulate=of_a_shift,
    ),
    "frechet ratio": World(
        figure="Frechet ratio",
        world="a perfect generator: counterparts of the held-out patients' masks, drawn from the "
        "very distribution of real slices; anatomy is 0.64 of the variance",
        expected="1",
        simulate=of_a_perfect_generator,
        defect="counterparts follow the masks of the very patients they are compared with, and the "
        "floor is of other patients. A ratio of 1 therefore does not mean as near as reality: a "
        "perfect generator lies well below it, by how much depends on the share of anatomy in the "
        "features. Compare models by it with each other, never with 1",
    ),
    "kernel of one population": World(
        figure="Kernel distance",
        world="two sets of one population, 20 patients with 8 slices each, intraclass correlation "
        "0.3",
        expected="0 on average, with 1 interval in 40 above 0",
        simulate=of_one_population,
        defect="pairs of slices of one patient count as pairs of the population, so that the "
        "distance of one population is above 0. Read it beside the kernel distance of other real "
        "patients, which has the same fault, and take no interval above 0 for a difference",
    ),
}
