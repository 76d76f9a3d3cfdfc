"""Body surface, by which volumes and mass are indexed."""

from __future__ import annotations

from math import sqrt

from cmr_synth.errors import InputError

HEIGHT_CM, WEIGHT_KG = (30.0, 250.0), (1.0, 350.0)


def body_surface_m2(height_cm: float, weight_kg: float) -> float:
    """Body surface area by Mosteller 1987, doi:10.1056/NEJM198710223171717.

    Parameters
    ----------
    height_cm, weight_kg : float

    Returns
    -------
    float
        Square metres.

    Raises
    ------
    InputError
        If nobody is so tall or heavy.
    """
    for name, value, (low, high), unit in (
        ("height", height_cm, HEIGHT_CM, "cm"),
        ("weight", weight_kg, WEIGHT_KG, "kg"),
    ):
        if not low <= value <= high:
            raise InputError(f"{name} {value:g} {unit}; give {low:g} to {high:g} {unit}.")
    return sqrt(height_cm * weight_kg / 3600)
