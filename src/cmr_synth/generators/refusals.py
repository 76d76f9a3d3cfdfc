"""One line for what a family has not; it is refused and never ignored."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from cmr_synth.errors import InputError
from cmr_synth.generators.interface import Condition

HAS_NONE = {
    "mask": "cannot follow one; leave the mask out or choose another family",
    "vendor": "know none; leave it out or choose another family",
    "phase": "know none; leave it out or choose another family",
    "pathology": "know none; leave it out or choose another family",
    "cohort": "know none; leave it out or choose another family",
    "contrast": "make one alone; leave it out or choose another family",
    "z": "know no positions of slices; leave it out or choose another family",
    "phenotypes": "know no measurements of hearts; leave them out or choose another family",
    "tissues": "know none around the heart; leave them out or choose another family",
    "reference": "take over no look; leave it out or choose another family",
    "layout": "keep the layout of no picture; leave it out or choose another family",
    "prompt": "read no text; use vendor, phase and pathology instead",
}
"""What is said of a condition that models of a family do not take."""


def refuse_untaken(family: str, takes: Collection[str], conditions: Sequence[Condition]) -> None:
    """Refuse conditions that a family does not take.

    Parameters
    ----------
    family : str
    takes : collection of str
        As it declares them.
    conditions : sequence of Condition

    Raises
    ------
    InputError
        Naming the first.
    """
    for condition in conditions:
        for name in condition.stated:
            if name not in takes:
                raise InputError(f"{name}: models of {family!r} {HAS_NONE[name]}.")


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
