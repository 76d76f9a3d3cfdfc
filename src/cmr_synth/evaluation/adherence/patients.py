"""How well a segmenter finds drawn hearts, patient by patient, where not everything was drawn.

A structure counts on the slices on which it was drawn, or on which everything was: there, a pixel
of unknown label is known not to be of that structure. Elsewhere nothing is known, and nothing is
counted. Missed structures count as missed.

Where scar is told from the wall, the wall is counted with it, infarct with the no-reflow in it (as
in the EMIDEC challenge, Lalande et al. 2022, doi:10.1016/j.media.2022.102428), and scar is known
wherever the wall was drawn.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import INFARCT, LV, NO_REFLOW, RV, SCAR, UNLABELLED, WALL
from cmr_synth.evaluation.adherence.surfaces import surface_distances
from cmr_synth.evaluation.sample import Sample
from cmr_synth.imaging.positions import LEVELS

TOLERANCE_MM = 2.0
PARTS = {
    "LV": (LV,),
    "MYO": WALL,
    "RV": (RV,),
    "infarct": (INFARCT, NO_REFLOW),
    "no-reflow": (NO_REFLOW,),
}
"""Engine labels that make up a structure."""
DISTANCES = ("hd", "hd95", "hd95_directed", "asd", "surface_dice")


@dataclass(frozen=True)
class PatientScore:
    """One structure of one patient.

    Parameters
    ----------
    patient, cohort, vendor, pathology : str
    structure : str
    level : str
        One of `LEVELS`, or "all".
    dice : float
        Pooled over the slices; in [0, 1].
    hd95 : float
        Mean over the slices on which both show the structure, in mm, both directions pooled; NaN if
        there is none.
    missed : int
        Slices on which only one of the two shows it.
    slices : int
    hd, hd95_directed, asd : float
        As `hd95`: largest distance, larger of the two directed percentiles, mean distance, in mm.
    surface_dice : float
        Mean over the slices on which either shows the structure, 0 where it is missed; within
        `TOLERANCE_MM`.
    """

    patient: str
    cohort: str
    vendor: str
    pathology: str
    structure: str
    level: str
    dice: float
    hd95: float
    missed: int
    slices: int
    hd: float = float("nan")
    hd95_directed: float = float("nan")
    asd: float = float("nan")
    surface_dice: float = float("nan")


def patient_scores(
    found: NDArray[np.uint8],
    sample: Sample,
    *,
    structures: Collection[str] = ("LV", "MYO", "RV"),
    distances: bool = True,
) -> list[PatientScore]:
    """Scores of every structure of every patient, over all slices and by level.

    Parameters
    ----------
    found : (n, y, x) uint8 array
        Engine labels.
    sample : Sample
        With the drawn labels.
    structures : collection of str
        Keys of `PARTS`: those that the segmenter tells apart.
    distances : bool
        Whether surfaces are measured, which takes nearly all of the time; else theirs are NaN.

    Raises
    ------
    ValueError
        If the sizes differ.
    """
    if found.shape != sample.labels.shape:
        raise ValueError(f"found {found.shape}, drawn {sample.labels.shape}")
    scores: list[PatientScore] = []
    spacing = (sample.spacing, sample.spacing)
    partly = (sample.labels == UNLABELLED).any(axis=(1, 2))
    for structure in structures:
        drawn, seen = (np.isin(labels, PARTS[structure]) for labels in (sample.labels, found))
        told_by = PARTS["MYO"] if structure in SCAR else PARTS[structure]
        known = np.isin(sample.labels, told_by).any(axis=(1, 2)) | ~partly
        far = {name: np.full(len(sample), np.nan) for name in DISTANCES}
        missed = drawn.any(axis=(1, 2)) != seen.any(axis=(1, 2))
        for i in np.flatnonzero(known & distances):
            apart = surface_distances(seen[i], drawn[i], spacing, tolerance_mm=TOLERANCE_MM)
            for name in DISTANCES:
                far[name][i] = getattr(apart, name)
        overlap = (drawn & seen).sum(axis=(1, 2))
        total = drawn.sum(axis=(1, 2)) + seen.sum(axis=(1, 2))
        for patient in np.unique(sample.patients):
            own = known & (sample.patients == patient)
            for level in ("all", *LEVELS):
                rows = own if level == "all" else own & (sample.levels == level)
                if not total[rows].sum():
                    continue
                row = sample.rows[int(np.flatnonzero(rows)[0])]
                scores.append(
                    PatientScore(
                        patient=str(patient),
                        cohort=row.cohort,
                        vendor=row.vendor,
                        pathology=row.pathology,
                        structure=structure,
                        level=level,
                        dice=float(2 * overlap[rows].sum() / total[rows].sum()),
                        missed=int(missed[rows].sum()),
                        slices=int(rows.sum()),
                        **{name: _mean(far[name][rows]) for name in DISTANCES},
                    )
                )
    return scores


def _mean(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
