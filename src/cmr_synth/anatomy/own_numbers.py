"""A mask's numbers said one by one, where it follows no convention: ``LV=5,MYO=4+6,RV=7``.

A structure may have several numbers (blood and papillary muscles drawn apart), or none (a mask
without the RV). Scar of late enhancement is named the same way: ``infarct=8,no-reflow=9``. Numbers
that are not named, such as atria or the aorta, are background.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cmr_synth.errors import InputError

NAMES = ("LV", "MYO", "RV", "infarct", "no-reflow")
EXAMPLE = "LV=3,MYO=2,RV=1"
LARGEST = 65_535  # of 16 bits, in which programs with hundreds of structures write them

_CANONICAL = {name.lower(): name for name in NAMES}
_NUMBERS = re.compile(r"\d+(\s*\+\s*\d+)*")


def says_numbers(text: str | None) -> bool:
    """Whether a label convention is spelled out, rightly or not, instead of named."""
    return bool(text) and "=" in str(text)


def read_numbers(text: str) -> dict[str, tuple[int, ...]]:
    """Read the numbers of each structure.

    Parameters
    ----------
    text : str
        Such as ``LV=3,MYO=2,RV=1``; several numbers of a structure as ``MYO=2+4``. Case and spaces
        do not matter; a structure that the mask lacks is left out.

    Returns
    -------
    dict
        From "LV", "MYO", "RV", "infarct" and "no-reflow" to their numbers, each at least one, in
        this order.

    Raises
    ------
    InputError
        If a name is none of these, a number is none or is given twice, or none is given at all.
    """
    found: dict[str, tuple[int, ...]] = {}
    taken: dict[int, str] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        given, _, value = (piece.strip() for piece in part.partition("="))
        name = _CANONICAL.get(given.lower(), given)
        if name not in NAMES or name in found:
            twice = "is given twice" if name in found else "is no structure"
            raise InputError(
                f"labels {text!r}: {given!r} {twice}; write one number or more for each of "
                f"{', '.join(NAMES)}, such as {EXAMPLE}."
            )
        if not _NUMBERS.fullmatch(value):
            raise InputError(
                f"labels {text!r}: {value!r} is no number of {name}; write whole numbers, several "
                f"with a plus, such as {name}=2 or {name}=2+4."
            )
        numbers = tuple(dict.fromkeys(int(n) for n in value.split("+")))
        for number in numbers:
            if not 1 <= number <= LARGEST:
                raise InputError(
                    f"labels {text!r}: {number} cannot be {name}; numbers of structures run from 1 "
                    f"to {LARGEST}, 0 is the background."
                )
            if number in taken:
                raise InputError(
                    f"labels {text!r}: {number} is both {taken[number]} and {name}; a number means "
                    "one structure."
                )
            taken[number] = name
        found[name] = numbers
    if not found:
        raise InputError(f"labels {text!r}: no structure is named; write such as {EXAMPLE}.")
    return {name: found[name] for name in NAMES if name in found}


def write_numbers(numbers: Mapping[str, Sequence[int]]) -> str:
    """The text that `read_numbers` reads, in its shortest form; structures without are left out."""
    return ",".join(
        f"{name}={'+'.join(str(n) for n in numbers[name])}" for name in NAMES if numbers.get(name)
    )
