"""A heart at end-diastole that beats: its mask at every frame, and the move that led there.

Every frame is the heart at ED turned by the dials: the cavities follow the volume curve, the wall
keeps its volume, as muscle is incompressible, and thickens as much as
that takes. What pixels make of it is measured, and the dials are turned again until volumes and
mass are right.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.beating.curves import TYPICAL, Curve
from cmr_synth.anatomy.beating.plan import HIGHEST_EF, LOWEST_EF, Plan
from cmr_synth.anatomy.dials import Dials, Heart, Warp
from cmr_synth.anatomy.dials.shaping import shape
from cmr_synth.anatomy.labels import scar_as_myocardium
from cmr_synth.anatomy.measurements import volumes_ml
from cmr_synth.errors import InputError

CLOSE = 0.005  # relative error of a volume from which it is not worth another turn
TURNS = 4  # at most, for each frame
_PARTS = ("LV", "MYO", "RV")


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a beat.

    Parameters
    ----------
    number : int
    labels : (z, y, x) uint8 array
        Engine labels.
    warp : Warp
        From end-diastole to here.
    volumes_ml : dict
        Of LV, MYO and RV, as the labels have them.
    asked_ml : dict
        What they were to be.
    """

    number: int
    labels: NDArray[np.uint8]
    warp: Warp
    volumes_ml: dict[str, float]
    asked_ml: dict[str, float]


def beat(heart: Heart, plan: Plan, *, curve: Curve = TYPICAL) -> Iterator[Frame]:
    """Let a heart beat.

    Parameters
    ----------
    heart : Heart
        At end-diastole.
    plan : Plan
    curve : Curve

    Yields
    ------
    Frame
        In order of time; the first is the heart as it is.

    Raises
    ------
    InputError
        If the mask has no wall, or the RV is to eject more than it holds.
    """
    start = _volumes(heart, heart.labels)
    if not start["MYO"]:
        raise InputError(f"{heart.name}: has no myocardium, and only walls beat; draw it first.")
    stroke = {"LV": plan.ef * start["LV"], "RV": _rv_stroke(start, plan), "MYO": 0.0}
    times = np.arange(plan.frames) / plan.frames
    shares = curve.at(times, systole=plan.systole)
    # ES is a frame, whatever the number of frames: the function asked for is there
    shares[int(np.clip(round(plan.systole * plan.frames), 1, plan.frames - 1))] = 0.0
    made: dict[float, Frame] = {}
    for number, share in enumerate(np.round(shares, 4)):
        if share not in made:
            asked = {part: start[part] - (1 - share) * stroke[part] for part in _PARTS}
            made[share] = contracted(heart, asked, plan.shortening * (1 - share))
        same = made[share]
        yield Frame(number, same.labels, same.warp, same.volumes_ml, same.asked_ml)


def contracted(heart: Heart, asked_ml: dict[str, float], shortening: float = 0.0) -> Frame:
    """A heart with other volumes.

    Parameters
    ----------
    heart : Heart
    asked_ml : dict
        Of LV, MYO and RV in mL; the RV counts where there is one.
    shortening : float
        How far the base comes down, as a share of the LV's length.

    Raises
    ------
    InputError
        If that is further than the dials reach.
    """
    start = _volumes(heart, heart.labels)
    parts = [part for part in _PARTS if start[part] > 0]
    factors = {part: asked_ml[part] / start[part] / (1 - shortening) for part in parts}
    best: Frame | None = None
    missed = np.inf
    for turn in range(TURNS):
        if turn == 0 and not shortening and all(abs(f - 1) < 1e-9 for f in factors.values()):
            shaped = shape(heart.outlines, Dials())
            return Frame(0, heart.labels, shaped.warp, start, asked_ml)
        dials = Dials(
            dilation=factors["LV"] - 1,
            rv_dilation=factors.get("RV", 1.0) - 1,
            basal_shift=shortening,
        )
        shaped = shape(heart.outlines, dials, wall_area=factors["MYO"])
        labels = heart.movable.moved(shaped.warp)
        found = _volumes(heart, labels)
        error = max(abs(found[part] - asked_ml[part]) / asked_ml[part] for part in parts)
        if error < missed:
            best, missed = Frame(0, labels, shaped.warp, found, asked_ml), error
        if error < CLOSE:
            break
        for part in parts:
            if found[part] > 0:
                factors[part] *= asked_ml[part] / found[part]
    assert best is not None
    return best


def function_between(ed: Heart, es: NDArray[np.uint8]) -> tuple[float, float | None]:
    """EF of the LV and the RV from the masks of both phases, to let a heart beat like another.

    Parameters
    ----------
    ed : Heart
    es : (z, y, x) uint8 array
        Engine labels on the same grid.

    Raises
    ------
    InputError
        If the ventricle is larger at ES, or the fraction none that a heart has.
    """
    before, after = _volumes(ed, ed.labels), _volumes(ed, es)
    if after["LV"] >= before["LV"]:
        raise InputError(
            f"{ed.name}: the LV holds {before['LV']:.0f} mL at ED and {after['LV']:.0f} mL at ES; "
            "are the phases swapped?"
        )
    found = [
        (before[part] - after[part]) / before[part] if before[part] else None
        for part in ("LV", "RV")
    ]
    rv = found[1]
    if rv is not None and not LOWEST_EF <= rv <= HIGHEST_EF:
        rv = None
    return float(found[0] or 0.0), rv


def _rv_stroke(start: dict[str, float], plan: Plan) -> float:
    """mL that the RV ejects: as asked, or as many as the LV."""
    if plan.rv_ef is not None:
        return plan.rv_ef * start["RV"]
    return min(plan.ef * start["LV"], 0.7 * start["RV"])


def _volumes(heart: Heart, labels: NDArray[np.uint8]) -> dict[str, float]:
    found = volumes_ml(scar_as_myocardium(labels), heart.spacing)
    return {part: 0.0 if np.isnan(found[part]) else found[part] for part in _PARTS}
