"""Who is compared with whom: persons, within strata of one cohort and pathology.

Splits are balanced over pathologies, within cohorts; whatever asks what chance would do draws
within the same strata.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmr_synth.errors import InputError
from cmr_synth.evaluation.sample import Sample, joined, require_disjoint

ENOUGH = 2
"""Persons on each side for a stratum of its own."""
NEEDED = 10
"""Persons on each side, of strata that have both, for a figure: from there on intervals hold."""


@dataclass(frozen=True, eq=False)
class Units:
    """What is known of slices beside their pictures.

    Parameters
    ----------
    persons : (n,) array
        Somebody who was examined twice is one.
    member : (n,) bool array
        Trained on; equal for all slices of a person.
    cohorts, strata : (n,) arrays
    """

    persons: NDArray[np.str_]
    member: NDArray[np.bool_]
    cohorts: NDArray[np.str_]
    strata: NDArray[np.str_]

    def counts(self) -> dict[str, tuple[int, int]]:
        """Persons trained on, and others, of every stratum."""
        return {
            str(stratum): (
                len(np.unique(self.persons[rows & self.member])),
                len(np.unique(self.persons[rows & ~self.member])),
            )
            for stratum in np.unique(self.strata)
            for rows in [self.strata == stratum]
        }


def units_of(members: Sample, others: Sample) -> tuple[Sample, Units]:
    """Both sides as one sample, and who is who in it.

    Raises
    ------
    InputError
        If a person is on both sides, or too few of either can be compared.
    """
    require_disjoint(members, others)
    both = joined([members, others], name=f"{members.name} and {others.name}")
    member = np.arange(len(both)) < len(members)
    cohorts = np.array([row.cohort for row in both.rows])
    pathologies = np.array([row.pathology for row in both.rows])
    strata = strata_of(both.persons, member, cohorts, pathologies)
    units = Units(both.persons, member, cohorts, strata)
    compared = [pair for pair in units.counts().values() if min(pair)]
    inside, outside = (sum(pair[side] for pair in compared) for side in (0, 1))
    if min(inside, outside) < NEEDED:
        raise InputError(
            f"{inside} persons trained on and {outside} others of cohorts that have both; a "
            f"membership attack needs {NEEDED} of each, so nothing was attacked."
        )
    return both, units


def strata_of(
    persons: NDArray[np.str_],
    member: NDArray[np.bool_],
    cohorts: NDArray[np.str_],
    pathologies: NDArray[np.str_],
) -> NDArray[np.str_]:
    """Stratum of each slice.

    A pathology with enough persons on both sides is a stratum; what remains of a cohort is one
    more. Where that has not enough, the cohort is one stratum.
    """
    names, first, at = np.unique(persons, return_index=True, return_inverse=True)
    inside, cohort, pathology = member[first], cohorts[first], pathologies[first]
    strata = cohort.astype(object)

    def enough(who: NDArray[np.bool_]) -> bool:
        return min(int((who & inside).sum()), int((who & ~inside).sum())) >= ENOUGH

    for name in np.unique(cohort):
        of_cohort = cohort == name
        kinds = np.unique(pathology[of_cohort])
        alone = [kind for kind in kinds if enough(of_cohort & (pathology == kind))]
        rest = of_cohort & ~np.isin(pathology, alone)
        if rest.any() and not enough(rest):
            continue
        for kind in alone:
            strata[of_cohort & (pathology == kind)] = f"{name} {kind}".rstrip()
        strata[rest] = f"{name} rest"
    return strata[at].astype(str)
