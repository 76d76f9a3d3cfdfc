"""Who trains and who tests: splits by patient, balanced over pathologies."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cmr_synth.cohorts.people import require_told_apart
from cmr_synth.errors import InputError

SPLITS = ("train", "validation", "test")


def split_patients(
    pathology_of: Mapping[str, str | None],
    *,
    seed: int = 0,
    test: float = 0.2,
    validation: float = 0.05,
    settled: Mapping[str, str] | None = None,
    same_person: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Assign every patient of one cohort to one split.

    Systematic sampling: patients are shuffled, sorted by pathology, and taken at equal
    distances, so that every split has its share of each pathology.

    Parameters
    ----------
    pathology_of : mapping of patient to pathology or None
    seed : int
        Shuffles patients within a pathology.
    test, validation : float
        Shares of the patients, rounded to the nearest whole patient, at least one each where
        the share is not zero and the cohort has three patients or more; one patient is always
        left for training.
    settled : mapping of patient to split, optional
        Those who have a side already, because models were trained and tested when the cohort was
        smaller. They keep it, and count towards the shares.
    same_person : mapping of patient to patient, optional
        Numbers of people examined again, to the first number of each. All numbers of a person get
        one side: the one that is settled, or else that of the first number; shares may be
        missed by as many.

    Returns
    -------
    dict
        Patient to "train", "validation" or "test".

    Raises
    ------
    InputError
        If the shares are no shares, one person is settled on two sides, or names of patients
        differ by a phase or a visit alone.
    """
    check_shares(test, validation)
    require_told_apart(pathology_of, same_person or {})
    patients = sorted(pathology_of)
    shuffled = np.random.default_rng(seed).permutation(len(patients))
    ordered = [patients[i] for i in shuffled]
    ordered.sort(key=lambda patient: pathology_of[patient] or "")
    known = {patient: side for patient, side in (settled or {}).items() if patient in pathology_of}
    split = {patient: known.get(patient, "train") for patient in ordered}
    for name, share in (("test", test), ("validation", validation)):
        free = [p for p in ordered if split[p] == "train" and p not in known]
        count = round(share * len(ordered))
        if share > 0 and len(ordered) >= 3:
            count = max(count, 1)
        count = max(count - sum(side == name for side in known.values()), 0)
        count = min(count, len(free) if "train" in known.values() else len(free) - 1)
        for k in range(count):
            split[free[int((k + 0.5) * len(free) / count)]] = name
    for numbers in _people(same_person or {}, split):
        sides = {known[number] for number in numbers if number in known}
        if len(sides) > 1:
            raise InputError(
                f"{', '.join(numbers)}: one person, settled on {' and '.join(sorted(sides))}; the "
                "cohort's adapter has to settle all numbers of a person on one side."
            )
        side = next(iter(sides), split[numbers[0]])
        split.update(dict.fromkeys(numbers, side))
    return split


def check_shares(test: float, validation: float) -> None:
    """Refuse shares that are negative or leave nobody to train with."""
    if not (test >= 0 and validation >= 0 and test + validation < 1):
        raise InputError(
            f"shares: test {test} and validation {validation} must leave some for training; give "
            "two numbers from 0 whose sum is below 1."
        )


def _people(same_person: Mapping[str, str], split: Mapping[str, str]) -> list[list[str]]:
    """Numbers in `split` of each person who has several, the first number first."""
    people: dict[str, list[str]] = {}
    for again, first in same_person.items():
        people.setdefault(first, [first]).append(again)
    there = ([number for number in numbers if number in split] for numbers in people.values())
    return [numbers for numbers in there if len(numbers) > 1]
