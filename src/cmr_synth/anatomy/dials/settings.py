"""What can be turned on a heart: every dial with its range, and what an amount of it means.

An amount is the change of what the dial is about, as a share: a dilation of 0.3 is 30 % more LV
volume, a hypertrophy of 0.5 a wall half again as thick. Dials of the wall may be limited to a
region, `0.5@septal`. All at 0 change nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from cmr_synth.anatomy.dials.regions import Region
from cmr_synth.errors import InputError


@dataclass(frozen=True)
class Dial:
    """One dial.

    Parameters
    ----------
    title : str
        For people.
    lowest, highest : float
        Range of its amount.
    meaning : str
        What the amount is.
    regional : bool
        Whether it acts on a part of the wall, and may be given several times.
    """

    title: str
    lowest: float
    highest: float
    meaning: str
    regional: bool = False


DIALS: dict[str, Dial] = {
    "dilation": Dial(
        "LV dilation", -0.9, 1.5, "change of the LV's volume; the wall keeps its mass and thins"
    ),
    "hypertrophy": Dial(
        "Hypertrophy", 0.0, 1.5, "share by which the wall gets thicker, outward", regional=True
    ),
    "thinning": Dial(
        "Wall thinning", 0.0, 0.8, "share by which the wall gets thinner", regional=True
    ),
    "scar": Dial(
        "Scar", 0.0, 1.0, "transmurality of an infarct, from the endocardium", regional=True
    ),
    "rv_dilation": Dial("RV dilation", -0.9, 1.5, "change of the RV's volume"),
    "septal_flattening": Dial(
        "Septal flattening", 0.0, 1.0, "0 as it is, 1 a straight septum (D shape)"
    ),
    "apical_displacement": Dial(
        "Apical displacement",
        -0.3,
        0.3,
        "how far the apex moves away from the base, as a share of the LV's length",
    ),
    "basal_shift": Dial(
        "Basal shift",
        -0.3,
        0.3,
        "how far the base moves towards the apex, as a share of the LV's length",
    ),
}
"""Every dial by its name in `Dials`, on the command line with hyphens."""


@dataclass(frozen=True)
class Regional:
    """An amount, and where on the wall it applies."""

    amount: float
    region: Region = Region()

    @classmethod
    def parse(cls, text: str, *, dial: str) -> Regional:
        """Read `0.5` or `0.5@septal`.

        Raises
        ------
        InputError
            If it is no number, or the region is unknown.
        """
        number, at, where = text.partition("@")
        if at and not where.strip():
            raise InputError(f"{dial} {text!r}: name a region after the @, such as 0.5@septal.")
        try:
            return cls(float(number), Region(where.strip()))
        except ValueError as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"{dial} {text!r}: give a number, or a number and a region such as 0.5@septal."
            ) from error

    def __str__(self) -> str:
        return f"{self.amount:g}" + (f"@{self.region.name}" if self.region.name else "")


@dataclass(frozen=True, kw_only=True)
class Dials:
    """How far every dial is turned; see `DIALS`.

    Raises
    ------
    InputError
        If an amount is out of its range or no number.
    """

    dilation: float = 0.0
    hypertrophy: tuple[Regional, ...] = ()
    thinning: tuple[Regional, ...] = ()
    scar: tuple[Regional, ...] = ()
    rv_dilation: float = 0.0
    septal_flattening: float = 0.0
    apical_displacement: float = 0.0
    basal_shift: float = 0.0

    def __post_init__(self) -> None:
        """Hold every amount against its range."""
        for name, dial in DIALS.items():
            for amount in self.amounts(name):
                if not (np.isfinite(amount) and dial.lowest <= amount <= dial.highest):
                    raise InputError(
                        f"{option_of(name)} {amount:g} is out of range; give {dial.lowest:g} to "
                        f"{dial.highest:g} ({dial.meaning})."
                    )

    @property
    def neutral(self) -> bool:
        """Whether nothing is turned."""
        return not any(amount for name in DIALS for amount in self.amounts(name))

    @property
    def regional(self) -> tuple[tuple[str, Regional], ...]:
        """The dials of the wall that are turned, with their names."""
        return tuple(
            (name, one)
            for name, dial in DIALS.items()
            if dial.regional
            for one in getattr(self, name)
            if one.amount
        )

    def amounts(self, name: str) -> list[float]:
        """Amounts of one dial."""
        value = getattr(self, name)
        return [one.amount for one in value] if DIALS[name].regional else [value]

    def record(self) -> dict[str, Any]:
        """As JSON has it: regional dials as texts, those at 0 left out."""
        return {
            name: [str(one) for one in value] if DIALS[name].regional else value
            for name, value in ((field.name, getattr(self, field.name)) for field in fields(self))
            if any(self.amounts(name))
        }

    @classmethod
    def from_record(cls, stated: Mapping[str, Any]) -> Dials:
        """Read what `record` wrote.

        Raises
        ------
        InputError
            If a dial is unknown or its amount none.
        """
        found: dict[str, Any] = {}
        for name, value in stated.items():
            if name not in DIALS:
                raise InputError(f"dial {name!r} is unknown; known are {', '.join(DIALS)}.")
            if DIALS[name].regional:
                found[name] = regional(value, dial=name)
            elif isinstance(value, int | float) and not isinstance(value, bool):
                found[name] = float(value)
            else:
                raise InputError(f"dial {name}: {value!r} is no number.")
        return cls(**found)


def regional(texts: Iterable[str], *, dial: str) -> tuple[Regional, ...]:
    """Amounts with their regions from texts such as `0.5@septal`."""
    return tuple(Regional.parse(str(text), dial=dial) for text in texts)


def option_of(name: str) -> str:
    """What a dial is called on the command line, without its dashes."""
    return name.replace("_", "-")


_HCM = Regional(0.8, Region("septal"))
_INFARCT = Region("anterior+anteroseptal+apex")

PRESETS: dict[str, tuple[str, Dials]] = {
    "dcm": (
        "Dilated cardiomyopathy",
        Dials(dilation=0.8, hypertrophy=(Regional(0.15),), rv_dilation=0.2),
    ),
    "hcm-septal": (
        "Asymmetric hypertrophic cardiomyopathy",
        Dials(dilation=-0.15, hypertrophy=(_HCM, Regional(0.2))),
    ),
    "hcm-concentric": (
        "Concentric hypertrophy",
        Dials(dilation=-0.2, hypertrophy=(Regional(0.6),)),
    ),
    "hcm-apical": (
        "Apical hypertrophic cardiomyopathy",
        Dials(dilation=-0.1, hypertrophy=(Regional(0.9, Region("apical")),)),
    ),
    "infarct-anterior": (
        "Old anterior infarct",
        Dials(
            dilation=0.3,
            thinning=(Regional(0.45, _INFARCT),),
            scar=(Regional(0.75, _INFARCT),),
        ),
    ),
    "infarct-inferior": (
        "Old inferior infarct",
        Dials(
            dilation=0.15,
            thinning=(Regional(0.4, Region("inferior+inferolateral")),),
            scar=(Regional(0.75, Region("inferior+inferolateral")),),
        ),
    ),
    "arv": (
        "Abnormal right ventricle",
        Dials(rv_dilation=0.7),
    ),
    "rv-pressure": (
        "RV pressure overload",
        Dials(rv_dilation=0.3, septal_flattening=0.9, dilation=-0.1),
    ),
    "rv-volume": (
        "RV volume overload",
        Dials(rv_dilation=0.8, septal_flattening=0.4),
    ),
}
"""Where the dials stand for a typical patient of a disease: its name for people, and the dials."""


def preset(name: str) -> Dials:
    """The dials of a disease.

    Raises
    ------
    InputError
        If the name is unknown.
    """
    if name not in PRESETS:
        raise InputError(f"disease {name!r} is unknown; known are {', '.join(PRESETS)}.")
    return PRESETS[name][1]


def scaled(dials: Dials, severity: float) -> Dials:
    """The same dials turned to a share of where they stand, 0 to 1 and beyond.

    Raises
    ------
    InputError
        If the severity is no number or negative, or a dial gets out of its range.
    """
    if not (np.isfinite(severity) and severity >= 0):
        raise InputError(f"severity {severity:g} is out of range; give 0 (healthy) to 1 or more.")
    values: dict[str, Any] = {
        field.name: tuple(
            Regional(severity * one.amount, one.region) for one in getattr(dials, field.name)
        )
        if DIALS[field.name].regional
        else severity * getattr(dials, field.name)
        for field in fields(dials)
    }
    return Dials(**values)


def combined(one: Dials, other: Dials) -> Dials:
    """Both at once: shares multiply, regions stand side by side, lengths add."""
    total: dict[str, Any] = {}
    for name, dial in DIALS.items():
        a, b = getattr(one, name), getattr(other, name)
        if dial.regional:
            total[name] = (*a, *b)
        elif name in ("dilation", "rv_dilation"):
            total[name] = (1 + a) * (1 + b) - 1
        else:
            total[name] = a + b
    return Dials(**total)
