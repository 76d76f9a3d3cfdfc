"""Which contrasts a model saw of which pathologies: what it is asked for beyond them is said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from cmr_synth.cohorts.slices import SliceRow

NEVER_SEEN = "never seen in training"


class Combination(BaseModel):
    """A contrast and a pathology that training patients had together."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    contrast: str
    pathology: str = Field(description="empty where it is not known")
    patients: int = Field(ge=1)


def combinations_of(rows: Sequence[SliceRow]) -> tuple[Combination, ...]:
    """Contrast by pathology with the number of people, in the order of the words."""
    from cmr_synth.cohorts.examination import CONTRASTS, PATHOLOGIES
    from cmr_synth.cohorts.slices import persons_of

    people: dict[tuple[str, str], set[str]] = {}
    for row, person in zip(rows, persons_of(rows), strict=True):
        people.setdefault((row.contrast, row.pathology), set()).add(str(person))
    return tuple(
        Combination(contrast=c, pathology=p, patients=len(people[c, p]))
        for c in CONTRASTS
        for p in (*PATHOLOGIES, "")
        if (c, p) in people
    )


def patients_with(seen: Sequence[Combination], contrast: str, pathology: str) -> int:
    """Training patients who had both; 0 if nobody had."""
    return sum(
        one.patients for one in seen if (one.contrast, one.pathology) == (contrast, pathology)
    )


def is_new(seen: Sequence[Combination], contrast: str | None, pathology: str | None) -> bool:
    """Whether nobody in training had a contrast together with a pathology.

    False where a model does not say what it saw, or one of them is left open.
    """
    if not seen or not contrast or not pathology:
        return False
    return not patients_with(seen, contrast, pathology)
