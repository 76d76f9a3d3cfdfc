"""What a metric of realism finds: one number with all that is needed to read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

NAN = float("nan")


@dataclass(frozen=True)
class Estimate:
    """A figure of synthetic slices beside that of real ones.

    Parameters
    ----------
    value : float
    low, high : float
        95 % interval, patients drawn with replacement; NaN where there is none.
    floor : float
        The same figure of other real patients in the place of the synthetic slices: no model can
        be expected to do better. NaN where real patients have none, as with pairs of pictures.
    patients : int
        Over which the interval is; held-out ones where nothing else is said.
    floor_low, floor_high : float
        Interval of the floor, for a metric that takes one.
    null, null_low, null_high : float
        The figure, with its interval, of the same generator on both sides: pictures of other noise
        in the place of the real slices. For a metric that has one, where such pictures were made.
    """

    value: float
    low: float
    high: float
    floor: float
    patients: int
    floor_low: float = NAN
    floor_high: float = NAN
    null: float = NAN
    null_low: float = NAN
    null_high: float = NAN

    def as_dict(self) -> dict[str, float | int | None]:
        """For JSON: what is not known is None, and what only some metrics have is left out."""
        always = ("value", "low", "high", "floor", "patients")
        return {
            name: float_or_none(value)
            for name, value in asdict(self).items()
            if name in always or np.isfinite(value)
        }

    @classmethod
    def of_dict(cls, facts: Mapping[str, Any]) -> Estimate:
        """From what `as_dict` made."""
        known: dict[str, Any] = {k: NAN if v is None else v for k, v in facts.items()}
        return cls(**known)


def float_or_none(value: float) -> float | None:
    """A number as JSON has it, which knows neither NaN nor infinity."""
    return value if np.isfinite(value) else None
