"""What dials did, read back from the mask in mm, mL and %, beside what was asked."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.dials.outlines import ANGLES, STEP, Outlines, outlines
from cmr_synth.anatomy.dials.settings import Dials, Regional
from cmr_synth.anatomy.dials.shaping import Shaped, septal_angle
from cmr_synth.anatomy.labels import INFARCT, MYO, scar_as_myocardium
from cmr_synth.anatomy.measurements import DENSITY_G_PER_ML, volumes_ml


@dataclass(frozen=True)
class Effect:
    """One measurement.

    Parameters
    ----------
    dial : str
        That was turned for it; "" of what is shown whatever was turned.
    name, unit : str
    before, asked, measured : float
        Of the mask as it was; what the dials together were to make of it; of the mask as it is.
    """

    dial: str
    name: str
    unit: str
    before: float
    asked: float
    measured: float

    @property
    def error(self) -> float:
        """Measured beside asked, as a share of what was asked; NaN where that is 0."""
        return (self.measured - self.asked) / self.asked if self.asked else float("nan")

    def record(self) -> dict[str, Any]:
        """As JSON has it."""
        return {k: round(v, 3) if isinstance(v, float) else v for k, v in asdict(self).items()}


def effects(
    before: NDArray[np.uint8],
    after: NDArray[np.uint8],
    heart: Outlines,
    shaped: Shaped,
    dials: Dials,
) -> tuple[Effect, ...]:
    """Measure a mask before and after its dials were turned.

    Parameters
    ----------
    before, after : (z, y, x) uint8 arrays
        Engine labels.
    heart, shaped : Outlines, Shaped
        What the dials were turned on, and where they were to take it.
    dials : Dials
    """
    now = outlines(after, heart.spacing)
    old, new = (volumes_ml(scar_as_myocardium(labels), heart.spacing) for labels in (before, after))
    asked = _asked_shares(heart, shaped)
    found = [
        Effect(dial, name, unit, by * old[part], by * old[part] * asked[part], by * new[part])
        for part, dial, name, unit, by in (
            ("LV", "dilation", "LV volume", "mL", 1.0),
            ("MYO", "", "LV mass", "g", DENSITY_G_PER_ML),
            ("RV", "rv_dilation", "RV volume", "mL", 1.0),
        )
        if part != "RV" or old["RV"] > 0
    ]
    for name, one in dials.regional:
        if name == "scar":
            found += _scar(after, one, now, shaped, heart.spacing)
            continue
        where = f" {one.region.name}" if one.region.name else ""
        inside = _inside(heart, one)
        thick = heart.thickness[inside].mean()
        wanted = (np.sqrt(shaped.epi) - np.sqrt(shaped.endo))[inside].mean()
        got = now.thickness[_inside(now, one)].mean()
        found.append(Effect(name, f"wall thickness{where}", "mm", thick, wanted, got))
    if dials.septal_flattening:
        here = heart.has_lv
        values = (heart.endo, shaped.endo, now.endo)
        before_, wanted, got = (_eccentricity(endo, heart)[here].mean() for endo in values)
        found.append(Effect("septal_flattening", "LV eccentricity index", "", before_, wanted, got))
    if dials.apical_displacement or dials.basal_shift:
        dz = heart.spacing[0]
        length = heart.has_lv.sum() * dz
        dial = "apical_displacement" if dials.apical_displacement else "basal_shift"
        got = now.has_lv.sum() * dz
        found.append(Effect(dial, "LV length", "mm", length, length * shaped.stretch, got))
    return tuple(
        Effect(e.dial, e.name, e.unit, float(e.before), float(e.asked), float(e.measured))
        for e in found
    )


def _asked_shares(heart: Outlines, shaped: Shaped) -> dict[str, float]:
    """Volume of every structure as a share of what it was, from the outlines."""
    with_rv = heart.rv.sum(axis=1) > heart.epi.sum(axis=1)
    pairs = {
        "LV": (heart.endo[heart.has_lv], shaped.endo[heart.has_lv]),
        "MYO": ((heart.epi - heart.endo)[heart.has_lv], (shaped.epi - shaped.endo)[heart.has_lv]),
        "RV": ((heart.rv - heart.epi)[with_rv], (shaped.rv - shaped.epi)[with_rv]),
    }
    return {
        part: shaped.stretch * float(new.sum() / old.sum()) if old.sum() > 0 else 1.0
        for part, (old, new) in pairs.items()
    }


def _inside(heart: Outlines, one: Regional) -> NDArray[np.bool_]:
    """Directions of slices with LV that a region covers, (n, ANGLES)."""
    rows = [
        one.region.inside(heart.travelled(k), float(np.clip(z, 0, 1))) & heart.has_lv[k]
        for k, z in enumerate(heart.z)
    ]
    return np.stack(rows)


def _eccentricity(endo: NDArray[np.float64], heart: Outlines) -> NDArray[np.float64]:
    """Diameter of the LV along the septum over that across it, (n,): 1 for a circle.

    Ryan et al. 1985, doi:10.1016/S0735-1097(85)80433-2.
    """
    across = np.rint(septal_angle(heart) / STEP).astype(int)
    radius, rows, quarter = np.sqrt(endo), np.arange(len(endo)), ANGLES // 4

    def diameter(of: NDArray[np.intp]) -> NDArray[np.float64]:
        return np.asarray(radius[rows, of % ANGLES] + radius[rows, (of + 2 * quarter) % ANGLES])

    return np.asarray(diameter(across + quarter) / diameter(across))


def _scar(
    after: NDArray[np.uint8],
    one: Regional,
    now: Outlines,
    shaped: Shaped,
    spacing: tuple[float, float, float],
) -> list[Effect]:
    """Volume of the infarct, and its share of the wall in its region.

    A scar of half of the wall's depth is less than half of its area: inner rings are shorter.
    """
    dz, dy, dx = spacing
    hurt = wall = 0
    for k in np.flatnonzero(now.has_lv):
        rows, columns = np.nonzero(np.isin(after[k], (MYO, INFARCT)))
        y, x = rows * dy - now.centres[k, 0], columns * dx - now.centres[k, 1]
        start = 0.0 if now.insertion is None else float(now.insertion[k])
        travelled = (start - np.arctan2(y, x)) % (2 * np.pi)
        inside = one.region.inside(travelled, float(now.z[k]))
        wall += int(inside.sum())
        hurt += int((inside & (after[k][rows, columns] == INFARCT)).sum())
    covered = _inside(now, one)
    inner, outer = np.sqrt(shaped.endo[covered]), np.sqrt(shaped.epi[covered])
    edge = inner + one.amount * (outer - inner)
    wanted = float((edge**2 - inner**2).sum() / (outer**2 - inner**2).sum())
    share = hurt / wall if wall else float("nan")
    where = f" {one.region.name}" if one.region.name else ""
    ml = dz * dy * dx / 1000
    return [
        Effect("scar", f"scar of the wall{where}", "%", 0.0, 100 * wanted, 100 * share),
        Effect("", f"scar volume{where}", "mL", 0.0, wanted * wall * ml, hurt * ml),
    ]
