"""Dials turned on a mask: checked, moved, and measured before and after."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.dials.effects import Effect, effects
from cmr_synth.anatomy.dials.moving import MovableLabels
from cmr_synth.anatomy.dials.outlines import Outlines, outlines
from cmr_synth.anatomy.dials.scar import with_scar
from cmr_synth.anatomy.dials.settings import Dials, Regional, option_of
from cmr_synth.anatomy.dials.shaping import Shaped, shape
from cmr_synth.anatomy.dials.warp import Warp
from cmr_synth.anatomy.labels import MYO, RV, UNLABELLED, is_heart, scar_as_myocardium
from cmr_synth.anatomy.plausibility import stack_findings
from cmr_synth.errors import InputError

_HALF_A_SLICE = 0.5 + 1e-6  # by which an end may leave the stack: no slice lies there
_WALLED = 0.5  # share of a region's directions that must have wall


@dataclass(frozen=True, eq=False)
class Dialled:
    """A mask after its dials were turned.

    Parameters
    ----------
    labels : (z, y, x) uint8 array
        Engine labels; the same object as before if every dial is at 0.
    warp : Warp
        Moves an image of this heart alike, by `move_pixels`; its inverse takes both back.
    effects : tuple of Effect
    """

    labels: NDArray[np.uint8]
    warp: Warp
    effects: tuple[Effect, ...]


class Heart:
    """A mask to turn dials on, prepared once for many turns.

    Parameters
    ----------
    labels : (z, y, x) integer array
        Engine labels in the canonical radiological display.
    spacing : (z, y, x) in mm
        Distance between slices, then pixel size.
    name : str
        What messages call it.

    Raises
    ------
    InputError
        If it is empty, has no LV, or is built as no heart is.
    """

    def __init__(
        self,
        labels: NDArray[Any],
        spacing: tuple[float, float, float],
        *,
        name: str = "mask",
    ):
        if np.ndim(labels) != 3:
            raise InputError(
                f"{name}: has {np.ndim(labels)} dimensions, dials turn a stack (z, y, x)."
            )
        self.labels = np.asarray(labels, dtype=np.uint8)
        self.spacing: tuple[float, float, float] = tuple(map(float, spacing))  # type: ignore[assignment]
        self.name = name
        self.outlines: Outlines = outlines(self.labels, self.spacing, name=name)
        worst = [
            f for f in stack_findings(self.labels, self.spacing, name=name) if f.severity == "error"
        ]
        if worst:
            where = "" if worst[0].slice_index is None else f" slice {worst[0].slice_index}"
            raise InputError(
                f"{name}{where}: {worst[0].message} Mend the mask before dials are turned on it."
            )

    @cached_property
    def movable(self) -> MovableLabels:
        """Its labels with their distance maps."""
        return MovableLabels(self.labels, self.spacing)

    def check(self, dials: Dials) -> None:
        """Hold the dials against what the mask has.

        Raises
        ------
        InputError
            If a dial is turned on something that is not there.
        """
        heart = self.outlines
        for name, what in (("rv_dilation", "RV"), ("septal_flattening", "RV beside the septum")):
            if getattr(dials, name) and not (self.labels == RV).any():
                raise InputError(
                    f"{self.name}: has no {what}, so {option_of(name)} has nothing to act on; "
                    "draw the RV, or leave this dial at 0."
                )
        if dials.septal_flattening and heart.insertion is None:
            raise InputError(
                f"{self.name}: the RV does not reach the septum, so septal-flattening has "
                "nothing to act on; leave it at 0."
            )
        if heart.has_lv.sum() < 2:
            for name in ("apical_displacement", "basal_shift"):
                if getattr(dials, name):
                    raise InputError(
                        f"{self.name}: shows the LV in one slice alone, so {option_of(name)} "
                        "would move nothing; give a stack, or leave this dial at 0."
                    )
        self._check_room(dials)
        if dials.apical_displacement - dials.basal_shift <= -0.5:
            raise InputError(
                f"{self.name}: apical-displacement {dials.apical_displacement:g} and basal-shift "
                f"{dials.basal_shift:g} leave less than half of the ventricle's length; turn "
                "them back."
            )
        for name, one in dials.regional:
            self._check_wall(name, one)

    def _check_room(self, dials: Dials) -> None:
        """Refuse to move an end of the ventricle out of the stack."""
        inside = np.flatnonzero(self.outlines.has_lv)
        room = [int(inside[0]), len(self.labels) - 1 - int(inside[-1])]
        if not self.outlines.base_first:
            room.reverse()
        length = int(inside[-1] - inside[0] + 1)
        for name, end, slices in (
            ("basal_shift", "base", -dials.basal_shift * length - room[0]),
            ("apical_displacement", "apex", dials.apical_displacement * length - room[1]),
        ):
            if slices > _HALF_A_SLICE:
                raise InputError(
                    f"{self.name}: {option_of(name)} {getattr(dials, name):g} moves the {end} "
                    f"{slices * self.spacing[0]:.0f} mm out of the stack; give a mask with "
                    f"{int(np.ceil(slices - _HALF_A_SLICE))} more empty slices beyond the {end}, "
                    "or turn it back."
                )

    def _check_wall(self, dial: str, one: Regional) -> None:
        heart = self.outlines
        if not (scar_as_myocardium(self.labels) == MYO).any():
            raise InputError(
                f"{self.name}: has no myocardium, so {option_of(dial)} has no wall to act on; "
                "draw it first (Wall from the LV in the app)."
            )
        if one.region.needs_sectors and heart.insertion is None:
            raise InputError(
                f"{self.name}: no slice shows the RV at the septum, so nothing tells where "
                f"{one.region.name} is; draw the RV, or give {option_of(dial)} without a region."
            )
        walled = heart.thickness > 0.5 * min(self.spacing[1:])
        inside = np.stack(
            [
                one.region.inside(heart.travelled(k), float(np.clip(z, 0, 1))) & heart.has_lv[k]
                for k, z in enumerate(heart.z)
            ]
        )
        if not inside.any():
            raise InputError(
                f"{self.name}: shows nothing of the region {one.region.name}; its slices lie at "
                "other levels. Choose another region."
            )
        if walled[inside].mean() < _WALLED:
            raise InputError(
                f"{self.name}: there is no wall in {one.region.name or 'most of the ventricle'} "
                f"({walled[inside].mean():.0%} of it is drawn), so {option_of(dial)} has nothing "
                "to act on; draw the wall there, or choose another region."
            )

    def shaped(self, dials: Dials, *, wall_area: float = 1.0) -> Shaped:
        """Where the outlines go.

        Raises
        ------
        InputError
            As `check`.
        """
        self.check(dials)
        return shape(self.outlines, dials, wall_area=wall_area)

    def slices(self, dials: Dials, which: tuple[int, ...] | None = None) -> NDArray[np.uint8]:
        """The mask after the dials were turned, without measuring it; for sliders.

        Parameters
        ----------
        dials : Dials
        which : tuple of int, optional
            Slices to make; the others are background.

        Raises
        ------
        InputError
            As `check`.
        """
        if dials.neutral:
            return self.labels
        shaped = self.shaped(dials)
        moved = self.movable.moved(shaped.warp, slices=which)
        return with_scar(moved, self.outlines, shaped, dials.scar) if dials.scar else moved

    def turned(self, dials: Dials) -> Dialled:
        """Turn the dials.

        Parameters
        ----------
        dials : Dials

        Raises
        ------
        InputError
            If a dial is turned on something that is not there, or the heart outgrows the picture.
        """
        shaped = self.shaped(dials)
        labels = self.slices(dials)
        if not dials.neutral and voxels_on_the_edge(labels) > voxels_on_the_edge(self.labels):
            raise InputError(
                f"{self.name}: with these dials the heart outgrows the picture; give the mask a "
                "larger field of view, or turn the dials back."
            )
        return Dialled(
            labels,
            shaped.warp,
            effects(self.labels, labels, self.outlines, shaped, dials),
        )


def turn(
    labels: NDArray[Any],
    spacing: tuple[float, float, float],
    dials: Dials,
    *,
    name: str = "mask",
) -> Dialled:
    """Turn dials on a mask.

    Parameters
    ----------
    labels : (z, y, x) integer array
        Engine labels in the canonical radiological display: painted, loaded or sampled.
    spacing : (z, y, x) in mm
    dials : Dials
    name : str
        What messages call the mask.

    Returns
    -------
    Dialled

    Raises
    ------
    InputError
        If the mask is empty, has no LV or is no heart; if a dial is turned on something that is
        not there; if the heart outgrows the picture.
    """
    return Heart(labels, spacing, name=name).turned(dials)


def voxels_on_the_edge(labels: NDArray[np.uint8]) -> int:
    """Of the heart, where the picture cuts it."""
    heart = is_heart(labels) & (labels != UNLABELLED)
    return int(
        heart[:, 0].sum() + heart[:, -1].sum() + heart[:, :, 0].sum() + heart[:, :, -1].sum()
    )
