"""Dice of what a segmenter finds with what the mask asked for, pooled over a patient's slices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import STRUCTURES, UNLABELLED, is_heart


def dice_by_patient(
    found: NDArray[np.uint8], truth: NDArray[np.uint8], patients: NDArray
) -> dict[str, NDArray[np.float64]]:
    """Dice of each structure, pooled over the slices of each patient.

    Parameters
    ----------
    found, truth : (n, y, x) uint8 arrays
        Engine labels; pixels with 255 in `truth` are left out.
    patients : (n,) array
        Patient of each slice.

    Returns
    -------
    dict
        Structure to one Dice a patient, in sorted order of patients. A structure that is drawn
        and never found counts as 0; one that neither shows is NaN.
    """
    if found.shape != truth.shape or len(patients) != len(truth):
        raise ValueError(f"shapes differ: {found.shape}, {truth.shape}, {len(patients)} patients")
    known = truth != UNLABELLED
    scores: dict[str, NDArray[np.float64]] = {}
    for structure, label in STRUCTURES.items():
        values = []
        for patient in np.unique(patients):
            rows = patients == patient
            f, t = (found[rows] == label) & known[rows], truth[rows] == label
            total = int(f.sum() + t.sum())
            values.append(2 * int((f & t).sum()) / total if total else np.nan)
        scores[structure] = np.array(values)
    return scores


def dice_of_slices(found: NDArray[np.uint8], truth: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Dice (n,) of every slice over all structures together; 0 where neither shows one."""
    heart = is_heart(truth)
    same = (heart & (found == truth)).sum(axis=(1, 2))
    total = heart.sum(axis=(1, 2)) + (found > 0).sum(axis=(1, 2))
    return np.asarray(2 * same / np.maximum(total, 1))
