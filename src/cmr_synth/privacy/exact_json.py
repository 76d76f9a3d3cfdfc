"""JSON that has one reading: what is signed, and what it was made from.

Readers differ in which of two equal names they take, and in what they make of numbers that a double
does not hold and of half a surrogate pair. A document with any of these is refused, so that nobody
is shown something else than what the signature covers.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NoReturn

from cmr_synth.errors import InputError

LARGEST = 1 << 24
"""Bytes of a file."""
DEEPEST = 64
"""Objects and lists inside each other."""
EXACT = 2**53 - 1
"""The largest whole number up to which every JSON reader counts exactly."""


def read_object(path: Path, *, whole: int = EXACT) -> dict[str, Any]:
    """Read a file that holds one JSON object.

    Parameters
    ----------
    path : Path
    whole : int
        Whole numbers may be as large.

    Raises
    ------
    InputError
        If it cannot be read, is too large, no JSON object, or can be read in more than one way.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise ValueError("no such file")
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise ValueError(f"more than {LARGEST:,} bytes")
        found = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_once,
            parse_constant=_no_number,
            parse_float=_finite,
            parse_int=lambda text: _whole(text, whole),
        )
        _require_plain(found)
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{path}: cannot be read as JSON ({reason}); get it again.") from error
    if not isinstance(found, dict):
        raise InputError(f"{path}: holds no JSON object; get it again.")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name!r} is given twice")
        found[name] = value
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is too large a number")
    return value


def _whole(text: str, most: int) -> int:
    # by length first: turning very many digits into a number takes very long
    if len(text) > 20 or abs(int(text)) > most:
        raise ValueError(f"{text[:20]} is too large a whole number")
    return int(text)


def _require_plain(found: Any) -> None:
    waiting = [(found, 1)]
    while waiting:
        value, depth = waiting.pop()
        if depth > DEEPEST:
            raise ValueError(f"nested more than {DEEPEST} deep")
        if isinstance(value, dict):
            waiting += [(part, depth + 1) for item in value.items() for part in item]
        elif isinstance(value, list):
            waiting += [(part, depth + 1) for part in value]
        elif isinstance(value, str) and any("\ud800" <= sign <= "\udfff" for sign in value):
            raise ValueError(f"half a character in {value[:20]!r}")
