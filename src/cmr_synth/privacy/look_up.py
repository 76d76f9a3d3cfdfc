"""Slices of one picture looked up in an archive, as the app shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cmr_synth.privacy.audit import RATE
from cmr_synth.privacy.calibration import ENOUGH, discoveries, share_below, weights_by_patient
from cmr_synth.privacy.neighbours import neighbours

if TYPE_CHECKING:
    from cmr_synth.judges.copy_detector import CopyDetector
    from cmr_synth.privacy.archive import Archive

ALARM = 0.01
"""P-value from which one slice that is looked at by itself is flagged."""


@dataclass(frozen=True)
class NearPatient:
    """One of the nearest patients.

    Parameters
    ----------
    name : str
    distance : float
        Between descriptors of whole slices, 0 to 2.
    percentile : float or None
        Per cent of held-out patients' slices that are as near to anybody in the archive.
    row : int or None
        The slice of the patient that is most alike in pixels, if the archive holds any.
    """

    name: str
    distance: float
    percentile: float | None
    row: int | None


@dataclass(frozen=True)
class LookUp:
    """What an archive says of one slice.

    Parameters
    ----------
    nearest : tuple of NearPatient
        The nearest first.
    p : float or None
        Calibrated over all statistics; none without held-out patients.
    matched : str
        Held-out slices that it was placed among.
    by_part : str
        The patient to whom a part of the slice is nearest.
    held_out : int
        Patients.
    flagged : bool
        Too close to a patient.
    """

    nearest: tuple[NearPatient, ...]
    p: float | None
    matched: str
    by_part: str
    held_out: int
    flagged: bool

    @property
    def verdict(self) -> str:
        """In plain words; silence is never called safe."""
        first = self.nearest[0].name
        if self.p is None:
            return (
                "Inconclusive: the archive has no held-out patients to compare with. The nearest "
                f"patient is {first}."
            )
        share = "fewer than 1 in 1000" if self.p < 0.001 else f"{100 * self.p:.1f} %"
        near = f"{share} of real patients' slices ({self.matched}) are as near to somebody in it"
        if self.flagged:
            return f"Too close to a patient: {near}."
        if self.held_out < ENOUGH:
            return (
                f"Inconclusive: {self.held_out} held-out patients, and {ENOUGH} are needed. {near}."
            )
        return f"No closer than real patients are: {near}."


def look_up(
    pictures: NDArray[np.floating],
    archive: Archive,
    detector: CopyDetector,
    *,
    vendor: str = "",
    levels: Sequence[str] | None = None,
) -> list[LookUp]:
    """Search the whole archive for slices.

    One slice is flagged at p <= `ALARM`; of several, so many that at most `RATE` of the flags is
    false.

    Parameters
    ----------
    pictures : (n, 128, 128) array in [0, 1]
        In canonical orientation, at the spacing of the archive.
    archive : Archive
    detector : CopyDetector
    vendor : str
        That held-out slices are matched by; empty where unknown.
    levels : sequence of str, optional
        Of each slice; empty where unknown.

    Raises
    ------
    InputError
        See `neighbours`.
    """
    found = neighbours(pictures, archive, detector)
    count = len(found)
    calibration = archive.calibration
    p, matched, flagged = None, [""] * count, np.zeros(count, bool)
    percentiles: NDArray[np.float64] | None = None
    if calibration is not None:
        at = np.array(list(levels) if levels is not None else [""] * count)
        p, matched = calibration.p_values(found.statistics, np.array([vendor] * count), at)
        flagged = p <= ALARM if count == 1 else discoveries(p, RATE)
        weights = weights_by_patient(calibration.patients)
        percentiles = 100 * share_below(found.distances, calibration.statistics[:, 0], weights)
    said = []
    for i in range(count):
        nearest = []
        for k, who in enumerate(found.nearest[i]):
            row = archive.most_alike(pictures[i], int(who)) if archive.pixels is not None else None
            nearest.append(
                NearPatient(
                    archive.name(int(who)),
                    float(found.distances[i, k]),
                    None if percentiles is None else float(percentiles[i, k]),
                    row,
                )
            )
        said.append(
            LookUp(
                tuple(nearest),
                None if p is None else float(p[i]),
                matched[i],
                archive.name(int(found.by_window[i])),
                calibration.count if calibration is not None else 0,
                bool(flagged[i]),
            )
        )
    return said
