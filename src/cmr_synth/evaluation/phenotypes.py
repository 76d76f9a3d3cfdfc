"""Phenotypes asked against phenotypes measured: does a model draw the heart that it is asked for.

A phenotype is of a heart at both phases; a picture shows one slice. The model is therefore asked,
without any mask, for a middle slice of each held-out patient's phenotypes at ED and at ES, with the
same noise; the segmenter contours both, and what the slice shows of a phenotype (its mark, see
`cmr_synth.anatomy.phenotypes.MARKS`) is ranked against what was asked. The same ranks of the real
slices of these patients say how far a slice can tell at all, and pictures without the phenotypes
how much the rest of the request gives away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.phenotypes import PHENOTYPES, marks_of
from cmr_synth.cohorts.phenotypes import slice_phenotypes
from cmr_synth.cohorts.slices import SliceSet
from cmr_synth.errors import InputError
from cmr_synth.evaluation.counterparts import made_for
from cmr_synth.evaluation.resampling import drawn, percentile_interval
from cmr_synth.generators.interface import Condition, Generator, Progress
from cmr_synth.judges.segmenter import Segmenter

LEAST = 5
"""Patients with a phenotype, from which on it is ranked."""
DRAWS = 1000
MIDDLE = 0.5


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """How what slices show ranks with what was asked; rank correlations with intervals.

    Parameters
    ----------
    name : str
        Of the phenotype.
    patients : int
        That have it.
    asked, real, left_open : (value, low, high)
        Spearman's correlation over patients of the phenotype with its mark in pictures that were
        asked for it, in the patients' own slices, and in pictures with the phenotypes left open.
    """

    name: str
    patients: int
    asked: tuple[float, float, float]
    real: tuple[float, float, float]
    left_open: tuple[float, float, float]

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class _Case:
    """A held-out patient: phenotypes, the conditions of a middle slice, and what it shows."""

    asked: dict[str, float]
    condition: Condition
    shows: dict[str, float]


def asked_and_measured(
    generator: Generator,
    slices: SliceSet,
    *,
    split: str = "test",
    cohorts: Sequence[str] | None = None,
    seed: int = 0,
    steps: int | None = None,
    segmenter: Segmenter | None = None,
) -> Iterator[Progress | tuple[Ranks, ...]]:
    """Rank what a model draws with what it was asked for.

    Parameters
    ----------
    generator : Generator
        Of a model that was trained with phenotypes.
    slices : SliceSet
    split : str
        Of patients that it was not trained on.
    segmenter : Segmenter, optional
        By default the bundled one.

    Yields
    ------
    Progress or tuple of Ranks
        Progress in pictures, then one for each phenotype of the model that enough patients have.

    Raises
    ------
    InputError
        If the model knows no phenotypes, or too few patients were measured.
    """
    known = [one.name for one in generator.config.phenotypes]
    if not known:
        raise InputError(
            "the model was trained with no phenotypes; train one with the recipe flow-phenotypes."
        )
    cases = list(_cases(slices, split, cohorts, known))
    if len(cases) < LEAST:
        raise InputError(
            f"{len(cases)} patients of the {split} split have phenotypes and a middle slice at ED "
            f"and ES, and it takes {LEAST}; name other cohorts, or prepare more patients."
        )
    segmenter = segmenter or Segmenter.load()
    spacing = (generator.config.spacing_mm,) * 2
    shown: list[list[dict[str, float]]] = []
    done = 0
    for with_phenotypes in (True, False):
        pictures: dict[str, NDArray[np.float32]] = {}
        for phase in ("ED", "ES"):
            asked = [
                replace(
                    case.condition, phase=phase, phenotypes=case.asked if with_phenotypes else None
                )
                for case in cases
            ]
            made = []
            for some in made_for(generator, asked, seed=seed, steps=steps):
                made.append(some)
                done += len(some)
                yield Progress(done, 4 * len(cases))
            pictures[phase] = segmenter.segment(np.concatenate(made)).astype(np.uint8)
        pairs = zip(pictures["ED"], pictures["ES"], strict=True)
        shown.append([marks_of(ed, es, spacing) for ed, es in pairs])
    real = [case.shows for case in cases]
    yield tuple(
        Ranks(name=name, patients=int(has.sum()), asked=a, real=r, left_open=o)
        for name in known
        if (has := np.array([name in case.asked for case in cases])).sum() >= LEAST
        for a, r, o in [[_ranked(name, cases, marks) for marks in (shown[0], real, shown[1])]]
    )


def _cases(
    slices: SliceSet, split: str, cohorts: Sequence[str] | None, known: Sequence[str]
) -> Iterator[_Case]:
    index = slices.where(split=split, cohorts=cohorts)
    measured = slice_phenotypes(slices, index)
    places: dict[tuple[str, str], dict[int, dict[str, int]]] = {}
    for i in index:
        row = slices.rows[i]
        own = places.setdefault((row.cohort, row.patient), {})
        own.setdefault(row.slice, {})[row.phase] = int(i)
    for of_patient in places.values():
        both = [one for one in of_patient.values() if {"ED", "ES"} <= one.keys()]
        if not both:
            continue
        middle = min(both, key=lambda one: abs(slices.rows[one["ED"]].z - MIDDLE))
        asked = {n: v for n, v in measured[middle["ED"]].items() if n in known}
        row = slices.rows[middle["ED"]]
        _, labels = slices.crop(np.array([middle["ED"], middle["ES"]]))
        if asked:
            shows = marks_of(labels[0], labels[1], (slices.spacing, slices.spacing))
            yield _Case(asked, Condition(vendor=row.vendor or None, z=row.z), shows)


def _ranked(
    name: str, cases: Sequence[_Case], marks: Sequence[Mapping[str, float]]
) -> tuple[float, float, float]:
    """Spearman's correlation with the 95 % interval over patients; NaN where all ranks are one."""
    pairs = np.array(
        [
            (case.asked[name], shows[PHENOTYPES[name].mark])
            for case, shows in zip(cases, marks, strict=True)
            if name in case.asked and np.isfinite(shows[PHENOTYPES[name].mark])
        ]
    ).reshape(-1, 2)
    if len(pairs) < LEAST:
        return float("nan"), float("nan"), float("nan")
    rng = np.random.default_rng(0)
    chosen = drawn(rng, len(pairs), (DRAWS, len(pairs)))
    low, high = percentile_interval([_spearman(pairs[rows]) for rows in chosen])
    return _spearman(pairs), low, high


def _spearman(pairs: NDArray[np.float64]) -> float:
    from scipy.stats import rankdata

    ranks = rankdata(pairs, axis=0)
    if (ranks.std(axis=0) == 0).any():
        return float("nan")
    return float(np.corrcoef(ranks.T)[0, 1])
