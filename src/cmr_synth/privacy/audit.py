"""The audit of a set of synthetic slices against an archive: neighbours, p-values, verdict."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.evaluation.sample import Sample
from cmr_synth.privacy.calibration import STATISTICS, LeftOut, discoveries
from cmr_synth.privacy.certificate import Certificate
from cmr_synth.privacy.counterfactual import Counterfactual
from cmr_synth.privacy.neighbours import Neighbours, neighbours

if TYPE_CHECKING:
    from cmr_synth.judges.copy_detector import CopyDetector
    from cmr_synth.privacy.archive import Archive

NO_HELD_OUT = "the archive was built without held-out patients"
NO_PIXELS = "the archive holds no pixels, so no copies could be planted"


@dataclass(frozen=True, eq=False)
class NeighbourAudit:
    """What was found for one set of slices.

    Parameters
    ----------
    sample : Sample
    sha256 : str or None
        Of the model.
    found : Neighbours
    p : (n,) array or None
        Calibrated, and corrected for the slices of a mask; none without enough held-out patients.
    matched : list of str
        Held-out slices that each was matched with.
    flagged : (n,) bool array
        At a false discovery rate of `calibration.RATE` over masks.
    near : float
        Share of slices below the 1 % point of held-out patients; NaN without enough of them.
    inconclusive : str
        Why there is no verdict, or nothing.
    cautions : tuple of str
        What the verdict must be read with.
    left_out : LeftOut or None
        False alarms seen among held-out patients.
    counterfactuals : dict of int to Counterfactual
        Of slices by number: other pictures of the same mask; see `explain`.
    """

    sample: Sample
    sha256: str | None
    found: Neighbours
    p: NDArray[np.float64] | None
    matched: list[str]
    flagged: NDArray[np.bool_]
    near: float
    inconclusive: str
    cautions: tuple[str, ...] = ()
    left_out: LeftOut | None = None
    counterfactuals: dict[int, Counterfactual] = field(default_factory=dict)

    @property
    def order(self) -> NDArray[np.int64]:
        """Slices (n,) by number, the most suspicious first."""
        key = self.p if self.p is not None else self.found.statistics[:, 0]
        return np.lexsort((self.found.statistics[:, 1], key))

    @property
    def verdict(self) -> str:
        """In plain words; silence is never called safe."""
        return "; ".join([self._found, *self.cautions])

    @property
    def _found(self) -> str:
        count = int(self.flagged.sum())
        if count:
            rest = f"; of the others, inconclusive: {self.inconclusive}"
            return f"{count} of {len(self.sample)} slices are too close to a patient" + (
                rest if self.inconclusive and count < len(self.sample) else ""
            )
        if self.inconclusive:
            return f"inconclusive: {self.inconclusive}"
        return "no copy found of the kinds that the audit proved to see"

    def leaks(self) -> dict[str, int] | None:
        """How many of the slices looked at resemble by mask, and how many by texture."""
        if not self.counterfactuals:
            return None
        found = [one.leak for one in self.counterfactuals.values()]
        return {word: found.count(word) for word in ("mask", "texture", "texture of a part")}

    def as_dict(self, archive: Archive) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.sample.name,
            "sha256": self.sha256,
            "verdict": self.verdict,
            "inconclusive_because": self.inconclusive or None,
            "slices": len(self.sample),
            "flagged": int(self.flagged.sum()),
            "share_below_1_percent_point": None if np.isnan(self.near) else round(self.near, 4),
            "held_out_patients_left_out": self.left_out and self.left_out.as_dict(),
            "leaks": self.leaks(),
            "each": [
                {
                    "slice": i,
                    "mask_of": str(self.sample.patients[i]),
                    "nearest": [archive.name(int(k)) for k in self.found.nearest[i]],
                    "distances": [round(float(v), 4) for v in self.found.distances[i]],
                    "nearest_by_part": archive.name(int(self.found.by_window[i])),
                    "p": None if self.p is None else round(float(self.p[i]), 5),
                    "matched": self.matched[i],
                    "flagged": bool(self.flagged[i]),
                    "counterfactual": self.counterfactuals[i].as_dict()
                    if i in self.counterfactuals
                    else None,
                }
                | {
                    name: round(float(v), 4)
                    for name, v in zip(STATISTICS, self.found.statistics[i], strict=True)
                }
                for i in range(len(self.sample))
            ],
        }


def audit_neighbours(
    sample: Sample,
    archive: Archive,
    detector: CopyDetector,
    certificate: Certificate | None,
    *,
    sha256: str | None = None,
) -> NeighbourAudit:
    """Search the archive for every slice and place the distances among held-out patients'.

    Parameters
    ----------
    sample : Sample
    archive : Archive
    detector : CopyDetector
    certificate : Certificate or None
        Of this archive; without one the verdict is inconclusive.
    """
    found = neighbours(sample.pixels, archive, detector)
    calibration = archive.calibration
    if calibration is None or calibration.too_few:
        why = NO_HELD_OUT if calibration is None else calibration.too_few
        nobody, words = np.zeros(len(sample), bool), [""] * len(sample)
        return NeighbourAudit(sample, sha256, found, None, words, nobody, float("nan"), why)
    groups, vendors, levels = sample.persons, sample.vendors, sample.levels
    p = calibration.p_values(found.statistics, groups, vendors, levels)
    left_out = calibration.left_out
    cautions = [certificate.unseen() if certificate else "", left_out.above if left_out else ""]
    return NeighbourAudit(
        sample,
        sha256,
        found,
        p,
        [calibration.matched(str(v), str(a)) for v, a in zip(vendors, levels, strict=True)],
        discoveries(p, groups, vendors),
        float(calibration.near(found.statistics, vendors, levels).mean()),
        NO_PIXELS if certificate is None else certificate.reason(),
        tuple(words for words in cautions if words),
        left_out,
    )
