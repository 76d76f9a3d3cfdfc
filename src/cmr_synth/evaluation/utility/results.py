"""Arms compared patient by patient and seed by seed: means, differences, intervals and tests.

Patients and seeds are both drawn from many: a training with another seed would have found other
hearts well. Intervals draw both anew (`cmr_synth.evaluation.crossed`), of the differences by
patient and by seed: arms of one seed start at the same weights and see the same real slices in the
same order. With fewer than `LEAST_PATIENTS` or `LEAST_SEEDS` nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cmr_synth.evaluation.adherence.patients import PatientScore
from cmr_synth.evaluation.crossed import crossed_mean_interval
from cmr_synth.evaluation.utility.runs import Run

LEAST_SEEDS = 5
LEAST_PATIENTS = 5  # with which intervals still hold the truth as often as they say
LEAST_FOR_TEST = 6  # patients; with fewer no signed-rank test can reach 0.05
ELSEWHERE = "other cohorts"
"""All patients of cohorts that give no real training slices to the reference."""

WITHOUT_GENERATOR = ("real, styled", "real + other vendors")
"""Arms that a mixture is compared with besides real slices."""

TRAINING_MASKS = {"new hearts": "synthetic", "real + new hearts": "real + 1 x synthetic"}
"""Arms with pictures of new hearts, and those with as many of the training patients' masks."""

Runs = dict[str, list[Run]]
"""Arm to its runs by seed."""

Score = Literal["dice", "hd95"]


@dataclass(frozen=True)
class Stratum:
    """Which patients and slices are looked at.

    Parameters
    ----------
    by : str
        "cohort", "vendor", "pathology" or "level".
    value : str
    structure : str
        A structure, or "mean" over those that the cohort draws.
    """

    by: str
    value: str
    structure: str


@dataclass(frozen=True)
class Result:
    """One arm in one stratum, against another.

    Parameters
    ----------
    seeds : int
    mean, low, high : float
        Over patients, each averaged over the seeds; 95 % interval over patients and seeds.
    difference, difference_low, difference_high : float or None
        Paired, less the reference arm; None for that arm itself.
    p : float or None
        Wilcoxon's signed-rank test of the patients, two-sided; None with fewer than
        `LEAST_FOR_TEST`.
    seed_spread : float
        Standard deviation of the seeds' means.
    missed : float
        Share of slices on which the structure was missed or made up, over patients and seeds.
    """

    arm: str
    stratum: Stratum
    score: Score
    patients: int
    seeds: int
    mean: float
    low: float
    high: float
    difference: float | None
    difference_low: float | None
    difference_high: float | None
    p: float | None
    seed_spread: float
    missed: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON; NaN becomes None."""
        facts = asdict(self)
        return {
            k: None if isinstance(v, float) and not np.isfinite(v) else v for k, v in facts.items()
        }


@dataclass(frozen=True)
class Compared:
    """What could be said, and what not.

    Parameters
    ----------
    results : list of Result
    left_out : list of str
        Of whom nothing is said, and how many would be needed.
    """

    results: list[Result]
    left_out: list[str]


@dataclass(frozen=True)
class Findings:
    """The study of one model.

    Parameters
    ----------
    runs : Runs
    against_real : Compared
    against_rivals : mapping
        By rival, the arms with synthetic slices against it, or those with new hearts where the
        rival has the training patients' masks; of arms that were trained.
    """

    runs: Runs
    against_real: Compared
    against_rivals: Mapping[str, Compared]

    @classmethod
    def of(cls, runs: Runs, trained_on: Sequence[str]) -> Findings:
        """Compare the arms of a study."""
        rivals = {}
        made = [arm for arm in runs if "synthetic" in arm or "new hearts" in arm]
        wanted = {rival: made for rival in WITHOUT_GENERATOR}
        wanted |= {rival: [arm] for arm, rival in TRAINING_MASKS.items() if arm in runs}
        for rival, arms in wanted.items():
            if rival in runs:
                some = {arm: runs[arm] for arm in (rival, *arms)}
                rivals[rival] = compare_arms(some, reference=rival, trained_on=trained_on)
        return cls(runs, compare_arms(runs, trained_on=trained_on), rivals)


def compare_arms(
    runs: Mapping[str, Sequence[Run]],
    *,
    reference: str = "real",
    trained_on: Sequence[str] = (),
) -> Compared:
    """Every arm in every stratum.

    Parameters
    ----------
    runs : mapping of arm to its runs, of the same seeds
    reference : str
        The arm to which the others are compared; differences are None where it is missing.
    trained_on : sequence of str
        Cohorts of the reference's training slices; all others together are a stratum, too.
    """
    seeds = min((len(own) for own in runs.values()), default=0)
    if seeds < LEAST_SEEDS:
        words = f"all arms: {_several(seeds, 'seed')}; at least {LEAST_SEEDS} are needed"
        return Compared([], [words])
    scores = {
        arm: [[*one.scores, *_elsewhere(one.scores, trained_on)] for one in own]
        for arm, own in runs.items()
    }
    results, few = [], {}
    for stratum in _strata(run for own in scores.values() for run in own):
        for score in ("dice", "hd95"):
            tables = {
                arm: [_table(run, stratum, score) for run in own] for arm, own in scores.items()
            }
            for arm, own in scores.items():
                patients = len({patient for table in tables[arm] for patient in table})
                if patients < LEAST_PATIENTS:
                    if (score, stratum.structure) == ("dice", "mean"):
                        few[stratum.by, stratum.value] = patients
                    continue
                results.append(_result(arm, stratum, score, tables, reference, own))
    left_out = [
        f"{by} {value}: {_several(patients, 'patient')}; at least {LEAST_PATIENTS} are needed"
        for (by, value), patients in few.items()
    ]
    return Compared(results, left_out)


def _several(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _elsewhere(scores: Sequence[PatientScore], trained_on: Sequence[str]) -> list[PatientScore]:
    """Scores over all slices of the patients of other cohorts, as one cohort."""
    return [
        replace(one, cohort=ELSEWHERE, vendor="", pathology="")
        for one in scores
        if trained_on and one.cohort not in trained_on and one.level == "all"
    ]


def _strata(runs: Iterable[Sequence[PatientScore]]) -> list[Stratum]:
    seen: dict[Stratum, None] = {}
    for run in runs:
        for one in run:
            for structure in ("mean", one.structure):
                if one.level == "all":
                    for by in ("cohort", "vendor", "pathology"):
                        if value := getattr(one, by):
                            seen.setdefault(Stratum(by, value, structure))
                else:
                    seen.setdefault(Stratum("level", f"{one.cohort} {one.level}", structure))
    return sorted(seen, key=lambda s: (s.by, s.value, s.structure != "mean", s.structure))


def _in_stratum(one: PatientScore, stratum: Stratum) -> bool:
    if stratum.structure not in ("mean", one.structure):
        return False
    if stratum.by == "level":
        return one.level != "all" and f"{one.cohort} {one.level}" == stratum.value
    return one.level == "all" and getattr(one, stratum.by) == stratum.value


def _table(run: Sequence[PatientScore], stratum: Stratum, score: Score) -> dict[str, float]:
    """Patient to score; the mean over structures where several are asked for."""
    values: dict[str, list[float]] = {}
    for one in run:
        if _in_stratum(one, stratum):
            values.setdefault(one.patient, []).append(getattr(one, score))
    # a structure without distance has been missed everywhere: the others stand for the patient, and
    # the miss is counted
    return {
        patient: float(np.nanmean(found))
        for patient, found in values.items()
        if np.isfinite(found).any()
    }


def _result(
    arm: str,
    stratum: Stratum,
    score: Score,
    tables: Mapping[str, list[dict[str, float]]],
    reference: str,
    runs: Sequence[Sequence[PatientScore]],
) -> Result:
    own = _matrix(tables[arm], {patient for table in tables[arm] for patient in table})
    mean, low, high = _mean(own)
    difference = bounds = p = None
    if arm != reference and reference in tables:
        paired = _paired(tables[arm], tables[reference])
        if paired.shape[1] >= LEAST_PATIENTS:
            difference, *bounds = _mean(paired)
            p = _signed_rank(np.nanmean(paired, axis=0))
    chosen = [one for run in runs for one in run if _in_stratum(one, stratum)]
    return Result(
        arm=arm,
        stratum=stratum,
        score=score,
        patients=own.shape[1],
        seeds=len(own),
        mean=mean,
        low=low,
        high=high,
        difference=difference,
        difference_low=None if bounds is None else bounds[0],
        difference_high=None if bounds is None else bounds[1],
        p=p,
        seed_spread=float(np.nanmean(own, axis=1).std(ddof=1)),
        missed=sum(one.missed for one in chosen) / sum(one.slices for one in chosen),
    )


def _mean(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Mean over patients, each over its seeds, and its interval."""
    return float(np.nanmean(values, axis=0).mean()), *crossed_mean_interval(values)


def _matrix(tables: Sequence[dict[str, float]], patients: Iterable[str]) -> NDArray[np.float64]:
    """Values by seed and patient, NaN where there is none."""
    order = sorted(patients)
    return np.array([[table.get(patient, np.nan) for patient in order] for table in tables])


def _paired(
    own: Sequence[dict[str, float]], other: Sequence[dict[str, float]]
) -> NDArray[np.float64]:
    """Differences by seed and patient, of the patients that have one with any seed."""
    patients = {patient for table in [*own, *other] for patient in table}
    apart = _matrix(own, patients) - _matrix(other, patients)
    return apart[:, np.isfinite(apart).any(axis=0)]


def _signed_rank(paired: NDArray[np.float64]) -> float | None:
    from scipy.stats import wilcoxon

    if len(paired) < LEAST_FOR_TEST:
        return None
    if not paired.any():
        return 1.0
    return float(wilcoxon(paired).pvalue)
