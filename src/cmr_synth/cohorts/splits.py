"""Who trains and who tests: splits by patient, balanced over pathologies."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cmr_synth.errors import InputError

SPLITS = ("train", "validation", "test")


def split_patients(
    pathology_of: Mapping[str, str | None],
    *,
    seed: int = 0,
    test: float = 0.2,
    validation: float = 0.05,
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

    Returns
    -------
    dict
        Patient to "train", "validation" or "test".

    Raises
    ------
    InputError
        If the shares are no shares.
    """
    check_shares(test, validation)
    patients = sorted(pathology_of)
    shuffled = np.random.default_rng(seed).permutation(len(patients))
    ordered = [patients[i] for i in shuffled]
    ordered.sort(key=lambda patient: pathology_of[patient] or "")
    split = dict.fromkeys(ordered, "train")
    for name, share in (("test", test), ("validation", validation)):
        free = [patient for patient in ordered if split[patient] == "train"]
        count = round(share * len(ordered))
        if share > 0 and len(ordered) >= 3:
            count = max(count, 1)
        count = min(count, len(free) - 1)
        for k in range(count):
            split[free[int((k + 0.5) * len(free) / count)]] = name
    return split


def check_shares(test: float, validation: float) -> None:
    """Refuse shares that are negative or leave nobody to train with."""
    if not (test >= 0 and validation >= 0 and test + validation < 1):
        raise InputError(
            f"shares: test {test} and validation {validation} must leave some for training; give "
            "two numbers from 0 whose sum is below 1."
        )
