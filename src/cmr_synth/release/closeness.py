"""Which patients of a release are too close to a real one: the audit of the whole set at once.

Distances of every slice to the archive were kept when it was made. P-values, and the flags at a
false discovery rate, are those of `privacy.audit` with the synthetic patients as groups; they need
no pixels, so that memory does not grow with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.privacy.audit import NO_HELD_OUT, NO_PIXELS, NeighbourAudit
from cmr_synth.privacy.calibration import discoveries
from cmr_synth.release.patients import unstored

if TYPE_CHECKING:
    from cmr_synth.evaluation.sample import Sample
    from cmr_synth.privacy.archive import Archive
    from cmr_synth.privacy.certificate import Certificate

NOT_AUDITED = "not audited: no archive of real patients was given"


@dataclass(frozen=True, eq=False)
class Closeness:
    """What an archive says of all pictures of a release.

    Parameters
    ----------
    numbers : (n,) array
        Patient of each slice.
    statistics : (n, s) array
        In the order of `calibration.STATISTICS`.
    p : (n,) array or None
        None without enough held-out patients.
    flagged, below : (n,) bool array
        Too close; nearer than all but 1 % of held-out slices, each by itself.
    inconclusive : str
        Why there is no verdict, or nothing.
    cautions : tuple of str
    matched : list of str
    """

    numbers: NDArray[np.int64]
    statistics: NDArray[np.float32]
    p: NDArray[np.float64] | None
    flagged: NDArray[np.bool_]
    below: NDArray[np.bool_]
    inconclusive: str
    cautions: tuple[str, ...]
    matched: list[str]

    @property
    def too_close(self) -> list[int]:
        """Patients with a flagged slice, by number."""
        return sorted({int(number) for number in self.numbers[self.flagged]})

    @property
    def verdict(self) -> str:
        """In plain words; silence is never called safe."""
        count = int(self.flagged.sum())
        if count:
            said = f"{count} of {len(self.flagged)} slices are too close to a patient"
        elif self.inconclusive:
            said = f"inconclusive: {self.inconclusive}"
        else:
            said = "no copy found of the kinds that the audit proved to see"
        return "; ".join([said, *self.cautions])

    def of(self, number: int) -> NDArray[np.int64]:
        """Rows of a patient."""
        return np.flatnonzero(self.numbers == number)


def closeness(
    patients: Sequence[Mapping[str, Any]], archive: Archive, certificate: Certificate | None
) -> Closeness:
    """Place all slices of a release among those of held-out patients.

    Parameters
    ----------
    patients : sequence of mapping
        As `state.Work.patients` has them, in any order.
    archive : Archive
    certificate : Certificate or None
        Of the archive; without one the verdict is inconclusive.
    """
    numbers, statistics, vendors, levels = [], [], [], []
    for one in sorted(patients, key=lambda one: one["number"]):
        for picture in one["pictures"]:
            near = picture["near"]["statistics"]
            statistics += near
            numbers += [one["number"]] * len(near)
            vendors += [picture["vendor"]] * len(near)
            levels += picture["levels"]
    near, who = np.asarray(statistics, np.float32), np.asarray(numbers, np.int64)
    calibration = archive.calibration
    nobody = np.zeros(len(who), bool)
    if calibration is None or calibration.too_few:
        why = NO_HELD_OUT if calibration is None else calibration.too_few
        return Closeness(who, near, None, nobody, nobody, why, (), [""] * len(who))
    groups = np.array([str(number) for number in who])
    by, at = np.array(vendors), np.array(levels)
    p = calibration.p_values(near, groups, by, at)
    left_out = calibration.left_out
    cautions = [certificate.unseen() if certificate else "", left_out.above if left_out else ""]
    return Closeness(
        who,
        near,
        p,
        discoveries(p, groups, by),
        calibration.near(near, by, at),
        NO_PIXELS if certificate is None else certificate.reason(),
        tuple(words for words in cautions if words),
        [calibration.matched(str(v), str(a)) for v, a in zip(by, at, strict=True)],
    )


def audit_of(
    found: Closeness, patient: Mapping[str, Any], picture: int, sample: Sample, archive: Archive
) -> NeighbourAudit:
    """The part of the audit of a release that is about one picture, for its passport.

    Parameters
    ----------
    found : Closeness
        Of the whole release: p-values and flags are those of the set.
    patient : mapping
    picture : int
        Which of his pictures.
    sample : Sample
        Its slices.
    archive : Archive
    """
    rows = found.of(patient["number"])
    before = sum(len(one["slices"]) for one in patient["pictures"][:picture])
    rows = rows[before : before + len(patient["pictures"][picture]["slices"])]
    calibration = archive.calibration
    return NeighbourAudit(
        sample,
        None,
        unstored(patient["pictures"][picture]["near"]),
        None if found.p is None else found.p[rows],
        [found.matched[row] for row in rows],
        found.flagged[rows],
        float("nan") if found.p is None else float(found.below[rows].mean()),
        found.inconclusive,
        found.cautions,
        calibration.left_out if calibration is not None and not calibration.too_few else None,
    )
