"""The shape model: hearts drawn, walked through, encoded from masks and decoded to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.measurements import volumes_ml
from cmr_synth.anatomy.shapes import layout
from cmr_synth.anatomy.shapes.card import ShapeCard, read_card
from cmr_synth.anatomy.shapes.drawing import centred, draw
from cmr_synth.anatomy.shapes.encoding import encode
from cmr_synth.anatomy.shapes.matching import with_function, with_masks_function
from cmr_synth.anatomy.shapes.outlines import (
    extent_mm,
    function_of_shape,
    outlines,
    rv_extent_mm,
)
from cmr_synth.anatomy.shapes.parameters import ShapeParameters
from cmr_synth.anatomy.shapes.sampling import drawn_shape
from cmr_synth.anatomy.shapes.statistics import (
    FUNCTION,
    Statistics,
    metric_mm,
)
from cmr_synth.anatomy.shapes.store import read_statistics
from cmr_synth.anatomy.shapes.wishes import Wishes, drawn_pathology, mixed
from cmr_synth.errors import InputError

BUNDLED = Path(__file__).resolve().parents[2] / "data" / "heart_shapes"
MOST_SLICES = 64
SPACING = (8.0, 1.5, 1.5)

Stacks = tuple[NDArray[np.uint8], NDArray[np.uint8]]


@dataclass(frozen=True, eq=False)
class ShapeModel:
    """Shapes of hearts as learned from patients.

    Attributes
    ----------
    statistics : Statistics
    card : ShapeCard
        What it was learned from, its licence, and what was measured.
    """

    statistics: Statistics
    card: ShapeCard

    @classmethod
    def load(cls, folder: Path | None = None) -> ShapeModel:
        """Read a model's folder; by default the bundled one.

        Raises
        ------
        InputError
            If a file is missing or damaged, or is not the one that the card describes.
        """
        return _loaded(Path(folder) if folder is not None else BUNDLED)

    @property
    def pathologies(self) -> tuple[str, ...]:
        """The words that `pathology` may be; "normal" first."""
        return self.statistics.pathologies

    def sample(
        self,
        seed: int | Sequence[int] | np.random.Generator,
        *,
        pathology: str | None = None,
        severity: float = 1.0,
        ef: float | None = None,
        edv: float | None = None,
        mass: float | None = None,
        rv_edv: float | None = None,
        rv_ef: float | None = None,
    ) -> ShapeParameters:
        """Draw one heart.

        Parameters
        ----------
        seed : int, sequence of int, or generator
            Same seed, same heart.
        pathology : str, optional
            Of `pathologies`; if not given, drawn from those that have what is asked for.
        severity : float
            0 (healthy) to 2; 1 is the average patient with the pathology.
        ef, rv_ef : float, optional
            Ejection fractions as shares, 0.05 to 0.85.
        edv, rv_edv : float, optional
            End-diastolic volumes, mL.
        mass : float, optional
            Of the left ventricle at end-diastole, g.

        Returns
        -------
        ShapeParameters
            Whose `measure` is what was asked for, within 1 % unless the request is far from any
            patient. What was not asked for is drawn, given what was.

        Raises
        ------
        InputError
            If a word is unknown, a number is out of range, or the request contradicts itself.
        """
        wishes = Wishes(
            pathology=pathology,
            severity=severity,
            ef=ef,
            edv=edv,
            mass=mass,
            rv_edv=rv_edv,
            rv_ef=rv_ef,
        )
        wishes.check(self.pathologies)
        rng = np.random.default_rng(seed)
        drawn = drawn_pathology(self.statistics, rng, wishes.asked())
        return drawn_shape(
            self.statistics,
            rng,
            pathology=pathology or drawn,
            severity=severity,
            asked=wishes.asked(),
        )

    def mean(self, pathology: str = "normal", severity: float = 1.0) -> ShapeParameters:
        """The average heart of a pathology, or one between it and a healthy one."""
        Wishes(pathology=pathology, severity=1.0).check(self.pathologies)
        return ShapeParameters(
            vector=mixed(self.statistics, pathology, severity) @ self.statistics.means
        )

    def traverse(
        self, mode: int, deviations: Sequence[float], *, start: ShapeParameters | None = None
    ) -> list[ShapeParameters]:
        """Walk along one mode of variation.

        Parameters
        ----------
        mode : int
            From 0, the one in which hearts of one pathology differ most.
        deviations : sequence of float
            How many standard deviations from the start.
        start : ShapeParameters, optional
            By default the average healthy heart.

        Raises
        ------
        InputError
            If there is no such mode.
        """
        if not 0 <= mode < len(self.statistics.modes):
            raise InputError(
                f"no mode {mode}; this model has 0 to {len(self.statistics.modes) - 1}."
            )
        start = start or self.mean()
        return [start.moved(deviation * self.statistics.modes[mode]) for deviation in deviations]

    def scores(self, parameters: ShapeParameters, pathology: str = "normal") -> NDArray[np.float64]:
        """Standard deviations along each mode from a pathology's mean, (modes,)."""
        weights = metric_mm()
        modes = self.statistics.modes * weights
        away = (parameters.vector - self.mean(pathology).vector) * weights
        return np.asarray(modes @ away / (modes**2).sum(axis=1))

    def by_modes(
        self, parameters: ShapeParameters, *, pathology: str = "normal"
    ) -> ShapeParameters:
        """The nearest heart that a pathology's mean and the modes can make.

        How the heart is turned in the picture stays.
        """
        scores = self.scores(parameters, pathology)
        vector = self.mean(pathology).vector + scores @ self.statistics.modes
        vector[layout.where("tilt")] = parameters.block("tilt")
        return replace(parameters, vector=vector)

    def measure(self, parameters: ShapeParameters) -> dict[str, float]:
        """Volumes (mL), ejection fractions (shares) and mass (g), from the outlines alone.

        The keys of `reference.NORMAL`. A stack of thick slices measures within a few per cent.
        """
        return function_of_shape(parameters)

    def with_function(
        self,
        start: ShapeParameters,
        *,
        grid: dict[str, Any] | None = None,
        **wanted: float,
    ) -> ShapeParameters:
        """Change a heart until it has a function, in the way in which hearts differ by it.

        Parameters
        ----------
        start : ShapeParameters
        grid : dict, optional
            `spacing`, `slices` and `shape` of `decode`: the function is then that of the masks on
            this grid; by default that of the outlines.
        **wanted : float
            Of "lv_edv_ml", "lv_ef" (share), "lv_mass_g", "rv_edv_ml", "rv_ef" (share). The others
            may change.

        Raises
        ------
        InputError
            If a name is unknown.
        """
        unknown = sorted(set(wanted) - set(FUNCTION))
        if unknown:
            raise InputError(f"{unknown[0]!r}: a function is one of {', '.join(FUNCTION)}.")
        if grid is None:
            return with_function(self.statistics, start, wanted)
        spacing = grid.get("spacing", SPACING)

        def volumes(shape: ShapeParameters) -> dict[str, dict[str, float]]:
            stacks = zip(layout.PHASES, self.decode(shape, **grid), strict=True)
            return {phase: volumes_ml(labels, spacing) for phase, labels in stacks}

        return with_masks_function(start, wanted, volumes)

    def decode(
        self,
        parameters: ShapeParameters,
        *,
        spacing: tuple[float, float, float] = SPACING,
        slices: int | None = None,
        shape: tuple[int, int] = (128, 128),
    ) -> Stacks:
        """Draw a heart on a grid.

        Parameters
        ----------
        parameters : ShapeParameters
        spacing : (z, y, x) in mm
            Distance between slices, then pixel size.
        slices : int, optional
            How many from the base; by default as many as both phases need.
        shape : (y, x)
            Pixels. A field of view smaller than the heart cuts it.

        Returns
        -------
        (z, y, x) uint8 array, (z, y, x) uint8 array
            Engine labels at end-diastole and end-systole on one grid, base first.

        Raises
        ------
        InputError
            If the grid is impossible.
        """
        _check_grid(spacing, slices, shape)
        first = parameters.first_slice_mm
        if first is None:
            first = spacing[0] / 2
        whole = slices is None
        if slices is None:
            slices = max(int(np.ceil((self.length_mm(parameters) - first) / spacing[0] + 0.5)), 1)
            if slices > MOST_SLICES * max(1.0, 8 / spacing[0]):
                raise InputError(f"{slices} slices of {spacing[0]:g} mm: no heart is so long.")
        depth = first + spacing[0] * np.arange(slices, dtype=np.float64)
        ed, es = (outlines(parameters, phase, depth) for phase in layout.PHASES)
        centre = parameters.centre or centred(ed)
        in_plane = (spacing[1], spacing[2])
        drawn = [draw(o, shape=shape, spacing=in_plane, centre=centre) for o in (ed, es)]
        end = len(depth)
        if whole:  # an apex that is smaller than anybody draws needs no slice
            shown = np.flatnonzero((drawn[0] + drawn[1]).any(axis=(1, 2)))
            end = int(shown[-1]) + 1 if shown.size else 1
        return drawn[0][:end], drawn[1][:end]

    def length_mm(self, parameters: ShapeParameters) -> float:
        """From the base at end-diastole to where the last structure of either phase ends, mm."""
        return max(
            end(parameters, phase)[1]
            for phase in layout.PHASES
            for end in (extent_mm, rv_extent_mm)
        )

    def encode(
        self,
        mask_ed: NDArray[Any],
        mask_es: NDArray[Any],
        spacing: tuple[float, float, float],
    ) -> ShapeParameters:
        """Describe a heart by the numbers of a shape.

        Parameters
        ----------
        mask_ed, mask_es : (z, y, x) integer arrays
            Engine labels at end-diastole and end-systole on one grid, in the canonical
            radiological display; the base may be first or last.
        spacing : (z, y, x) in mm
            Distance between slices, then pixel size.

        Returns
        -------
        ShapeParameters
            `decode` with the same spacing, number of slices and shape gives the masks back, base
            first.

        Raises
        ------
        InputError
            If the masks do not fit together, have unlabelled pixels, no RV, or fewer than three
            slices with LV and myocardium.
        """
        return encode(mask_ed, mask_es, spacing)


@lru_cache(maxsize=4)
def _loaded(folder: Path) -> ShapeModel:
    card = read_card(folder)
    return ShapeModel(read_statistics(folder, card), card)


def _check_grid(
    spacing: tuple[float, float, float], slices: int | None, shape: tuple[int, int]
) -> None:
    if len(spacing) != 3 or not all(np.isfinite(s) and s > 0 for s in spacing):
        raise InputError(f"spacing {tuple(spacing)} mm; expected three positive numbers (z, y, x).")
    if len(shape) != 2 or min(shape) < 1:
        raise InputError(f"cannot draw on slices of {tuple(shape)} pixels.")
    if slices is not None and slices < 1:
        raise InputError(f"a stack of {slices} slices cannot be drawn; ask for at least 1.")
