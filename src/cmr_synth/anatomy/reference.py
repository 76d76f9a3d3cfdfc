"""What healthy hearts measure: published reference ranges, for drawn and sampled hearts to meet.

Women of 45 to 74 years, 1.5 T, short-axis bSSFP, papillary muscles counted as blood: the 95 %
ranges of Petersen et al. 2017, table 3 (doi:10.1186/s12968-017-0327-9), one of the studies that the
ranges of Kawel-Boehm et al. 2020 rest on (doi:10.1186/s12968-020-00683-3). Men's ranges lie higher
and overlap with them.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from cmr_synth.anatomy.measurements import ejection_fraction, mass_g, volumes_ml

WHO = (
    "95 % ranges of healthy women of 45 to 74 years at 1.5 T, papillary muscles counted as blood "
    "(Petersen et al. 2017, table 3, doi:10.1186/s12968-017-0327-9). Men's ranges lie higher."
)
"""Of whom the ranges are, for whoever reads a number beside them."""

NORMAL: dict[str, tuple[float, float]] = {
    "lv_edv_ml": (88, 161),
    "lv_esv_ml": (31, 68),
    "lv_stroke_ml": (49, 100),
    "lv_ef": (0.51, 0.70),
    "lv_mass_g": (46, 93),
    "rv_edv_ml": (85, 166),
    "rv_esv_ml": (27, 77),
    "rv_stroke_ml": (48, 99),
    "rv_ef": (0.47, 0.68),
}
"""Lower and upper end of each range; ejection fractions as shares."""


def function_of(
    ed: NDArray[Any], es: NDArray[Any], spacing: tuple[float, float, float]
) -> dict[str, float]:
    """The measurements that `NORMAL` has ranges of, from a heart at both phases.

    Parameters
    ----------
    ed, es : (z, y, x) integer arrays
        Engine labels of one heart at end-diastole and end-systole.
    spacing : (z, y, x) in mm
        Distance between slices (thickness plus gap), then pixel size.

    Returns
    -------
    dict
        With the keys of `NORMAL`.

    Raises
    ------
    InputError
        If a phase lacks a ventricle.
    """
    relaxed, contracted = volumes_ml(ed, spacing), volumes_ml(es, spacing)
    found: dict[str, float] = {"lv_mass_g": mass_g(ed, spacing)}
    for side, structure in (("lv", "LV"), ("rv", "RV")):
        edv, esv = relaxed[structure], contracted[structure]
        found |= {f"{side}_edv_ml": edv, f"{side}_esv_ml": esv, f"{side}_stroke_ml": edv - esv}
        found[f"{side}_ef"] = ejection_fraction(edv, esv)
    return found


def outside(found: dict[str, float]) -> dict[str, float]:
    """The measurements that lie outside their range in `NORMAL`."""
    return {
        name: value
        for name, value in found.items()
        if not NORMAL[name][0] <= value <= NORMAL[name][1]
    }
