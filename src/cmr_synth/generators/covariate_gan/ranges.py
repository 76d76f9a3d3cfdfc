"""Covariates that a model changes, with what its training patients had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import field_validator

from cmr_synth.cohorts.covariates import COVARIATES, is_somebodys
from cmr_synth.errors import InputError
from cmr_synth.generators.measured import Measured


class CovariateRange(Measured):
    """One covariate, with what the training patients had.

    Parameters
    ----------
    name : str
        A key of `cmr_synth.cohorts.covariates.COVARIATES`.
    """

    @field_validator("name")
    @classmethod
    def _is_one(cls, name: str) -> str:
        if name not in COVARIATES:
            raise ValueError(f"{name!r} is none of {', '.join(COVARIATES)}")
        return name

    @classmethod
    def too_few(cls, name: str, known: int) -> str:
        """What is said where fewer than two different values are known."""
        return (
            f"covariate {name!r}: known of {known} of the training patients, and it takes "
            "two that differ; train on a cohort that states it, or add it to cohort.csv."
        )


def require_values(
    given: Mapping[str, float], ranges: Sequence[CovariateRange], *, whose: str
) -> None:
    """Refuse a covariate that a model does not change, and a number that nobody has.

    Raises
    ------
    InputError
        Naming it.
    """
    known = [one.name for one in ranges]
    for name, value in given.items():
        if name not in known:
            raise InputError(
                f"covariate {name!r}: this model changes {', '.join(known)}; ask for one of them."
            )
        if not is_somebodys(name, value):
            of = COVARIATES[name]
            raise InputError(
                f"{of.title} {value:g} {of.unit} ({whose}): give {of.least:g} to {of.most:g} "
                f"{of.unit}."
            )


def beyond_training(given: Mapping[str, float], ranges: Sequence[CovariateRange]) -> list[str]:
    """What lies outside of what a model has seen, and how far, a line each."""
    lines = []
    for one in ranges:
        value = given.get(one.name)
        if value is None or one.low <= value <= one.high:
            continue
        edge, where = (one.low, "below") if value < one.low else (one.high, "above")
        of, off = COVARIATES[one.name], abs(value - edge)
        lines.append(
            f"{of.title} {value:g} {of.unit} is {off:.3g} {of.unit} ({off / one.sd:.1f} standard "
            f"deviations) {where} all {one.patients} patients that the model was trained on "
            f"({one.low:.4g} to {one.high:.4g} {of.unit}): what comes out is a guess."
        )
    return lines
