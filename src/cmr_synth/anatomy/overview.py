"""Everything a clinician reads off one mask at a glance: numbers of the slice, the stack, the beat.

The measurements themselves are those of `measurements` and `plausibility`; here they are gathered
for one slice of one frame, with NaN where there is nothing to measure instead of an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import LV, MYO, STRUCTURES
from cmr_synth.anatomy.measurements import (
    anterior_insertion_angle,
    areas_mm2,
    ed_and_es,
    ejection_fraction,
    mass_g,
    volumes_ml,
    wall_thickness_mm,
)
from cmr_synth.anatomy.plausibility import Finding, stack_findings
from cmr_synth.errors import InputError

MOST_EJECTED = 0.9  # no ventricle empties itself further
BASE_MOVES_SLICES = 2  # that the base leaves behind from ED to ES: 10 to 16 mm


@dataclass(frozen=True, kw_only=True)
class Overview:
    """What one frame of a mask measures.

    Attributes
    ----------
    areas_mm2 : dict
        Of the chosen slice, by structure.
    wall_mm : dict
        Mean wall thickness of the chosen slice by sector; empty where there is no wall to
        measure. Without any RV to say where the septum is, one number under "all round".
    volumes_ml : dict
        Of the stack, by structure; NaN if it is a single slice.
    mass_g : float
        Of the wall; NaN if the stack is a single slice.
    findings : tuple of Finding
        In the order of the slices.
    """

    areas_mm2: dict[str, float]
    wall_mm: dict[str, float]
    volumes_ml: dict[str, float]
    mass_g: float
    findings: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True)
class Beat:
    """The two phases that an ejection fraction compares.

    Attributes
    ----------
    ed, es : int
        Places in the list of volumes that was given.
    fraction : dict
        Ejection fraction by ventricle, "LV" and "RV"; NaN where one is not drawn in both, or where
        `doubts` says why no such number can be given.
    doubts : dict
        For each ventricle without a number, why in one sentence.
    """

    ed: int
    es: int
    fraction: dict[str, float]
    doubts: dict[str, str] = field(default_factory=dict)


def overview(
    labels: NDArray[Any], spacing: tuple[float, float, float], index: int, *, name: str = "mask"
) -> Overview:
    """Measure one frame.

    Parameters
    ----------
    labels : (z, y, x) integer array
        Engine labels in the canonical radiological display.
    spacing : (z, y, x) in mm
        Distance between slices, then pixel size.
    index : int
        The slice whose areas and wall are wanted.
    name : str
        What error messages call the mask.

    Returns
    -------
    Overview

    Raises
    ------
    InputError
        If the array is no stack of engine labels, or has no such slice.
    """
    findings = tuple(stack_findings(labels, spacing, name=name))
    if not 0 <= index < len(labels):
        raise InputError(f"{name}: there is no slice {index}, it has 0 to {len(labels) - 1}.")
    in_plane = (spacing[1], spacing[2])
    single = len(labels) == 1
    nothing = dict.fromkeys(STRUCTURES, float("nan"))
    return Overview(
        areas_mm2=areas_mm2(labels[index], in_plane),
        wall_mm=_wall(labels, in_plane, index),
        volumes_ml=nothing if single else volumes_ml(labels, spacing),
        mass_g=float("nan") if single else mass_g(labels, spacing),
        findings=findings,
    )


def slices_drawn(labels: NDArray[Any]) -> dict[str, int]:
    """On how many slices of a stack, (z, y, x) engine labels, each structure is drawn."""
    return {
        structure: int((labels == label).any(axis=(1, 2)).sum())
        for structure, label in STRUCTURES.items()
    }


def beat(
    volumes: Sequence[dict[str, float]], slices: Sequence[dict[str, int]] | None = None
) -> Beat | None:
    """Find end-diastole and end-systole, see `ed_and_es`, and what was ejected between them.

    An ejection fraction of less than nothing or of more than `MOST_EJECTED`, or one from stacks of
    which one is drawn on far more slices than the other, is no measurement but a sign of a frame
    that is not finished: there is a doubt then, and no number.

    Parameters
    ----------
    volumes : sequence of dict
        Volumes in mL by structure, one for each frame; frames without LV are left out.
    slices : sequence of dict, optional
        Of each frame, on how many slices each structure is drawn; see `slices_drawn`.

    Returns
    -------
    Beat or None
        None if fewer than two frames show the LV, or all show the same volume.
    """
    phases = ed_and_es([frame.get("LV", 0.0) for frame in volumes])
    if phases is None:
        return None
    ed, es = phases
    fraction, doubts = {}, {}
    for ventricle in ("LV", "RV"):
        fraction[ventricle] = _ejected(volumes[ed].get(ventricle, 0), volumes[es].get(ventricle, 0))
        drawn_on = None
        if slices is not None:
            drawn_on = slices[ed].get(ventricle, 0), slices[es].get(ventricle, 0)
        doubt = _doubt(ventricle, fraction[ventricle], drawn_on)
        if doubt:
            fraction[ventricle], doubts[ventricle] = float("nan"), doubt
    return Beat(ed=ed, es=es, fraction=fraction, doubts=doubts)


def _doubt(ventricle: str, fraction: float, drawn_on: tuple[int, int] | None) -> str:
    """Why an ejection fraction is none, or nothing."""
    if np.isnan(fraction):
        return ""
    if drawn_on and abs(drawn_on[0] - drawn_on[1]) > BASE_MOVES_SLICES:
        return (
            f"{ventricle}: drawn on {drawn_on[0]} slices at ED and {drawn_on[1]} at ES; finish "
            "both phases."
        )
    if not 0 <= fraction <= MOST_EJECTED:
        return (
            f"{ventricle}: an ejection fraction of {100 * fraction:.0f} % cannot be; check that "
            "both phases are drawn on all their slices, and which is ED."
        )
    return ""


def _ejected(ed_ml: float, es_ml: float) -> float:
    if not (ed_ml > 0 and es_ml > 0):  # a ventricle missing in one phase did not eject it all
        return float("nan")
    return ejection_fraction(ed_ml, es_ml)


def _wall(labels: NDArray[Any], spacing: tuple[float, float], index: int) -> dict[str, float]:
    plane = labels[index]
    if not (plane == LV).any() or not (plane == MYO).any():
        return {}
    nearest = sorted(range(len(labels)), key=lambda other: abs(other - index))
    for other in nearest:
        try:
            angle = anterior_insertion_angle(labels[other], spacing)
        except InputError:  # no RV in that slice
            continue
        return wall_thickness_mm(plane, spacing, anterior_insertion=angle)
    sectors = wall_thickness_mm(plane, spacing, anterior_insertion=0.0)
    known = [thickness for thickness in sectors.values() if np.isfinite(thickness)]
    return {"all round": float(np.mean(known))} if known else {}
