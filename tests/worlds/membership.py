"""Membership attacks where there is nothing to find, or only what was planted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kstest, norm

from cmr_synth.evaluation.resampling import corrected
from cmr_synth.privacy.membership.attack import CALIBRATED, scores_of
from cmr_synth.privacy.membership.difficulty import calibrated
from cmr_synth.privacy.membership.figures import Figures, Pairs, figures
from cmr_synth.privacy.membership.images_alone import among_other_splits
from cmr_synth.privacy.membership.measure import LOSS, Errors
from cmr_synth.privacy.membership.references import Difficulty
from cmr_synth.privacy.membership.units import Units

from .tried import World, clustered, names

PERSONS, EACH = 150, 4
KINDS = ("loss", "L2", "1-SSIM", "band L2", "band 1-SSIM")
STUDIES = 150


def of_the_interval() -> tuple[str, bool]:
    """Coverage with a few persons, where they are told apart and where they are not."""
    rng, studies = np.random.default_rng(0), 250
    words, least = [], 1.0
    for sizes, shift, spread in (
        ([(15, 15)], 0.0, 1.0),
        ([(30, 30)], 0.0, 1.0),
        ([(30, 30)], 1.0, 2.0),
        ([(9, 3)] * 5, 1.0, 1.0),
        ([(15, 15)], 2.0, 1.0),
    ):
        true = norm.cdf(shift / np.hypot(1, spread))
        held = 0
        for _ in range(studies):
            scores = [
                np.concatenate([shift + spread * rng.normal(size=m), rng.normal(size=n)])
                for m, n in sizes
            ]
            member = [np.arange(m + n) < m for m, n in sizes]
            strata = np.repeat([f"s{k}" for k in range(len(sizes))], [m + n for m, n in sizes])
            low, high = Pairs(np.concatenate(scores), np.concatenate(member), strata).interval()
            held += low <= true <= high
        least = min(least, held / studies)
        words.append(f"{held / studies:.2f} of {sum(m + n for m, n in sizes)} at {true:.2f}")
    return ", ".join(words), least >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / studies)


def of_members() -> tuple[str, bool]:
    rng, patients, each = np.random.default_rng(0), 60, 5
    who = names("p", patients, each)
    member = (np.arange(patients) % 2 == 0).repeat(each)
    strata = np.full(len(who), "drawn")
    aucs, told, found = [], 0, 0
    for _ in range(STUDIES):
        one = figures(clustered(rng, patients, each, 0.5)[:, 0], member, who, strata, draws=199)
        aucs.append(one.auc[0])
        told += one.told_apart
        found += one.p <= 0.05
    mean, error = np.mean(aucs), np.std(aucs) / np.sqrt(STUDIES)
    words = f"{mean:.3f} over {STUDIES} studies, told apart in {told}, p at most 0.05 in {found}"
    return words, bool(abs(mean - 0.5) < 3 * error and max(told, found) <= _most(STUDIES))


def of_difficulty() -> tuple[str, bool]:
    """Easier slices on the members' side, and a model that errs less steeply than references."""
    plain, taken = _shares(easier=0.6, memory=0.0)
    words = f"found by the loss in {plain:.2f} of {STUDIES} audits, calibrated in {taken:.2f}"
    return words, plain > 0.5 and taken <= _most(STUDIES) / STUDIES


def of_memory() -> tuple[str, bool]:
    plain, taken = _shares(easier=0.0, memory=0.1)
    words = f"found by the loss in {plain:.2f} of {STUDIES} audits, calibrated in {taken:.2f}"
    return words, taken > 0.9 and taken > plain


def of_a_reference_model() -> tuple[str, bool]:
    """The other way of calibrating: one model trained on neither side, as noisy as the audited."""
    rng = np.random.default_rng(3)
    wrong = right = 0
    for memory in (0.0, 0.1):
        for _ in range(STUDIES):
            hard, units = _persons(rng, easier=0.6)
            own = _error(rng, hard, slope=0.8, noise=0.08) - memory * units.member
            second = _error(rng, hard, slope=1.0, noise=0.1)
            score = calibrated(own, second, units.cohorts, persons=units.persons)
            found = figures(score, units.member, units.persons, units.strata, draws=199).p <= 0.05
            wrong, right = wrong + (found and not memory), right + (found and bool(memory))
    words = f"found in {wrong / STUDIES:.2f} of {STUDIES} audits, {right / STUDIES:.2f} with memory"
    return words, wrong <= _most(STUDIES) and right > 0.9 * STUDIES


def of_many_attacks() -> tuple[str, bool]:
    """All attacks on a model that remembers nothing."""
    rng = np.random.default_rng(4)
    declared = plain = any_corrected = 0
    for _ in range(STUDIES):
        found = _audit(rng, easier=0.0, memory=0.0)
        declared += found[CALIBRATED].p <= 0.05
        others = {name: one.p for name, one in found.items() if name != CALIBRATED}
        plain += min(others.values()) <= 0.05
        any_corrected += min(corrected(others).values()) <= 0.05
    words = (
        f"declared {declared / STUDIES:.2f}; of {len(others)} secondary ones any in "
        f"{plain / STUDIES:.2f}, corrected {any_corrected / STUDIES:.2f}"
    )
    return words, max(declared, any_corrected) <= _most(STUDIES)


def of_images_alone() -> tuple[str, bool]:
    """The split of 100 patients of five pathologies, 15 of each to train on and 5 not."""
    rng, studies = np.random.default_rng(5), 60
    nothing = [_placed(rng, planted=0.0) for _ in range(studies)]
    planted = [_placed(rng, planted=1.5) for _ in range(studies)]
    even = kstest([percentile / 100 for _, percentile in nothing], "uniform").pvalue
    high = float(np.mean([percentile >= 95 for _, percentile in planted]))
    words = (
        f"AUC {np.mean([auc for auc, _ in nothing]):.3f}, percentile "
        f"{np.mean([percentile for _, percentile in nothing]):.0f} on average, uniform with p "
        f"{even:.2f}; above 95 in {high:.2f} of those with something planted"
    )
    return words, even > 0.01 and high > 0.8


def _placed(rng: np.random.Generator, *, planted: float) -> tuple[float, float]:
    kinds, width, each = 5, 12, 3
    kind = np.arange(100) % kinds
    member = np.ones(100, bool)
    for k in range(kinds):
        member[rng.permutation(np.flatnonzero(kind == k))[:5]] = False
    own = 1.5 * rng.normal(size=(kinds, width))[kind] + rng.normal(size=(100, width))
    own[:, 0] += planted * member
    features = own.repeat(each, axis=0) + 0.5 * rng.normal(size=(100 * each, width))
    strata = np.array([f"acdc {k}" for k in kind]).repeat(each)
    cohorts = np.full(len(strata), "acdc")
    units = Units(names("p", 100, each), member.repeat(each), cohorts, strata)
    seed = int(rng.integers(2**31))
    found = among_other_splits(features, units, seed=seed, splits=39, repeats=1)
    return found.auc, found.percentile


def _shares(*, easier: float, memory: float) -> tuple[float, float]:
    """Shares of audits in which the plain and the calibrated loss find something."""
    rng = np.random.default_rng(1)
    plain = taken = 0
    for _ in range(STUDIES):
        found = _audit(rng, easier=easier, memory=memory, only=(LOSS, CALIBRATED))
        plain += found[LOSS].p <= 0.05
        taken += found[CALIBRATED].p <= 0.05
    return plain / STUDIES, taken / STUDIES


def _audit(
    rng: np.random.Generator, *, easier: float, memory: float, only: tuple[str, ...] = ()
) -> dict[str, Figures]:
    hard, units = _persons(rng, easier=easier)
    half = (np.arange(PERSONS) // 4 % 2).repeat(EACH)

    def errors(slope: float, noise: float, less: NDArray) -> Errors:
        """Five kinds that have most of their noise in common."""
        common = _error(rng, hard, slope=slope, noise=noise) - less
        return Errors({k: np.exp(common + 0.05 * rng.normal(size=(1, len(hard)))) for k in KINDS})

    nothing = np.zeros(len(hard))
    known = Difficulty(errors(1.0, 0.15, nothing), errors(1.0, 0.15, nothing + 0.05), half)
    own = errors(0.7, 0.08, memory * units.member)
    return {
        name: figures(score, units.member, units.persons, units.strata, draws=199)
        for name, score in scores_of(own, units, known=known).items()
        if not only or name in only
    }


def _persons(rng: np.random.Generator, *, easier: float) -> tuple[NDArray, Units]:
    """How hard slices are, a logarithm, of persons of whom three in four are members."""
    member = (np.arange(PERSONS) % 4 != 0).repeat(EACH)
    strata = np.array([f"drawn {k % 3}" for k in range(PERSONS)]).repeat(EACH)
    hard = 0.4 * (clustered(rng, PERSONS, EACH, 0.5)[:, 0] - easier * member)
    cohorts = np.full(len(strata), "drawn")
    return hard, Units(names("p", PERSONS, EACH), member, cohorts, strata)


def _error(rng: np.random.Generator, hard: NDArray, *, slope: float, noise: float) -> NDArray:
    """Logarithm of a model's error: difficulty, and what is the model's own with a person."""
    return slope * hard + noise * clustered(rng, PERSONS, EACH, 0.5)[:, 0]


def _most(studies: int) -> float:
    """False findings at 5 %, three deviations more than expected."""
    return studies * (0.05 + 3 * np.sqrt(0.05 * 0.95 / studies))


WORLDS = {
    "membership": World(
        figure="Membership AUC",
        world="60 patients with 5 slices, half of them members, whose scores are no different",
        expected="0.5, told apart in 1 of 20 studies",
        simulate=of_members,
    ),
    "interval of a membership AUC": World(
        figure="Interval of the membership AUC",
        world="30 to 60 persons, told apart not at all, some, or nearly always; equal or unequal "
        "spread; one stratum or five of 12 persons",
        expected="holds the truth in 0.95 of studies",
        simulate=of_the_interval,
    ),
    "difficulty": World(
        figure="Membership by the calibrated loss",
        world="nothing was memorised, but members' slices are easier for every model; the "
        "references are noisier than the model, and err more steeply",
        expected="calibrated in at most 0.05 of audits, though the loss finds it",
        simulate=of_difficulty,
    ),
    "memory": World(
        figure="Membership by the calibrated loss",
        world="members' errors are 10 % smaller, in persons whose difficulty differs by 40 %",
        expected="found, and oftener than by the loss itself",
        simulate=of_memory,
    ),
    "reference model": World(
        figure="Membership by the loss against a reference model",
        world="members' slices are easier; with nothing memorised, and with errors 10 % smaller",
        expected="in at most 0.05 of audits, and in most",
        simulate=of_a_reference_model,
    ),
    "many attacks": World(
        figure="Membership by several attacks",
        world="five attacks on a model that memorised nothing",
        expected="the declared one, and any of the others after correction, in at most 0.05",
        simulate=of_many_attacks,
    ),
    "images alone": World(
        figure="Percentile of images alone",
        world="100 patients of five pathologies, dealt to both sides by pathology; with nothing "
        "that tells the sides apart, and with a difference planted",
        expected="uniform from 0 to 100, wherever the AUC lies; high",
        simulate=of_images_alone,
    ),
}
