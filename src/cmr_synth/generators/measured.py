"""A number of people that a model is told, with what its training patients had."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from cmr_synth.errors import InputError

AMeasured = TypeVar("AMeasured", bound="Measured")


class Measured(BaseModel):
    """One number, with what the training patients had; what it may be called a subclass says.

    Parameters
    ----------
    name : str
    mean, sd, low, high : float
        Over the training patients, in the number's unit; a training measures them.
    patients : int
        How many it is known of; 0 before the training.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    name: str
    mean: float = 0.0
    sd: float = Field(1.0, gt=0)
    low: float = -1.0
    high: float = 1.0
    patients: int = Field(0, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _of_its_name(cls, stated: Any) -> Any:
        return {"name": stated} if isinstance(stated, str) else stated

    @classmethod
    def too_few(cls, name: str, known: int) -> str:
        """What is said where fewer than two different values are known."""
        raise TypeError(f"{cls.__name__} does not say what it takes")

    @classmethod
    def of(cls: type[AMeasured], name: str, values: Sequence[float]) -> AMeasured:
        """What the values of the training patients, one each, amount to.

        Raises
        ------
        InputError
            If there are fewer than two different ones.
        """
        known = np.asarray(values, np.float64)
        if known.size < 2 or not known.std() > 0:
            raise InputError(cls.too_few(name, known.size))
        return cls(
            name=name,
            mean=float(known.mean()),
            sd=float(known.std(ddof=1)),
            low=float(known.min()),
            high=float(known.max()),
            patients=int(known.size),
        )
