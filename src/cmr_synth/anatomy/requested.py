"""A heart with the function that is asked for: its masks at ED and ES, made of one that is there.

The heart at ED is turned by the dials to the volumes, mass and wall asked for, then contracted to
those at ES; what pixels make of it is measured and the dials turned again. Whatever is not asked
for stays as it is: the wall keeps its mass, the RV its volume and its stroke that of the LV.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.beating.beat import contracted
from cmr_synth.anatomy.beating.plan import HIGHEST_EF, LOWEST_EF
from cmr_synth.anatomy.dials import DIALS, Heart
from cmr_synth.anatomy.dials.outlines import outlines
from cmr_synth.anatomy.dials.turning import voxels_on_the_edge
from cmr_synth.anatomy.labels import scar_as_myocardium
from cmr_synth.anatomy.measurements import DENSITY_G_PER_ML, volumes_ml
from cmr_synth.errors import InputError

CLOSE = 0.02
"""Relative error of a request up to which it is met."""

WALL = (0.25, 4.0)  # mass of a wall as a share of what it was, beyond which it is another heart
_WALL_TURNS = 6
_RV_EF_LIKE = 0.75  # of the RV, at most, where it ejects as much as the LV

TITLES = {
    "edv_ml": ("LV EDV", "mL"),
    "esv_ml": ("LV ESV", "mL"),
    "ef": ("LV EF", "%"),
    "mass_g": ("LV mass", "g"),
    "wall_mm": ("wall thickness", "mm"),
    "rv_edv_ml": ("RV EDV", "mL"),
    "rv_esv_ml": ("RV ESV", "mL"),
    "rv_ef": ("RV EF", "%"),
}
"""What may be asked for, as `Function` names it: its name for people, and its unit."""


@dataclass(frozen=True, kw_only=True)
class Function:
    """What is asked for; whatever is None is not.

    Parameters
    ----------
    edv_ml, esv_ml, rv_edv_ml, rv_esv_ml : float, optional
        Volumes of the blood pools, above 0.
    ef, rv_ef : float, optional
        Ejection fractions as shares, 0.05 to 0.85.
    mass_g : float, optional
        Of the LV's wall at ED.
    wall_mm : float, optional
        Mean thickness of that wall at ED, along rays from the LV's centre.

    Raises
    ------
    InputError
        If a number is none that a heart has, or they contradict each other.
    """

    edv_ml: float | None = None
    esv_ml: float | None = None
    ef: float | None = None
    mass_g: float | None = None
    wall_mm: float | None = None
    rv_edv_ml: float | None = None
    rv_esv_ml: float | None = None
    rv_ef: float | None = None

    def __post_init__(self) -> None:
        """Hold the numbers against their ranges and each other."""
        for name, value in self.asked().items():
            title, unit = TITLES[name]
            if unit == "%" and not LOWEST_EF <= value <= HIGHEST_EF:
                raise InputError(
                    f"{title} {100 * value:g} % is out of range; give {100 * LOWEST_EF:g} to "
                    f"{100 * HIGHEST_EF:g} %."
                )
            if not (np.isfinite(value) and value > 0):
                raise InputError(f"{title} {value:g} {unit}; give a number above 0.")
        for side, edv, esv, ef in (
            ("LV", self.edv_ml, self.esv_ml, self.ef),
            ("RV", self.rv_edv_ml, self.rv_esv_ml, self.rv_ef),
        ):
            if edv is None or esv is None:
                continue
            if esv >= edv:
                raise InputError(
                    f"{side} ESV {esv:g} mL is not below its EDV {edv:g} mL; a ventricle is "
                    "smaller at end-systole. Exchange them, or ask for one of them and the EF."
                )
            own = 1 - esv / edv
            if ef is not None and abs(own - ef) > CLOSE * ef:
                raise InputError(
                    f"{side} EDV {edv:g} mL and ESV {esv:g} mL make an EF of {100 * own:.1f} %, "
                    f"and {100 * ef:g} % is asked for; leave one of the three out."
                )
            if not LOWEST_EF <= own <= HIGHEST_EF:
                raise InputError(
                    f"{side} EDV {edv:g} mL and ESV {esv:g} mL make an EF of {100 * own:.1f} %; "
                    f"hearts have {100 * LOWEST_EF:g} to {100 * HIGHEST_EF:g} %."
                )

    def asked(self) -> dict[str, float]:
        """What is asked for, by name."""
        return {n: float(v) for n in TITLES if (v := getattr(self, n)) is not None}

    @property
    def systolic(self) -> bool:
        """Whether anything of it needs a mask at end-systole."""
        return any(getattr(self, n) is not None for n in ("esv_ml", "ef", "rv_esv_ml", "rv_ef"))


@dataclass(frozen=True, eq=False)
class Reached:
    """The heart that has the function.

    Parameters
    ----------
    ed : (z, y, x) uint8 array
        Engine labels.
    es : (z, y, x) uint8 array, optional
        None where nothing was asked of end-systole.
    asked, measured : dict
        By the names of `TITLES`; measured is all that the masks show.
    """

    ed: NDArray[np.uint8]
    es: NDArray[np.uint8] | None
    asked: dict[str, float]
    measured: dict[str, float]

    @property
    def errors(self) -> dict[str, float]:
        """Measured beside asked, as a share of what was asked."""
        return {n: (self.measured[n] - v) / v for n, v in self.asked.items()}

    @property
    def missed(self) -> tuple[str, ...]:
        """One line for each request that is not met, and why."""
        return tuple(
            f"{TITLES[n][0]} came out {100 * error:+.1f} % of what was asked: the grid binds, on "
            "which the structure is but a few pixels; give the mask on smaller pixels."
            for n, error in self.errors.items()
            if abs(error) > CLOSE
        )

    def record(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "asked": self.asked,
            "measured": {n: round(v, 4) for n, v in self.measured.items()},
            "errors": {n: round(e, 4) for n, e in self.errors.items()},
            "missed": list(self.missed),
        }


def reach(heart: Heart, wanted: Function) -> Reached:
    """Find the heart with a function.

    Parameters
    ----------
    heart : Heart
        At end-diastole; what it is like otherwise is kept.
    wanted : Function

    Returns
    -------
    Reached

    Raises
    ------
    InputError
        If the requests contradict each other on this heart, or are further from it than the dials
        reach: the line says which one binds.
    """
    if not wanted.asked():
        raise InputError("no function is asked for; give at least one of EDV, ESV, EF, mass ...")
    start = _volumes(heart.labels, heart.spacing)
    target = _at_ed(start, wanted, heart.name)
    _check_reach(start, target, heart.name)
    ed = contracted(heart, target).labels
    if wanted.wall_mm is not None:
        ed = _with_wall(heart, target, wanted)
    if voxels_on_the_edge(ed) > voxels_on_the_edge(heart.labels):
        raise InputError(
            f"{heart.name}: the heart asked for outgrows the picture: its edge binds; give the "
            "mask with a larger field of view, or ask for less."
        )
    es = _systole(Heart(ed, heart.spacing, name=heart.name), wanted) if wanted.systolic else None
    return Reached(ed, es, wanted.asked(), _measured(ed, es, heart.spacing))


def _at_ed(start: dict[str, float], wanted: Function, name: str) -> dict[str, float]:
    """Volumes at ED that the requests amount to, mL."""
    target = dict(start)
    for part, edv, esv, ef in (
        ("LV", wanted.edv_ml, wanted.esv_ml, wanted.ef),
        ("RV", wanted.rv_edv_ml, wanted.rv_esv_ml, wanted.rv_ef),
    ):
        if not start[part] and (edv or esv or ef):
            raise InputError(f"{name}: has no {part}, and its function is asked for; draw it.")
        if edv is not None:
            target[part] = edv
        elif esv is not None and ef is not None:
            target[part] = esv / (1 - ef)
        if esv is not None and esv >= target[part]:
            raise InputError(
                f"{name}: its {part} holds {target[part]:.0f} mL at ED, no more than the ESV of "
                f"{esv:g} mL asked for; ask for an EDV above it as well."
            )
    if wanted.mass_g is not None:
        target["MYO"] = wanted.mass_g / DENSITY_G_PER_ML
    if (wanted.mass_g or wanted.wall_mm) and not start["MYO"]:
        raise InputError(f"{name}: has no myocardium, and its mass is asked for; draw it first.")
    return target


def _check_reach(start: dict[str, float], target: dict[str, float], name: str) -> None:
    """Name the constraint that binds, where one does."""
    ranges = {
        "LV": (1 + DIALS["dilation"].lowest, 1 + DIALS["dilation"].highest),
        "RV": (1 + DIALS["rv_dilation"].lowest, 1 + DIALS["rv_dilation"].highest),
        "MYO": WALL,
    }
    for part, (low, high) in ranges.items():
        if start[part] and not low <= target[part] / start[part] <= high:
            by, unit, what = (
                (DENSITY_G_PER_ML, "g", "mass") if part == "MYO" else (1.0, "mL", f"{part} EDV")
            )
            raise InputError(
                f"{name}: {what} of {by * target[part]:.0f} {unit} is too far from the "
                f"{by * start[part]:.0f} {unit} that it has: {by * low * start[part]:.0f} to "
                f"{by * high * start[part]:.0f} {unit} can be reached. Begin with another heart."
            )


def _with_wall(heart: Heart, target: dict[str, float], wanted: Function) -> NDArray[np.uint8]:
    """The heart at ED with a wall of the thickness asked for; its mass follows, or contradicts."""
    assert wanted.wall_mm is not None
    if wanted.mass_g is not None:
        labels = contracted(heart, target).labels
        own = _thickness(labels, heart.spacing)
        if abs(own - wanted.wall_mm) > CLOSE * wanted.wall_mm:
            raise InputError(
                f"{heart.name}: mass and wall thickness contradict each other: around an LV of "
                f"{target['LV']:.0f} mL, {wanted.mass_g:g} g make a wall of {own:.1f} mm, and "
                f"{wanted.wall_mm:g} mm are asked for. Leave one of them out, or change the EDV."
            )
        return labels
    start, best, missed = target["MYO"], heart.labels, np.inf
    for _ in range(_WALL_TURNS):
        if not WALL[0] <= target["MYO"] / start <= WALL[1]:
            raise InputError(
                f"{heart.name}: a wall of {wanted.wall_mm:g} mm is too far from the "
                f"{_thickness(heart.labels, heart.spacing):.1f} mm that it has. Begin with another "
                "heart."
            )
        labels = contracted(heart, target).labels
        own = _thickness(labels, heart.spacing)
        if abs(own - wanted.wall_mm) < missed:
            best, missed = labels, abs(own - wanted.wall_mm)
        if missed < CLOSE / 4 * wanted.wall_mm:
            break
        target = target | {"MYO": target["MYO"] * wanted.wall_mm / own}
    return best


def _systole(ed: Heart, wanted: Function) -> NDArray[np.uint8]:
    """The heart at ES; the RV ejects as much as the LV where nothing is asked of it."""
    start = _volumes(ed.labels, ed.spacing)
    target = dict(start)
    if wanted.esv_ml is not None:
        target["LV"] = wanted.esv_ml
    elif wanted.ef is not None:
        target["LV"] = (1 - wanted.ef) * start["LV"]
    stroke = start["LV"] - target["LV"]
    if wanted.rv_esv_ml is not None:
        target["RV"] = wanted.rv_esv_ml
    elif wanted.rv_ef is not None:
        target["RV"] = (1 - wanted.rv_ef) * start["RV"]
    elif start["RV"]:
        target["RV"] = start["RV"] - min(stroke, _RV_EF_LIKE * start["RV"])
    return contracted(ed, target).labels


def _measured(
    ed: NDArray[np.uint8], es: NDArray[np.uint8] | None, spacing: tuple[float, float, float]
) -> dict[str, float]:
    at_ed = _volumes(ed, spacing)
    found = {
        "edv_ml": at_ed["LV"],
        "mass_g": DENSITY_G_PER_ML * at_ed["MYO"],
        "rv_edv_ml": at_ed["RV"],
    }
    if at_ed["MYO"]:
        found["wall_mm"] = _thickness(ed, spacing)
    if es is not None:
        at_es = _volumes(es, spacing)
        found |= {"esv_ml": at_es["LV"], "rv_esv_ml": at_es["RV"]}
        found["ef"] = 1 - at_es["LV"] / at_ed["LV"]
        if at_ed["RV"]:
            found["rv_ef"] = 1 - at_es["RV"] / at_ed["RV"]
    return {name: float(found[name]) for name in TITLES if name in found}


def _thickness(labels: NDArray[np.uint8], spacing: tuple[float, float, float]) -> float:
    heart = outlines(labels, spacing)
    return float(heart.thickness[heart.has_lv].mean())


def _volumes(labels: NDArray[np.uint8], spacing: tuple[float, float, float]) -> dict[str, float]:
    found = volumes_ml(scar_as_myocardium(labels), spacing)
    return {part: 0.0 if np.isnan(volume) else volume for part, volume in found.items()}


def indexed(wanted: Function, surface_m2: float) -> Function:
    """Requests in mL/m2 and g/m2 as mL and g of a person with a body surface."""
    named = {
        name: value * surface_m2
        for name, value in wanted.asked().items()
        if TITLES[name][1] in ("mL", "g")
    }
    return replace(wanted, **named)
