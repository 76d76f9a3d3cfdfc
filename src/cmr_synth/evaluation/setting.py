"""What all candidates are measured on: the same held-out slices, with the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from cmr_synth.cohorts.slices import SliceSet
from cmr_synth.evaluation.sample import Sample, real_sample

SEED = 2026
"""Of the pictures whose figures stand on the cards."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Setting:
    """The real side of an evaluation, and how the synthetic one is made.

    Parameters
    ----------
    slices : SliceSet
    split : str
        Whose patients no model has been trained with.
    cohorts : sequence of str, optional
        By default all.
    seed : int
        Of the synthetic slices.
    steps : int, optional
        Network evaluations a slice; by default those of each model's card.
    null : bool
        Whether a model makes every slice twice, with other noise, so that figures that have a null
        have it.
    """

    slices: SliceSet
    split: str = "test"
    cohorts: Sequence[str] | None = None
    seed: int = SEED
    steps: int | None = None
    null: bool = False

    @cached_property
    def held_out(self) -> Sample:
        """Slices of the split.

        Raises
        ------
        InputError
            If there are none.
        """
        return real_sample(self.slices, self.split, self.cohorts)

    @cached_property
    def training(self) -> Sample:
        """Slices of other real patients, for floors and ranges.

        Raises
        ------
        InputError
            If there are none.
        """
        return real_sample(self.slices, "train", self.cohorts)
