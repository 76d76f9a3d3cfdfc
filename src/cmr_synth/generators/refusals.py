"""One line for what a family has not; it is refused and never ignored."""

from __future__ import annotations

from collections.abc import Sequence

from cmr_synth.errors import InputError
from cmr_synth.generators.interface import Condition


def refuse_sampler(family: str, sampler: str | None, known: Sequence[str] = ()) -> None:
    """Refuse a sampler that is not among those known.

    Raises
    ------
    InputError
        Listing them.
    """
    if sampler is None or sampler in known:
        return
    hint = f"choose {', '.join(known)}" if known else "leave it out"
    raise InputError(f"sampler {sampler!r}: models of {family!r} have none of that name; {hint}.")


def refuse_guidance(family: str, guidance: float | None) -> None:
    """Refuse guidance other than 1 (none).

    Raises
    ------
    InputError
    """
    if guidance not in (None, 1.0):
        raise InputError(
            f"guidance: {guidance:g} given; models of {family!r} have none, leave it out."
        )


def refuse_prompt(family: str, conditions: Sequence[Condition]) -> None:
    """Refuse text.

    Raises
    ------
    InputError
    """
    if any(condition.prompt for condition in conditions):
        raise InputError(
            f"prompt: models of {family!r} read no text; use vendor, phase and pathology instead."
        )
