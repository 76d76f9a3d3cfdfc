"""The training sets that are compared, from one set of real slices and what was made for it.

All that hold real slices see the same number of them, in the same order and with the same
augmentation: what is added comes on top, in every batch as many as there are real ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cmr_synth.cohorts.slices import SliceRow, SliceSet
from cmr_synth.errors import InputError
from cmr_synth.evaluation.utility.arms import SHAPE, Arm
from cmr_synth.evaluation.utility.hearts import NewSlices

TrainingSet = tuple[SliceSet, list[NDArray[np.int64]]]
"""Slices, and which of them are of one kind."""


def training_set(
    arm: Arm,
    slices: SliceSet,
    index: NDArray[np.int64],
    others: NDArray[np.int64],
    copies: Mapping[int, NDArray[np.uint8]],
    hearts: NewSlices | None = None,
) -> TrainingSet:
    """The slices of an arm on the networks' grid, all of the split "train".

    Real ones are cut to the same 128 x 128 as synthetic ones, so that the arms differ in nothing
    but their pixels.

    Parameters
    ----------
    index, others : (n,) int arrays
        Real training slices of the set: those that have copies, and those of the other cohorts.
    copies : mapping of int to (n, 128, 128) uint8 array
        By their numbers; those that the arm does not take need not be there.
    hearts : NewSlices, optional
        For an arm that has some.

    Returns
    -------
    TrainingSet
        Its kinds: real slices, those of other cohorts, each copy, new hearts.

    Raises
    ------
    InputError
        If a copy is missing.
    """
    if missing := sorted(set(arm.chosen) - set(copies)):
        raise InputError(f"{arm.name}: copy {missing[0]} was not made; make it first.")
    kinds: list[tuple[NDArray[np.int64], NDArray[np.uint8] | None]] = []
    if arm.real:
        kinds.append((index, None))
    if arm.others:
        kinds.append((others, None))
    kinds += [(index, copies[number]) for number in arm.chosen]
    top, left = ((slices.images.shape[i + 1] - SHAPE[i]) // 2 for i in (0, 1))
    images, labels, covered = [], [], []
    rows: list[SliceRow] = []
    streams = []
    for own, pictures in kinds:
        window = (own, slice(top, top + SHAPE[0]), slice(left, left + SHAPE[1]))
        images.append(np.asarray(slices.images[window]) if pictures is None else pictures)
        labels.append(np.asarray(slices.labels[window]))
        covered.append(np.asarray(slices.covered[window]))
        streams.append(np.arange(len(rows), len(rows) + len(own)))
        rows += [replace(slices.rows[i], split="train") for i in own]
    if arm.hearts:
        if hearts is None:
            raise InputError(f"{arm.name}: no new hearts were made; make them first.")
        images.append(hearts.images)
        labels.append(hearts.labels)
        covered.append(np.ones_like(hearts.labels))
        streams.append(np.arange(len(rows), len(rows) + len(hearts.rows)))
        rows += [replace(row, split="train") for row in hearts.rows]
    joined = SliceSet(
        np.concatenate(images),
        np.concatenate(labels),
        np.concatenate(covered),
        tuple(rows),
        {"spacing_mm": slices.spacing},
    )
    return joined, streams
