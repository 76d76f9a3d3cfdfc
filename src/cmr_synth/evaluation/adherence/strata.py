"""Mask adherence by structure, level and vendor, beside the same segmenter on real slices.

What a segmenter finds in a synthetic slice is compared with the mask that the slice was
made from. The segmenter is no perfect reader, so that every figure stands beside the one it reaches
on the real slices of the same masks: 1 is as well as reality.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.evaluation.adherence.patients import PatientScore, patient_scores
from cmr_synth.evaluation.resampling import drawn, mean_interval, percentile_interval
from cmr_synth.evaluation.sample import Sample

SCORES = ("dice", "hd", "hd95", "hd95_directed", "asd", "surface_dice")


@dataclass(frozen=True)
class Beside:
    """A score of synthetic slices beside that of real ones; means over patients.

    Parameters
    ----------
    synthetic, low, high : float
        With the 95 % interval by patient.
    real : float
    ratio, ratio_low, ratio_high : float
        Synthetic over real; patients that are in both are drawn together.
    """

    synthetic: float
    low: float
    high: float
    real: float
    ratio: float
    ratio_low: float
    ratio_high: float


@dataclass(frozen=True)
class Stratum:
    """One structure on some of the slices.

    Parameters
    ----------
    by, value : str
        "all", or "level" or "vendor" and which.
    structure : str
    patients, slices : int
    missed, real_missed : int
        Slices on which the structure was drawn and not found, or found and not drawn.
    scores : dict
        One for each of `SCORES`; distances in mm over the slices on which both show the structure.
    """

    by: str
    value: str
    structure: str
    patients: int
    slices: int
    missed: int
    real_missed: int
    scores: dict[str, Beside]


@dataclass(frozen=True)
class StructureAdherence:
    """Adherence of a sample, over all slices and by level and vendor."""

    strata: Sequence[Stratum]
    segmenter: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def overall(self) -> dict[str, Stratum]:
        """Structure to the figures over all slices."""
        return {one.structure: one for one in self.strata if one.by == "all"}


def structure_adherence(
    synthetic: Sample,
    found: NDArray[np.uint8],
    real: Sample,
    real_found: NDArray[np.uint8],
    *,
    segmenter: str,
    structures: Collection[str] = ("LV", "MYO", "RV"),
) -> StructureAdherence:
    """Score both samples against their masks.

    Parameters
    ----------
    synthetic, real : Sample
    found, real_found : (n, y, x) uint8 arrays
        What the segmenter finds in them, as engine labels.
    segmenter : str
        SHA-256 of its weights.
    structures : collection of str
        That it tells apart.
    """
    made = patient_scores(found, synthetic, structures=structures)
    true = patient_scores(real_found, real, structures=structures)
    strata = []
    for by, value, structure in _strata(made):
        a, b = (_chosen(scores, by, value, structure) for scores in (made, true))
        if not a or not b:
            continue
        strata.append(
            Stratum(
                by=by,
                value=value,
                structure=structure,
                patients=len(a),
                slices=sum(one.slices for one in a),
                missed=sum(one.missed for one in a),
                real_missed=sum(one.missed for one in b),
                scores={name: beside(a, b, name) for name in SCORES},
            )
        )
    return StructureAdherence(strata, segmenter)


def _strata(scores: Sequence[PatientScore]) -> list[tuple[str, str, str]]:
    structures = dict.fromkeys(one.structure for one in scores)
    levels = dict.fromkeys(one.level for one in scores if one.level != "all")
    vendors = sorted({one.vendor for one in scores})
    places = [("all", "all"), *(("level", v) for v in levels), *(("vendor", v) for v in vendors)]
    return [(by, value, structure) for by, value in places for structure in structures]


def _chosen(
    scores: Sequence[PatientScore], by: str, value: str, structure: str
) -> list[PatientScore]:
    return [
        one
        for one in scores
        if one.structure == structure
        and one.level == (value if by == "level" else "all")
        and (by != "vendor" or one.vendor == value)
    ]


def beside(made: Sequence[PatientScore], true: Sequence[PatientScore], name: str) -> Beside:
    """A score of synthetic slices beside that of real ones, over patients."""
    a = {one.patient: getattr(one, name) for one in made if np.isfinite(getattr(one, name))}
    b = {one.patient: getattr(one, name) for one in true if np.isfinite(getattr(one, name))}
    nan = float("nan")
    if not a or not b:
        return Beside(nan, nan, nan, nan, nan, nan, nan)
    low, high = mean_interval(np.array(list(a.values())))
    synthetic, real = float(np.mean(list(a.values()))), float(np.mean(list(b.values())))
    ratio_low, ratio_high = _ratio_interval(a, b)
    ratio = synthetic / real if real else nan
    return Beside(synthetic, low, high, real, ratio, ratio_low, ratio_high)


def _ratio_interval(
    a: dict[str, float], b: dict[str, float], *, draws: int = 2000
) -> tuple[float, float]:
    names = sorted(set(a) | set(b))
    rng = np.random.default_rng(0)
    chosen = drawn(rng, len(names), (draws, len(names)))
    means = [
        _mean_of_known(np.array([one.get(name, np.nan) for name in names])[chosen])
        for one in (a, b)
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = means[0] / means[1]
    return percentile_interval(ratios[np.isfinite(ratios)])


def _mean_of_known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    known = np.isfinite(values)
    counts = known.sum(axis=1)
    sums = np.where(known, values, 0).sum(axis=1)
    means: NDArray[np.float64] = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return means
