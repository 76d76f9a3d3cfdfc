"""Covariates of a person: age, height, weight as a cohort states them, and the body mass index."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from cmr_synth.anatomy.body_size import HEIGHT_CM, WEIGHT_KG


@dataclass(frozen=True)
class Covariate:
    """A number of a person: what it is called, its unit, and between what anybody has it."""

    title: str
    unit: str
    least: float
    most: float


COVARIATES = {
    "age": Covariate("age", "years", 0.0, 120.0),
    "height": Covariate("height", "cm", *HEIGHT_CM),
    "weight": Covariate("weight", "kg", *WEIGHT_KG),
    "bmi": Covariate("body mass index", "kg/m2", 5.0, 100.0),
}
STATED = ("age", "height", "weight")
"""Those that cohorts state; the body mass index follows from them."""


def stated(table: Mapping[str, str]) -> dict[str, float]:
    """Age, height and weight of a row of text, by its column names in any case.

    What is no number, or is nobody's (a height of 0, of -1 or in metres), states nothing.

    Parameters
    ----------
    table : mapping
        Column to text, such as ``{"Height": "184.0"}``.
    """
    cells = {column.strip().lower(): cell for column, cell in table.items()}
    found = {}
    for name in STATED:
        text = (cells.get(name) or "").strip()
        if re.fullmatch(r"\d{1,4}(\.\d+)?", text) and is_somebodys(name, float(text)):
            found[name] = float(text)
    return found


def is_somebodys(name: str, value: float) -> bool:
    """Whether anybody has so much of a covariate."""
    of = COVARIATES[name]
    return of.least <= value <= of.most


def with_bmi(known: Mapping[str, float]) -> dict[str, float]:
    """Covariates, and the body mass index where height and weight are known: kg over m squared."""
    found = dict(known)
    if "height" in known and "weight" in known:
        bmi = known["weight"] / (known["height"] / 100) ** 2
        if is_somebodys("bmi", bmi):
            found["bmi"] = bmi
    return found
