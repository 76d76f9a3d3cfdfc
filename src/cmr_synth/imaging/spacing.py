"""A spacing as people type it, for scans whose header never got one."""

from __future__ import annotations

import re

from cmr_synth.errors import InputError

_NUMBER = r"\d+(?:[.,]\d+)?"
_TYPED = re.compile(rf"({_NUMBER})\s*[x\N{{MULTIPLICATION SIGN}}*; ]\s*", re.IGNORECASE)
RANGE_MM = (0.05, 100.0)


def spacing_of(text: str) -> tuple[float, float, float]:
    """Read a spacing such as ``1.4x1.4x8`` (columns, rows, slices) or ``1.4x8`` (pixels, slices).

    Parameters
    ----------
    text : str
        mm, with a point or a comma, apart by x or a space.

    Returns
    -------
    (z, y, x) in mm

    Raises
    ------
    InputError
        If it is no such text, or a number is outside `RANGE_MM`.
    """
    numbers = [
        float(n.replace(",", ".")) for n in _TYPED.findall(f"{text.strip().removesuffix('mm')} ")
    ]
    typed = _TYPED.sub("", f"{text.strip().removesuffix('mm')} ").strip()
    if typed or len(numbers) not in (2, 3):
        raise InputError(
            f"spacing {text!r}: give mm as columns x rows x slices, such as 1.4x1.4x8."
        )
    if not all(RANGE_MM[0] <= n <= RANGE_MM[1] for n in numbers):
        raise InputError(
            f"spacing {text!r}: each number must be {RANGE_MM[0]:g} to {RANGE_MM[1]:g} mm."
        )
    x, y, z = numbers if len(numbers) == 3 else (numbers[0], numbers[0], numbers[1])
    return z, y, x
