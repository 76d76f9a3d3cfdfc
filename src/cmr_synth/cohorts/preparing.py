"""The choices made when a slice set is prepared, as recipes and the command line state them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cmr_synth.imaging.grid import WorkingGrid
from cmr_synth.imaging.normalise import AROUND_HEART, NORMALISATIONS

MARGIN = 1.25  # the set's grid is wider than the networks', for rotated and shifted crops
SIDES = (32, 1024)

_Side = Annotated[int, Field(ge=SIDES[0], le=SIDES[1], multiple_of=2)]


class Preparing(BaseModel):
    """How slices come onto the grid of a set, and which.

    Parameters
    ----------
    normalisation : str
        What grey values mean: a key of `NORMALISATIONS`, or "around-heart".
    shape : (int, int)
        Rows and columns of the networks; the set's grid is a quarter wider.
    spacing_mm : float
        Pixel size.
    central : int, optional
        Of every stack, so many of the slices with a heart, those in its middle; None takes all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    normalisation: str = Field(AROUND_HEART, description="what grey values mean")
    shape: tuple[_Side, _Side] = Field((128, 128), description="rows and columns of the networks")
    spacing_mm: float = Field(1.5, ge=0.1, le=10, description="pixel size")

    central: int | None = Field(None, gt=0, description="slices in the middle of each heart")

    @model_validator(mode="after")
    def _known(self) -> Preparing:
        known = (*NORMALISATIONS, AROUND_HEART)
        if self.normalisation not in known:
            raise ValueError(
                f"no normalisation is called {self.normalisation!r}; known are {', '.join(known)}"
            )
        return self

    @property
    def wide_grid(self) -> WorkingGrid:
        """The set's grid; sides are even, so that the networks' lies in its middle."""
        rows, columns = (2 * round(MARGIN * side / 2) for side in self.shape)
        return WorkingGrid(shape=(rows, columns), spacing=self.spacing_mm)
