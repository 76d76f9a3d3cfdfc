"""Phenotypes that a model can be asked for, with what its training patients had."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from cmr_synth.anatomy.phenotypes import require_known
from cmr_synth.errors import InputError


class Phenotype(BaseModel):
    """One phenotype, with what the training patients had.

    Parameters
    ----------
    name : str
        A key of `cmr_synth.anatomy.phenotypes.PHENOTYPES`.
    mean, sd, low, high : float
        Over the training patients, in the phenotype's unit; a training measures them.
    patients : int
        How many were measured; 0 before the training.
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

    @field_validator("name")
    @classmethod
    def _is_one(cls, name: str) -> str:
        try:
            return require_known(name)
        except InputError as error:
            raise ValueError(str(error).rstrip(".")) from None

    @classmethod
    def of(cls, name: str, values: Sequence[float]) -> Phenotype:
        """What the values of the training patients, one each, amount to.

        Raises
        ------
        InputError
            If there are fewer than two different ones.
        """
        known = np.asarray(values, np.float64)
        if known.size < 2 or not known.std() > 0:
            raise InputError(
                f"phenotype {name!r}: measured on {known.size} of the training patients, and it "
                "takes two that differ; it needs whole stacks with contours at ED and ES. Leave it "
                "out of model.phenotypes, or train on other cohorts."
            )
        return cls(
            name=name,
            mean=float(known.mean()),
            sd=float(known.std(ddof=1)),
            low=float(known.min()),
            high=float(known.max()),
            patients=int(known.size),
        )
