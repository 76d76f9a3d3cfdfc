"""A slice set with fewer training patients: what can be learned when data are few?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cmr_synth.cohorts.slices import SliceSet, persons_of
from cmr_synth.errors import InputError

SET_ASIDE = "set aside"
"""Split of the training patients who are not among the few."""


def fewer_patients(
    slices: SliceSet, count: int, *, cohorts: Sequence[str] | None = None, seed: int = 0
) -> SliceSet:
    """Keep so many training patients and set the others aside; held-out patients stay.

    Parameters
    ----------
    slices : SliceSet
    count : int
        Patients to keep, 1 or more. Fewer are among more of the same seed.
    cohorts : sequence of str, optional
        To take them from; training patients of other cohorts are set aside. By default all.
    seed : int
        Of the draw. A pathology that patients have stands among the few in turn, so that ten
        patients are not all of one disease.

    Raises
    ------
    InputError
        If there are not so many.
    """
    index = slices.where(split="train", cohorts=cohorts, contrast=None)
    rows = [slices.rows[i] for i in index]
    persons = [str(person) for person in persons_of(rows)]
    first = dict(zip(persons, rows, strict=True))
    if not 1 <= count <= len(first):
        of = f" of {', '.join(cohorts)}" if cohorts else ""
        raise InputError(
            f"{count} training patients: the slice set has {len(first)}{of}; ask for 1 to "
            f"{len(first)}, or prepare it from more."
        )
    order = np.random.default_rng(seed).permutation(sorted(first))
    turns: dict[tuple[str, str], int] = {}
    ranked: list[tuple[int, int, str]] = []
    for person in map(str, order):
        kind = (first[person].cohort, first[person].pathology)
        turns[kind] = turns.get(kind, 0) + 1
        ranked.append((turns[kind], len(ranked), person))
    kept = {person for _, _, person in sorted(ranked)[:count]}
    aside = {int(i) for person, i in zip(persons, index, strict=True) if person not in kept}
    everyone = set(slices.where(split="train", contrast=None).tolist())
    aside |= everyone - set(index.tolist())
    told = tuple(
        replace(row, split=SET_ASIDE) if i in aside else row for i, row in enumerate(slices.rows)
    )
    return replace(slices, rows=told)
