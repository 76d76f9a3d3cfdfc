"""Relaxation times of the tissues of a short-axis slice at 1.5 and 3 tesla.

Blood, heart, skeletal muscle and liver are of Stanisz et al., Magn Reson Med 2005;54:507 (in
vitro, 37 degrees), subcutaneous fat of de Bazelaire et al., Radiology 2004;230:652. Acute infarct
is healthy myocardium with T1 raised by 18 % (Messroghli et al., Magn Reson Med 2007;58:34) and T2
as 69 to 56 ms (Verhaert et al., JACC Cardiovasc Imaging 2011;4:269).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

from cmr_synth.errors import InputError

FIELDS = (1.5, 3.0)

_T1_OF_INFARCT = 1.18
_T2_OF_INFARCT = 69 / 56


@dataclass(frozen=True)
class Tissue:
    """What a sequence sees of a tissue.

    Parameters
    ----------
    t1, t2 : float
        Longitudinal and transverse relaxation time, ms.
    density : float
        Of protons, relative to blood.
    space : float
        Share of the volume that an extracellular contrast agent reaches: 1 - haematocrit in blood,
        the extracellular volume fraction (ECV) elsewhere.
    """

    t1: float
    t2: float
    density: float = 1.0
    space: float = 0.25


Tissues = Mapping[str, Tissue]

_NATIVE: dict[float, dict[str, Tissue]] = {
    1.5: {
        "LV": Tissue(1441, 290, 1.0, 0.58),
        "MYO": Tissue(1030, 40, 0.85, 0.25),
        "RV": Tissue(1441, 250, 1.0, 0.58),
        "fat": Tissue(343, 58, 0.95, 0.05),
        "muscle": Tissue(1008, 44, 0.85, 0.12),
        "liver": Tissue(576, 46, 0.8, 0.27),
        "lung": Tissue(1200, 40, 0.1, 0.2),
    },
    3.0: {
        "LV": Tissue(1932, 275, 1.0, 0.58),
        "MYO": Tissue(1471, 47, 0.85, 0.25),
        "RV": Tissue(1932, 240, 1.0, 0.58),
        "fat": Tissue(382, 68, 0.95, 0.05),
        "muscle": Tissue(1412, 50, 0.85, 0.12),
        "liver": Tissue(812, 42, 0.8, 0.27),
        "lung": Tissue(1400, 35, 0.1, 0.2),
    },
}

RELAXIVITY = {1.5: (5.2, 6.1), 3.0: (5.0, 7.1)}
"""r1 and r2 of gadobutrol in plasma, L/mmol/s; Rohrer et al., Invest Radiol 2005;40:715."""


def tissues(field: float = 1.5) -> dict[str, Tissue]:
    """Return the tissues at a field strength, by name; structures of masks by their names.

    Parameters
    ----------
    field : float
        1.5 or 3 tesla.

    Raises
    ------
    InputError
        For another field strength.
    """
    if field not in _NATIVE:
        known = " or ".join(f"{value:g}" for value in FIELDS)
        raise InputError(f"field strength {field:g} T: relaxation times are known for {known} T.")
    table = dict(_NATIVE[field])
    wall = table["MYO"]
    table["infarct"] = replace(
        wall, t1=wall.t1 * _T1_OF_INFARCT, t2=wall.t2 * _T2_OF_INFARCT, space=0.5
    )
    table["no-reflow"] = replace(wall, space=0.02)
    return table


def changed(table: Tissues, settings: Sequence[str]) -> dict[str, Tissue]:
    """Return the tissues with some of their figures set, such as `MYO.t1=1250`.

    Raises
    ------
    InputError
        If a setting is no `TISSUE.FIGURE=VALUE`, names none there is, or cannot be.
    """
    result = dict(table)
    figures = [field.name for field in fields(Tissue)]
    for setting in settings:
        found = re.fullmatch(r"([\w-]+)\.(\w+)=([-+.\deE]+)", setting.strip())
        if found is None:
            raise InputError(f"{setting!r}: write TISSUE.FIGURE=VALUE, such as MYO.t1=1250.")
        name, figure, text = found.groups()
        if name not in result:
            raise InputError(f"{setting!r}: tissues are {', '.join(result)}.")
        if figure not in figures:
            raise InputError(f"{setting!r}: a tissue has {', '.join(figures)}.")
        try:
            value = float(text)
        except ValueError:
            raise InputError(f"{setting!r}: {text} is no number.") from None
        result[name] = replace(result[name], **{figure: value})
    for name, tissue in result.items():
        _check(name, tissue)
    return result


def with_contrast(table: Tissues, field: float, millimolar: float) -> dict[str, Tissue]:
    """Return the tissues some minutes after an extracellular contrast agent, in equilibrium.

    1 / T = 1 / T_native + r C: the concentration in a tissue is that of plasma times the share of
    its volume that the agent reaches.

    Parameters
    ----------
    table : mapping of str to Tissue
        Native.
    field : float
        Tesla.
    millimolar : float
        Concentration in plasma, mmol/L; 0.75 where 0.15 mmol/kg have spread in 0.2 L/kg.
    """
    if not 0 <= millimolar <= 10:
        raise InputError(f"contrast agent: {millimolar:g} mmol/L of plasma is not from 0 to 10.")
    r1, r2 = RELAXIVITY[field]
    return {
        name: replace(
            tissue,
            t1=1e3 / (1e3 / tissue.t1 + r1 * millimolar * tissue.space),
            t2=1e3 / (1e3 / tissue.t2 + r2 * millimolar * tissue.space),
        )
        for name, tissue in table.items()
    }


def _check(name: str, tissue: Tissue) -> None:
    if not (0 < tissue.t2 <= 2 * tissue.t1 and tissue.t1 <= 1e4):
        raise InputError(
            f"{name}: T1 of {tissue.t1:g} and T2 of {tissue.t2:g} ms cannot be; T1 is at most "
            "10000 ms and T2 at most twice T1."
        )
    if not (0 <= tissue.density <= 2 and 0 <= tissue.space <= 1):
        raise InputError(f"{name}: density is 0 to 2, and space (the agent's share) 0 to 1.")
