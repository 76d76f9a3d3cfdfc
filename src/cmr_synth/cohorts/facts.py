"""What is known of one examination, as a row of the table that `cohort check` shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cmr_synth.anatomy.labels import SCAR, STRUCTURES
from cmr_synth.cohorts.examination import Examination
from cmr_synth.imaging.plane import plane_of


@dataclass(frozen=True, kw_only=True)
class Facts:
    """One examination without its pixels.

    Parameters
    ----------
    size : (slices, rows, columns)
    spacing : (slices, rows, columns) in mm
    labelled : int
        Slices on which anything was drawn.
    structures : tuple of str
        Those drawn.
    plane : str
        As `cmr_synth.imaging.plane.plane_of` names it; "axial" often means that the file has lost
        its direction. "not known" where it has none.
    orientation : str
        How slices came into radiological display.
    grey_values : (float, float, float)
        Least, median and 99.5th percentile.
    files : tuple of str
    """

    patient: str
    phase: str | None
    contrast: str
    vendor: str | None
    pathology: str | None
    size: tuple[int, int, int]
    spacing: tuple[float, float, float]
    labelled: int
    structures: tuple[str, ...]
    plane: str
    orientation: str
    grey_values: tuple[float, float, float]
    files: tuple[str, ...]

    @classmethod
    def of(cls, examination: Examination) -> Facts:
        """Those of an examination."""
        image, there = examination.image, np.bincount(examination.labels.ravel(), minlength=256)
        sparse = image[:, ::2, ::2]  # every fourth pixel tells the range as well
        middle, high = np.percentile(sparse, (50, 99.5))
        slices, rows, columns = image.shape
        orientation, affine = examination.orientation, examination.affine
        return cls(
            patient=examination.patient,
            phase=examination.phase,
            contrast=examination.contrast,
            vendor=examination.vendor,
            pathology=examination.pathology,
            size=(slices, rows, columns),
            spacing=examination.spacing,
            labelled=int(examination.labelled.sum()),
            structures=tuple(s for s, v in {**STRUCTURES, **SCAR}.items() if there[v]),
            plane="not known" if affine is None else plane_of(affine),
            orientation="as stored" if orientation is None else orientation.reason,
            grey_values=(float(image.min()), float(middle), float(high)),
            files=examination.files,
        )
