"""How numbers are written: one place for digits, intervals and what is not known."""

from __future__ import annotations

import math

NONE = "–"
"""Where there is no number."""


def show(value: object) -> str:
    """A number with three decimals, a whole number or text as it is, nothing as a dash."""
    if value is None or isinstance(value, float):
        return number(value)
    return str(value)


def number(value: float | None, digits: int = 3) -> str:
    """A number with so many decimals; a dash where there is none."""
    return NONE if value is None or math.isnan(value) else f"{value:.{digits}f}"


def significant(value: float | None, digits: int = 3) -> str:
    """A number with so many digits that count; a dash where it is missing or infinite."""
    return NONE if value is None or not math.isfinite(value) else f"{value:.{digits}g}"


def interval(
    value: float | None,
    low: float | None,
    high: float | None,
    digits: int = 3,
    *,
    sign: bool = False,
) -> str:
    """A number with its interval in brackets, for a table.

    Parameters
    ----------
    value, low, high : float, optional
    digits : int
        Decimals.
    sign : bool
        Write the plus of what is above 0: for differences.
    """
    form = f"{'+' if sign else ''}.{digits}f"
    if value is None or math.isnan(value):
        return NONE
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return f"{value:{form}}"
    return f"{value:{form}} [{low:{form}}, {high:{form}}]"


def interval_in_words(value: float | None, low: float | None, high: float | None) -> str:
    """A number with its interval in brackets, for a sentence."""
    return f"{show(value)} ({show(low)} to {show(high)})"


def share(value: float | None, digits: int = 0) -> str:
    """A share in percent; a dash where there is none."""
    return NONE if value is None or math.isnan(value) else f"{value:.{digits}%}"


def beside(value: float, other: float, digits: int = 2) -> str:
    """A number, and in brackets the one to compare it with."""
    return f"{number(value, digits)} ({number(other, digits)})"
