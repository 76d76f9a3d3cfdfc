"""The working grid and the words that a model knows: where the settings of every network begin."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator, model_validator

from cmr_synth.anatomy.labels import SCAR, Structure
from cmr_synth.anatomy.surroundings import TISSUES
from cmr_synth.cohorts.examination import (
    CINE,
    CONTRASTS,
    PATHOLOGIES,
    PHASES,
    VENDORS,
    known_contrast,
)
from cmr_synth.generators.phenotypes import Phenotype

WORDS = ("vendor", "phase", "pathology", "cohort", "contrast")
"""Conditions that are words."""
OF_CINE: tuple[Structure, ...] = ("LV", "MYO", "RV")


class Vocabulary(BaseModel):
    """Working grid and words of a model; the settings of every family's network begin with it.

    Parameters
    ----------
    shape : (rows, columns)
    spacing_mm : float
    vendors, phases, pathologies : tuple of str
    cohorts : tuple of str
        Data sets whose patients and hospitals the model can be asked for apart from the vendor.
    contrast : str
        Of all of its pictures, a key of `cmr_synth.cohorts.examination.CONTRASTS`; of a model that
        tells several apart the one that is made where none is asked for.
    structures : tuple of str
        What its masks tell apart; scar is myocardium to a model that does not know it, and to one
        that knows no RV the RV is part of what is left open.
    contrasts : mapping
        Of a model that makes several contrasts and takes them as a word: each with the structures
        that masks tell apart in it, in place of `structures`. Empty for a model of one.
    phenotypes : tuple of Phenotype
        Measurements of a heart that the model can be asked for; a recipe names them, and the
        training adds what its patients had.
    tissues : bool
        Whether it takes a map of the tissues around the heart beside the mask.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    shape: tuple[PositiveInt, PositiveInt] = (128, 128)
    spacing_mm: float = Field(1.5, gt=0)
    vendors: tuple[str, ...] = VENDORS
    phases: tuple[str, ...] = PHASES
    pathologies: tuple[str, ...] = tuple(PATHOLOGIES)
    cohorts: tuple[str, ...] = ()
    contrast: str = CINE
    structures: tuple[Structure, ...] = OF_CINE
    contrasts: dict[str, tuple[Structure, ...]] = {}
    phenotypes: tuple[Phenotype, ...] = ()
    tissues: bool = False

    _known = field_validator("contrast")(known_contrast)

    @model_validator(mode="after")
    def _contrasts_fit(self) -> Vocabulary:
        if not self.contrasts:
            return self
        if unknown := sorted(self.contrasts.keys() - CONTRASTS.keys()):
            raise ValueError(f"contrasts: {unknown[0]!r} is none of {', '.join(CONTRASTS)}")
        if len(self.contrasts) == 1:
            raise ValueError("contrasts: one alone is no word; name it as contrast")
        if self.contrast not in self.contrasts:
            raise ValueError(f"contrast {self.contrast!r} is none of its contrasts")
        if self.structures != OF_CINE:
            raise ValueError("structures are named by contrast; leave structures out")
        return self

    @field_validator("phenotypes")
    @classmethod
    def _named_once(cls, phenotypes: tuple[Phenotype, ...]) -> tuple[Phenotype, ...]:
        names = [one.name for one in phenotypes]
        if len(set(names)) < len(names):
            raise ValueError(f"{', '.join(names)}: name each once")
        return phenotypes

    @property
    def classes(self) -> int:
        """Channels of its masks: background, LV, MYO, RV, and the two kinds of scar if it knows."""
        return 4 + len(SCAR) * any(name in SCAR for name in self.structures_in(None))

    @property
    def maps(self) -> int:
        """Channels of what is known of every pixel: the classes of its masks, then tissues."""
        return self.classes + len(TISSUES) * self.tissues

    def structures_in(self, contrast: str | None) -> tuple[Structure, ...]:
        """What masks tell apart in a contrast; in any of them where it is open."""
        if not self.contrasts:
            return self.structures
        if contrast is not None:
            return self.contrasts[contrast]
        return tuple(dict.fromkeys(name for own in self.contrasts.values() for name in own))

    @property
    def known_words(self) -> dict[str, tuple[str, ...]]:
        """Name of each condition that has words, and the words."""
        words = {"vendor": self.vendors, "phase": self.phases, "pathology": self.pathologies}
        if self.cohorts:
            words["cohort"] = self.cohorts
        if self.contrasts:
            words["contrast"] = tuple(self.contrasts)
        return words
