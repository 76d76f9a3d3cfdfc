"""Arms compared patient by patient: means, paired differences, intervals and tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cmr_synth.evaluation.adherence.patients import PatientScore
from cmr_synth.evaluation.resampling import mean_interval

LEAST_FOR_TEST = 6  # patients; with fewer no signed-rank test can reach 0.05

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
    """One arm in one stratum, against the arm "real".

    Parameters
    ----------
    mean, low, high : float
        Over patients, each averaged over the seeds; 95 % bootstrap interval by patient.
    difference, difference_low, difference_high : float or None
        Paired, less the reference arm; None for that arm itself.
    p : float or None
        Wilcoxon's signed-rank test, two-sided; None with fewer than `LEAST_FOR_TEST` patients.
    seed_spread : float or None
        Standard deviation of the seeds' means; None with one seed.
    missed : float
        Share of slices on which the structure was missed or made up, over patients and seeds.
    """

    arm: str
    stratum: Stratum
    score: Score
    patients: int
    mean: float
    low: float
    high: float
    difference: float | None
    difference_low: float | None
    difference_high: float | None
    p: float | None
    seed_spread: float | None
    missed: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON; NaN becomes None."""
        facts = asdict(self)
        return {
            k: None if isinstance(v, float) and not np.isfinite(v) else v for k, v in facts.items()
        }


def compare_arms(
    scores: Mapping[str, Sequence[Sequence[PatientScore]]], *, reference: str = "real"
) -> list[Result]:
    """Every arm in every stratum.

    Parameters
    ----------
    scores : mapping of arm to one list of scores a seed
    reference : str
        The arm to which the others are compared; differences are None where it is missing.
    """
    strata = _strata(run for runs in scores.values() for run in runs)
    results = []
    for stratum in strata:
        for score in ("dice", "hd95"):
            tables = {
                arm: [_table(run, stratum, score) for run in runs] for arm, runs in scores.items()
            }
            for arm, runs in scores.items():
                found = _result(arm, stratum, score, tables, reference, runs)
                if found is not None:
                    results.append(found)
    return results


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
) -> Result | None:
    own = _over_seeds(tables[arm])
    if not own:
        return None
    values = np.array(list(own.values()))
    low, high = mean_interval(values)
    paired = None
    if arm != reference and reference in tables:
        other = _over_seeds(tables[reference])
        paired = np.array([own[k] - other[k] for k in own if k in other])
    difference = bounds = p = None
    if paired is not None and len(paired):
        difference, bounds = float(paired.mean()), mean_interval(paired)
        p = _signed_rank(paired)
    chosen = [one for run in runs for one in run if _in_stratum(one, stratum)]
    means = [float(np.mean(list(table.values()))) for table in tables[arm] if table]
    return Result(
        arm=arm,
        stratum=stratum,
        score=score,
        patients=len(own),
        mean=float(values.mean()),
        low=low,
        high=high,
        difference=difference,
        difference_low=None if bounds is None else bounds[0],
        difference_high=None if bounds is None else bounds[1],
        p=p,
        seed_spread=float(np.std(means, ddof=1)) if len(means) > 1 else None,
        missed=sum(one.missed for one in chosen) / sum(one.slices for one in chosen),
    )


def _over_seeds(tables: Sequence[dict[str, float]]) -> dict[str, float]:
    patients = sorted({patient for table in tables for patient in table})
    return {
        patient: float(np.mean([table[patient] for table in tables if patient in table]))
        for patient in patients
    }


def _signed_rank(paired: NDArray[np.float64]) -> float | None:
    from scipy.stats import wilcoxon

    if len(paired) < LEAST_FOR_TEST:
        return None
    if not paired.any():
        return 1.0
    return float(wilcoxon(paired).pvalue)
