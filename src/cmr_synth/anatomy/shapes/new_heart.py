"""One new heart on a grid: drawn, brought to its function, and drawn again until it is plausible.

Heart number i of a seed depends on the model, the wishes, the grid, the seed and i alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import LV, RV
from cmr_synth.anatomy.plausibility import is_plausible
from cmr_synth.anatomy.plausible_pairs import pair_findings
from cmr_synth.anatomy.reference import function_of
from cmr_synth.anatomy.shapes.model import SPACING, ShapeModel
from cmr_synth.anatomy.shapes.parameters import ShapeParameters
from cmr_synth.anatomy.shapes.statistics import FUNCTION
from cmr_synth.anatomy.shapes.wishes import Wishes, drawn_pathology
from cmr_synth.errors import InputError

MOST_DRAWS = 40
FIELD_MM = 192.0
"""Field of view where no number of pixels is given: that of the generators."""
MISSED = 0.02
"""Relative error of a volume or mass, and absolute one of an ejection fraction, above which a heart
is not what was asked for."""
_ROUND_MM = 0.5  # slice distances that are chosen for a number of slices


@dataclass(frozen=True, kw_only=True)
class HeartGrid:
    """The grid that hearts are drawn on.

    Attributes
    ----------
    spacing : (z, y, x) in mm
        Distance between slices, or None for the one at which `slices` span the heart; then pixels.
    slices : int, optional
        By default as many as a heart needs.
    shape : (y, x), optional
        Pixels; by default a field of view of `FIELD_MM`.
    whole : bool
        Whether a heart that needs more than `slices` is drawn again; if not, its apex is cut off,
        and what it measures is what is left of it.
    """

    spacing: tuple[float | None, float, float] = SPACING
    slices: int | None = None
    shape: tuple[int, int] | None = None
    whole: bool = True

    def __post_init__(self) -> None:
        if self.spacing[0] is None and self.slices is None:
            raise ValueError("a grid needs a distance between slices or their number")

    def pixels(self) -> tuple[int, int]:
        """(y, x) pixels of a slice."""
        if self.shape is not None:
            return self.shape
        y, x = (2 * int(np.ceil(FIELD_MM / step / 2)) for step in self.spacing[1:] if step)
        return y, x

    @property
    def cuts(self) -> bool:
        """Whether hearts may lose their apex."""
        return self.slices is not None and not self.whole

    def for_length(self, length_mm: float) -> tuple[float, float, float]:
        """The spacing for a heart of a length from base to apex."""
        z, y, x = self.spacing
        if z is None:
            assert self.slices is not None
            z = float(np.ceil(length_mm / self.slices / _ROUND_MM) * _ROUND_MM)
        return z, y, x


@dataclass(frozen=True, kw_only=True, eq=False)
class NewHeart:
    """A heart that nobody has.

    Attributes
    ----------
    number : int
        From 0.
    parameters : ShapeParameters
        `decode` with the same grid gives the masks.
    ed, es : (z, y, x) uint8 arrays
        Engine labels, base first.
    spacing : (z, y, x) in mm
    pathology : str
    measured : dict
        What the masks measure: the keys of `reference.NORMAL`.
    redrawn : tuple of str
        Why earlier draws were no hearts, a line each.
    """

    number: int
    parameters: ShapeParameters
    ed: NDArray[np.uint8]
    es: NDArray[np.uint8]
    spacing: tuple[float, float, float]
    pathology: str
    measured: dict[str, float]
    redrawn: tuple[str, ...]


def new_heart(
    model: ShapeModel,
    wishes: Wishes,
    *,
    seed: int,
    number: int = 0,
    grid: HeartGrid | None = None,
) -> NewHeart:
    """Draw a heart until it is plausible and what was asked for.

    Parameters
    ----------
    model : ShapeModel
    wishes : Wishes
        Whatever is None is drawn.
    seed, number : int
        Which heart.
    grid : HeartGrid, optional

    Raises
    ------
    InputError
        If the wishes are no heart's, or none of `MOST_DRAWS` hearts is plausible.
    """
    grid = grid or HeartGrid()
    wishes.check(model.pathologies)
    rng = np.random.default_rng([seed, number])
    pathology = wishes.pathology or drawn_pathology(model.statistics, rng, wishes.asked())
    redrawn: list[str] = []
    for draw in range(MOST_DRAWS):
        drawn = model.sample(
            [seed, number, draw],
            pathology=pathology,
            severity=wishes.severity,
            **{name: getattr(wishes, name) for name in ("ef", "edv", "mass", "rv_edv", "rv_ef")},
        )
        spacing = grid.for_length(model.length_mm(drawn))
        on: dict[str, Any] = {"spacing": spacing, "shape": grid.pixels()}
        wanted = wishes.asked()
        if not grid.cuts:  # a part of a heart is not to have the volumes of all of it
            wanted = {k: v for k, v in model.measure(drawn).items() if k in FUNCTION} | wanted
        cut = {"slices": grid.slices} if grid.cuts else {}
        shape = model.with_function(drawn, grid=on | cut, **wanted)
        ed, es = model.decode(shape, **on)
        problem = None if grid.cuts else _too_long(len(ed), grid.slices)
        problem = problem or _implausible(ed, es, spacing)  # of all of it, wherever it is cut
        measured: dict[str, float] = {}
        if problem is None:
            if grid.slices is not None:
                ed, es = model.decode(shape, slices=grid.slices, **on)
            problem = _cut_off(ed, es)
        if problem is None:
            measured = function_of(ed, es, spacing)
            problem = _missed(measured, wishes.asked())
        if problem is None:
            return NewHeart(
                number=number,
                parameters=shape,
                ed=ed,
                es=es,
                spacing=spacing,
                pathology=pathology,
                measured=measured,
                redrawn=tuple(redrawn),
            )
        redrawn.append(problem)
    raise InputError(
        f"heart {number}: none of {MOST_DRAWS} draws is a plausible heart as asked for; the last: "
        f"{redrawn[-1]} Ask for less extreme numbers, or for another grid."
    )


def _too_long(needed: int, slices: int | None) -> str | None:
    if slices is None or needed <= slices:
        return None
    return f"It needs {needed} slices, and {slices} were asked for."


def _cut_off(ed: NDArray[np.uint8], es: NDArray[np.uint8]) -> str | None:
    """What few slices leave out: at ES the base comes down, and may leave all of them."""
    for phase, stack in (("ED", ed), ("ES", es)):
        for name, ventricle in (("LV", LV), ("RV", RV)):
            if not (stack == ventricle).any():
                return f"Its {name} is outside of the picture at {phase}, of {len(stack)} slices."
    return None


def _implausible(
    ed: NDArray[np.uint8], es: NDArray[np.uint8], spacing: tuple[float, float, float]
) -> str | None:
    """The first thing that no heart has, or None."""
    found = pair_findings(ed, es, spacing)
    if is_plausible(found):
        return None
    worst = next(f for f in found if f.severity != "info")
    where = "" if worst.slice_index is None else f"Slice {worst.slice_index}: "
    return f"{where}{worst.message}"


def _missed(measured: Mapping[str, float], asked: Mapping[str, float]) -> str | None:
    for name, value in asked.items():
        scale = 1.0 if name.endswith("ef") else value
        if abs(measured[name] - value) > MISSED * scale:
            return f"Its {name} is {measured[name]:.3g}, and {value:.3g} was asked for."
    return None
