"""Patients who are one person by their names: `p0-ED` and `p0-ES`, `p7-visit1` and `p7-visit2`.

Where the phase or the visit is taken for a part of the name, one person becomes two patients, and
may train a model and test it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

from cmr_synth.errors import InputError

LISTED = 10

_PHASE = re.compile(
    r"ed|es|dia|sys|(end)?(diastol|systol)(e|ic)?|frame\d+",
    re.IGNORECASE,
)
_VISIT = re.compile(
    r"(v|visit|ses|session|scan|exam|tp|timepoint)\d{1,2}|baseline|follow|followup|fu\d*|pre|post",
    re.IGNORECASE,
)
_BETWEEN = re.compile(r"[^A-Za-z0-9]+")
_PHASE_AT_END = re.compile(r"(?<=\d)(ED|ES)$")


def is_phase_or_visit(part: str, *, visits: bool = True) -> bool:
    """Whether a part of a name is a phase, or a visit where these count, and tells no person."""
    return bool(_PHASE.fullmatch(part) or (visits and _VISIT.fullmatch(part)))


def named_alike(
    patients: Iterable[str], same_person: Mapping[str, str] | None = None
) -> list[tuple[str, ...]]:
    """Groups of patients whose names differ by a phase or a visit alone.

    Parameters
    ----------
    patients : iterable of str
        Of one cohort.
    same_person : mapping of patient to patient, optional
        Those who are known to be one person, to the first name of each; they are no finding.

    Returns
    -------
    list of tuple of str
        Sorted.
    """
    known = same_person or {}
    groups: defaultdict[str, set[str]] = defaultdict(set)
    for patient in set(patients):
        bare = _bare(patient)
        if bare:  # a name that is a phase or a visit altogether says nothing of a person
            groups[bare].add(patient)
    return sorted(
        tuple(sorted(group))
        for group in groups.values()
        if len({known.get(patient, patient) for patient in group}) > 1
    )


def require_told_apart(patients: Iterable[str], same_person: Mapping[str, str]) -> None:
    """Refuse to split patients of whom several are one person by their names.

    Raises
    ------
    InputError
        Listing them.
    """
    groups = named_alike(patients, same_person)
    if not groups:
        return
    shown = "; ".join(", ".join(group) for group in groups[:LISTED])
    more = f"; and {len(groups) - LISTED} more" if len(groups) > LISTED else ""
    raise InputError(
        f"{len(groups)} {'people' if len(groups) > 1 else 'person'} under several names, which "
        f"differ by phase or visit alone and could come to both sides of a split: {shown}{more}. "
        "Give each person one name, in the columns file and patient of cohort.csv, or in "
        "`same_person` of the adapter."
    )


def _bare(patient: str) -> str:
    """A name without what tells of a phase or a visit."""
    parts = [part for part in _BETWEEN.split(_PHASE_AT_END.sub("", patient)) if part]
    return "-".join(part.lower() for part in parts if not is_phase_or_visit(part))
