"""Phenotypes that a model can be asked for, with what its training patients had."""

from __future__ import annotations

from pydantic import field_validator

from cmr_synth.anatomy.phenotypes import require_known
from cmr_synth.errors import InputError
from cmr_synth.generators.measured import Measured


class Phenotype(Measured):
    """One phenotype, with what the training patients had.

    Parameters
    ----------
    name : str
        A key of `cmr_synth.anatomy.phenotypes.PHENOTYPES`.
    """

    @field_validator("name")
    @classmethod
    def _is_one(cls, name: str) -> str:
        try:
            return require_known(name)
        except InputError as error:
            raise ValueError(str(error).rstrip(".")) from None

    @classmethod
    def too_few(cls, name: str, known: int) -> str:
        """What is said where fewer than two different values are known."""
        return (
            f"phenotype {name!r}: measured on {known} of the training patients, and it "
            "takes two that differ; it needs whole stacks with contours at ED and ES. Leave it "
            "out of model.phenotypes, or train on other cohorts."
        )
