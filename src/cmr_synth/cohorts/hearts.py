"""Whole hearts of a cohort: both phases of each person, once, with the side of the split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import UNLABELLED
from cmr_synth.cohorts.examination import PHASES, Examination, LeftOut
from cmr_synth.cohorts.reading import read_cohort
from cmr_synth.cohorts.registry import load_cohort
from cmr_synth.cohorts.splits import split_patients


@dataclass(frozen=True, kw_only=True, eq=False)
class Heart:
    """The masks of one person at end-diastole and end-systole.

    Attributes
    ----------
    ed, es : (z, y, x) uint8 arrays
        Engine labels on one grid, nothing unlabelled.
    spacing : (z, y, x) in mm
    split : str
        "train", "validation" or "test", as in slice sets that are prepared with the same seed.
    """

    cohort: str
    patient: str
    pathology: str | None
    split: str
    ed: NDArray[np.uint8]
    es: NDArray[np.uint8]
    spacing: tuple[float, float, float]


def read_hearts(
    name: str, root: Path, left_out: list[LeftOut], *, seed: int = 0
) -> Iterator[Heart]:
    """Yield every person of a cohort of whom both phases are fully labelled.

    Parameters
    ----------
    name : str
        A cohort adapter.
    root : Path
        Its folder.
    left_out : list of LeftOut
        Whoever is left out is added to it, and why.
    seed : int
        Of the split.

    Raises
    ------
    InputError
        If the cohort is unknown, cannot be read, or nothing is left of it.
    """
    cohort = load_cohort(name)
    phases: dict[str, dict[str, Examination]] = {}
    for examination in read_cohort(name, root, left_out):
        if examination.phase in PHASES and examination.contrast == "cine":
            phases.setdefault(examination.patient, {})[str(examination.phase)] = examination
    pathology = {patient: next(iter(found.values())).pathology for patient, found in phases.items()}
    split = split_patients(
        pathology, seed=seed, settled=cohort.settled, same_person=cohort.same_person
    )
    for patient, found in sorted(phases.items()):
        reason = _unusable(patient, found, cohort.same_person.get(patient))
        if reason:
            left_out.append(LeftOut(patient, reason))
            continue
        ed, es = found["ED"], found["ES"]
        yield Heart(
            cohort=name,
            patient=patient,
            pathology=pathology[patient],
            split=split[patient],
            ed=ed.labels,
            es=es.labels,
            spacing=ed.spacing,
        )


def _unusable(patient: str, found: dict[str, Examination], first: str | None) -> str | None:
    """Why a patient is no heart of both phases, or None."""
    if first is not None:
        return f"is {first} examined again; each person counts once."
    missing = [phase for phase in PHASES if phase not in found]
    if missing:
        return f"has no {missing[0]}; a heart needs both phases."
    ed, es = found["ED"], found["ES"]
    if ed.labels.shape != es.labels.shape or not np.allclose(ed.spacing, es.spacing, rtol=1e-3):
        return "has ED and ES on different grids."
    if (ed.labels == UNLABELLED).any() or (es.labels == UNLABELLED).any():
        return "has unlabelled pixels; a heart needs LV, myocardium and RV drawn in both phases."
    return None
