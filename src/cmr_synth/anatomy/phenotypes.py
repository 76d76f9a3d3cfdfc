"""Continuous phenotypes of a heart, as a model can be asked for them: volumes, function, wall.

A phenotype is one number of one person, measured on the masks of both phases; names and units are
those of a clinical report (`ef` in %, `edv` in mL). What one slice shows of it, its `mark`, is what
can be measured on a single picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import LV, MYO, RV
from cmr_synth.anatomy.measured import function_of
from cmr_synth.anatomy.measurements import DENSITY_G_PER_ML, volumes_ml, wall_points
from cmr_synth.anatomy.overview import beat, slices_drawn
from cmr_synth.errors import InputError


@dataclass(frozen=True)
class Kind:
    """What is known of a phenotype.

    Parameters
    ----------
    title, unit : str
    mark : str
        What a slice shows of it, a key of `MARKS`.
    """

    title: str
    unit: str
    mark: str


PHENOTYPES = {
    "ef": Kind("LV ejection fraction", "%", "lv_emptied"),
    "edv": Kind("LV end-diastolic volume", "mL", "lv_area_ed"),
    "esv": Kind("LV end-systolic volume", "mL", "lv_area_es"),
    "sv": Kind("LV stroke volume", "mL", "lv_area_lost"),
    "mass": Kind("LV mass", "g", "wall_area_ed"),
    "wall": Kind("mean wall thickness at ED", "mm", "wall_ed"),
    "rv_ef": Kind("RV ejection fraction", "%", "rv_emptied"),
    "rv_edv": Kind("RV end-diastolic volume", "mL", "rv_area_ed"),
    "rv_esv": Kind("RV end-systolic volume", "mL", "rv_area_es"),
    "mass_edv": Kind("LV mass over its end-diastolic volume", "g/mL", "wall_lv_ed"),
    "rv_lv": Kind("RV over LV end-diastolic volume", "", "rv_lv_ed"),
}
"""What a model can be asked for, by the name that is asked with."""

MARKS = {
    "lv_emptied": ("share of the LV's area lost from ED to ES", "%"),
    "lv_area_ed": ("LV area at ED", "mm2"),
    "lv_area_es": ("LV area at ES", "mm2"),
    "lv_area_lost": ("LV area lost from ED to ES", "mm2"),
    "wall_area_ed": ("area of the wall at ED", "mm2"),
    "wall_ed": ("mean wall thickness at ED", "mm"),
    "rv_emptied": ("share of the RV's area lost from ED to ES", "%"),
    "rv_area_ed": ("RV area at ED", "mm2"),
    "rv_area_es": ("RV area at ES", "mm2"),
    "wall_lv_ed": ("wall over LV area at ED", ""),
    "rv_lv_ed": ("RV over LV area at ED", ""),
}
"""What one slice at both phases shows."""

THICKEST_MM = 35.0
"""Where the mean of a slice is more, wall and LV were drawn apart: no hypertrophy is so thick."""

_OF_FUNCTION = {
    "lv_ef": ("ef", 100),
    "lv_edv_ml": ("edv", 1),
    "lv_esv_ml": ("esv", 1),
    "lv_stroke_ml": ("sv", 1),
    "rv_ef": ("rv_ef", 100),
    "rv_edv_ml": ("rv_edv", 1),
    "rv_esv_ml": ("rv_esv", 1),
    "lv_mass_g": ("mass", 1),
}


def require_known(name: str) -> str:
    """The name of a phenotype, if it is one.

    Raises
    ------
    InputError
        Listing those that there are.
    """
    if name not in PHENOTYPES:
        raise InputError(
            f"phenotype {name!r}: nobody measures that here; known are {', '.join(PHENOTYPES)}."
        )
    return name


def read_phenotype(said: str) -> tuple[str, float]:
    """Name and number of a phenotype as it is asked for, such as "ef=35".

    Raises
    ------
    InputError
        If it is none, or has no number.
    """
    name, _, number = said.partition("=")
    name = require_known(name.strip().lower().replace("-", "_"))
    try:
        return name, float(number.strip().rstrip("%"))
    except ValueError as error:
        raise InputError(
            f"phenotype {said!r}: {number.strip()!r} is no number; write it as {name}=NUMBER, in "
            f"{PHENOTYPES[name].unit or 'no unit'}."
        ) from error


def in_words(name: str, value: float) -> str:
    """A phenotype with its unit, such as "ef 35 %"."""
    return f"{name} {value:.4g} {PHENOTYPES[name].unit}".rstrip()


def phenotypes_of(
    ed: NDArray[Any] | None, es: NDArray[Any] | None, spacing: tuple[float, float, float]
) -> dict[str, float]:
    """Measure the heart of one person.

    Parameters
    ----------
    ed, es : (z, y, x) integer array, optional
        Engine labels of the whole short-axis stack in each phase; None where there is none.
    spacing : (z, y, x) in mm
        Distance between slices, then pixel size.

    Returns
    -------
    dict
        From keys of `PHENOTYPES` to numbers, those that can be given: without both phases there
        are no ejection fractions, without ED neither mass nor wall. Stacks whose ejection fraction
        cannot be (see `cmr_synth.anatomy.overview.beat`) give no volumes.
    """
    found: dict[str, float] = {}
    if ed is None:
        return found
    at_ed = volumes_ml(ed, spacing)
    if es is not None:
        volumes = [at_ed, volumes_ml(es, spacing)]
        pair = beat(volumes, [slices_drawn(ed), slices_drawn(es)])
        if pair is not None and pair.ed == 0:  # else the phases are called by the wrong names
            for key, value in function_of(volumes, pair).items():
                if key in _OF_FUNCTION:
                    name, factor = _OF_FUNCTION[key]
                    found[name] = factor * value
    if at_ed["MYO"] > 0:
        found["mass"] = at_ed["MYO"] * DENSITY_G_PER_ML
        wall = _wall_mm(ed, spacing)
        found |= {} if wall is None else {"wall": wall}
        if at_ed["LV"] > 0:
            found["mass_edv"] = found["mass"] / at_ed["LV"]
    if at_ed["LV"] > 0 and at_ed["RV"] > 0:
        found["rv_lv"] = at_ed["RV"] / at_ed["LV"]
    return {name: float(v) for name, v in found.items() if np.isfinite(v)}


def marks_of(ed: NDArray[Any], es: NDArray[Any], spacing: tuple[float, float]) -> dict[str, float]:
    """What one slice shows of the phenotypes.

    Parameters
    ----------
    ed, es : (y, x) integer array
        Engine labels at both phases.
    spacing : (y, x) in mm

    Returns
    -------
    dict
        From each of `MARKS` to a number; NaN where the slice lacks what is compared.
    """
    pixel = spacing[0] * spacing[1]
    area = {
        (name, phase): float((labels == label).sum()) * pixel
        for phase, labels in (("ed", ed), ("es", es))
        for name, label in (("lv", LV), ("wall", MYO), ("rv", RV))
    }
    wall = _wall_mm(ed[None], (1.0, *spacing))
    return {
        "lv_emptied": 100 * _over(area["lv", "ed"] - area["lv", "es"], area["lv", "ed"]),
        "lv_area_ed": area["lv", "ed"],
        "lv_area_es": area["lv", "es"],
        "lv_area_lost": area["lv", "ed"] - area["lv", "es"],
        "wall_area_ed": area["wall", "ed"],
        "wall_ed": float("nan") if wall is None else wall,
        "rv_emptied": 100 * _over(area["rv", "ed"] - area["rv", "es"], area["rv", "ed"]),
        "rv_area_ed": area["rv", "ed"],
        "rv_area_es": area["rv", "es"],
        "wall_lv_ed": _over(area["wall", "ed"], area["lv", "ed"]),
        "rv_lv_ed": _over(area["rv", "ed"], area["lv", "ed"]),
    }


def beyond(
    asked: Mapping[str, float], ranges: Mapping[str, tuple[float, float, float]]
) -> list[str]:
    """What of a request lies outside of what a model has seen, a line each.

    Parameters
    ----------
    asked : mapping
        Phenotype to value.
    ranges : mapping
        Phenotype to lowest and highest value of the training patients, and their deviation.
    """
    lines = []
    for name, value in asked.items():
        low, high, sd = ranges[name]
        if low <= value <= high:
            continue
        edge, where = (low, "below") if value < low else (high, "above")
        lines.append(
            f"{in_words(name, value)} is {abs(value - edge):.3g} {PHENOTYPES[name].unit}".rstrip()
            + f" ({abs(value - edge) / sd:.1f} standard deviations) {where} all that the model was "
            f"trained on ({low:.4g} to {high:.4g}): what comes out is a guess."
        )
    return lines


def _wall_mm(labels: NDArray[Any], spacing: tuple[float, float, float]) -> float | None:
    """Mean over the endocardium of all slices with LV and wall; None if there is none."""
    points = []
    for plane in labels:
        if (plane == LV).any() and (plane == MYO).any():
            _, thickness = wall_points(plane, (spacing[1], spacing[2]), 0.0)
            known = thickness[np.isfinite(thickness)]
            if known.size and known.mean() < THICKEST_MM:
                points.append(known)
    return float(np.concatenate(points).mean()) if points else None


def _over(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
