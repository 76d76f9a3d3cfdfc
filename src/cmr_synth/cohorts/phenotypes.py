"""The phenotypes of the people of a slice set, measured on its own labels.

A set holds every labelled slice of a stack, the distance between them and their phase, so that
volumes follow by Simpson's rule whenever they are wanted; nothing more is stored, and sets that
were prepared earlier have them too. A stack with a gap, without its spacing, or with two slices in
one place is not measured.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import scar_as_myocardium
from cmr_synth.anatomy.phenotypes import phenotypes_of
from cmr_synth.cohorts.slices import SliceRow, SliceSet

Who = tuple[str, str, str]  # cohort, patient, contrast


def slice_phenotypes(slices: SliceSet, index: NDArray[np.int64]) -> dict[int, dict[str, float]]:
    """Phenotypes of the patient of each slice.

    Parameters
    ----------
    slices : SliceSet
    index : (n,) int array
        Whose slices; of their patients every slice of the set is measured.

    Returns
    -------
    dict
        From each slice of `index` to its patient's phenotypes; empty where none can be given.
    """
    wanted = {_who(slices.rows[i]) for i in index}
    stacks: defaultdict[Who, defaultdict[str, list[int]]]
    stacks = defaultdict(lambda: defaultdict(list))
    for i, row in enumerate(slices.rows):
        if _who(row) in wanted:
            stacks[_who(row)][row.phase].append(i)
    measured = {who: _measured(slices, phases) for who, phases in stacks.items()}
    return {int(i): measured[_who(slices.rows[i])] for i in index}


def _who(row: SliceRow) -> Who:
    return row.cohort, row.patient, row.contrast


def _measured(slices: SliceSet, phases: dict[str, list[int]]) -> dict[str, float]:
    stacks = {phase: _stack(slices, phases.get(phase, [])) for phase in ("ED", "ES")}
    apart = {found[1] for found in stacks.values() if found is not None}
    if len(apart) != 1:
        return {}
    ed, es = (None if found is None else found[0] for found in stacks.values())
    return phenotypes_of(ed, es, (apart.pop(), slices.spacing, slices.spacing))


def _stack(slices: SliceSet, own: list[int]) -> tuple[NDArray[np.uint8], float] | None:
    """Labels (z, y, x) of a whole stack and the distance of its slices in mm, if it is one."""
    ordered = sorted(own, key=lambda i: slices.rows[i].slice)
    places = [slices.rows[i].slice for i in ordered]
    apart = {round(slices.rows[i].between_mm, 3) for i in ordered}
    whole = len(places) > 1 and places == list(range(places[0], places[0] + len(places)))
    if not whole or len(apart) != 1 or not min(apart) > 0:
        return None
    return scar_as_myocardium(np.asarray(slices.labels[np.array(ordered)])), apart.pop()
