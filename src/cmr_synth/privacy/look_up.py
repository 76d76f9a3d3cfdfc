"""Slices of one picture looked up in an archive, as the app shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cmr_synth.privacy.calibration import LeftOut, discoveries
from cmr_synth.privacy.neighbours import neighbours
from cmr_synth.privacy.weights import share_below, weights_by_patient

if TYPE_CHECKING:
    from cmr_synth.judges.copy_detector import CopyDetector
    from cmr_synth.privacy.archive import Archive

NO_HELD_OUT = "the archive has no held-out patients to compare with"
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
        Calibrated over all statistics; none without enough held-out patients.
    matched : str
        Held-out slices that it was placed among.
    by_part : str
        The patient to whom a part of the slice is nearest.
    together : int
        Slices that were looked up at once, for which p is corrected.
    too_few : str
        Why there is no p, or nothing.
    left_out : LeftOut or None
        False alarms seen among held-out patients.
    flagged : bool
        Too close to a patient.
    """

    nearest: tuple[NearPatient, ...]
    p: float | None
    matched: str
    by_part: str
    together: int
    too_few: str
    left_out: LeftOut | None
    flagged: bool

    @property
    def verdict(self) -> str:
        """In plain words; silence is never called safe."""
        first = self.nearest[0].name
        if self.p is None:
            return f"Inconclusive: {self.too_few}. The nearest patient is {first}."
        share = "fewer than 1 in 1000" if self.p < 0.001 else f"{100 * self.p:.1f} %"
        near = f"{share} of real patients' slices ({self.matched}) are as near to somebody in it"
        if self.together > 1:
            near = (
                f"{share} of real patients ({self.matched}) come as near to somebody in it with "
                f"one of {self.together} slices"
            )
        said = "Too close to a patient" if self.flagged else "No closer than real patients are"
        return f"{said}: {near}.{self.caution}"

    @property
    def caution(self) -> str:
        """A sentence where more real patients are flagged than is said, or nothing."""
        above = self.left_out.above if self.left_out is not None else ""
        return f" {above[0].upper()}{above[1:]}." if above else ""


def look_up(
    pictures: NDArray[np.floating],
    archive: Archive,
    detector: CopyDetector,
    *,
    vendor: str = "",
    levels: Sequence[str] | None = None,
) -> list[LookUp]:
    """Search the whole archive for slices.

    One slice is flagged at p <= `ALARM`. Several are those of one picture, and p is corrected for
    their number: of pictures without a copy, a share `calibration.RATE` at most has a flag.

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
    too_few = NO_HELD_OUT if calibration is None else calibration.too_few
    p, matched, flagged = None, [""] * count, np.zeros(count, bool)
    percentiles: NDArray[np.float64] | None = None
    left_out: LeftOut | None = None
    if calibration is not None and not too_few:
        at = np.array(list(levels) if levels is not None else [""] * count)
        one, vendors = np.full(count, "picture"), np.full(count, vendor)
        p = calibration.p_values(found.statistics, one, vendors, at)
        matched = [calibration.matched(vendor, str(level)) for level in at]
        flagged = p <= ALARM if count == 1 else discoveries(p, one, vendors)
        weights = weights_by_patient(calibration.patients)
        percentiles = 100 * share_below(found.distances, calibration.statistics[:, 0], weights)
        left_out = calibration.left_out
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
                count,
                too_few,
                left_out,
                bool(flagged[i]),
            )
        )
    return said
