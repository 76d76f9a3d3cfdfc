"""What the audit would have caught: copies of archive slices, planted and looked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cmr_synth.evaluation.readers.statistics import wilson_interval
from cmr_synth.generators.interface import Progress
from cmr_synth.imaging.copies import PLANTED, planted
from cmr_synth.privacy.calibration import POINT, RATE, STATISTICS, Calibration
from cmr_synth.privacy.neighbours import neighbours
from cmr_synth.privacy.peers import ENOUGH

if TYPE_CHECKING:
    from cmr_synth.judges.copy_detector import CopyDetector
    from cmr_synth.privacy.archive import Archive

POWER = 0.9
"""Share of the copies of a kind that must be found for the audit to count as able to see it."""
COUNTED = ("exact", "shifted", "rotated", "blurred", "noisy", "warped", "blended", "patch")
"""Kinds on which the verdict rests."""
MASKS, EACH = 20, 20
"""Masks, and slices of each, of the set in which a copy is looked for that is the only one."""
ALONE = "alone"
"""Found as the only copy of such a set, by the flags of an audit."""
EMBEDDINGS = "embeddings"
DETECTORS: dict[str, tuple[int, ...]] = {
    **{name: (k,) for k, name in enumerate(STATISTICS)},
    EMBEDDINGS: tuple(k for k, name in enumerate(STATISTICS) if name != "pixels"),
    "any": tuple(range(len(STATISTICS))),
}
"""Each statistic by itself, those of the copy detector together, and all together."""


@dataclass(frozen=True)
class Certificate:
    """Shares of planted copies that were found.

    Parameters
    ----------
    alarms : float
        Share of held-out slices, patients weighing the same, that each detector calls copies.
    found : dict
        Kind of copy to detector ("any" is all of them combined), and to `ALONE`, to (found,
        planted); `ALONE` only with enough held-out patients for p-values.
    held_out : int
        Patients that the thresholds rest on.
    """

    alarms: float
    found: dict[str, dict[str, tuple[int, int]]]
    held_out: int

    def share(self, kind: str, detector: str = "any") -> tuple[float, float, float]:
        """Share of the copies of a kind that a detector found, with its 95 % interval."""
        hits, of = self.found[kind][detector]
        return hits / of, *wilson_interval(hits, of)

    def reason(self) -> str:
        """Why no verdict can be given, or nothing."""
        if self.held_out < ENOUGH:
            return f"{self.held_out} held-out patients, and {ENOUGH} are needed"
        weak = [
            kind
            for kind in COUNTED
            if kind not in self.found
            or wilson_interval(*self.found[kind]["any"])[1] < POWER
            or self.found[kind]["any"][1] < ENOUGH
        ]
        return f"too few planted copies were found: {', '.join(weak)}" if weak else ""

    def unseen(self) -> str:
        """Kinds of which a single copy in a set would too often not be flagged, or nothing."""
        weak = [
            kind
            for kind in COUNTED
            if ALONE in self.found.get(kind, {})
            and wilson_interval(*self.found[kind][ALONE])[1] < POWER
        ]
        if not weak:
            return ""
        return (
            f"a single copy among {MASKS * EACH} slices may go unseen if it is {' or '.join(weak)}"
        )

    def as_dict(self) -> dict[str, Any]:
        """For JSON: shares with their 95 % interval."""
        return {
            "false_alarms": self.alarms,
            "held_out_patients": self.held_out,
            "inconclusive_because": self.reason() or None,
            "a_single_copy_may_go_unseen": self.unseen() or None,
            "alone_is_among": {"masks": MASKS, "slices_of_each": EACH},
            "found": {
                kind: {
                    name: {
                        "found": found,
                        "planted": of,
                        "interval": [round(v, 4) for v in wilson_interval(found, of)],
                    }
                    for name, (found, of) in row.items()
                }
                for kind, row in self.found.items()
            },
        }


def certify(
    archive: Archive,
    calibration: Calibration,
    detector: CopyDetector,
    *,
    alarms: float = POINT,
    copies: int = 100,
    seed: int = 0,
) -> Iterator[Progress | Certificate]:
    """Plant copies of each kind and look for them.

    Parameters
    ----------
    archive : Archive
        With pixels.
    calibration : Calibration
        Of held-out patients to this archive; it sets the thresholds.
    alarms : float
        False alarm rate at which copies are counted.
    copies : int
        Of each kind, drawn patient first, so that none counts for more.

    Yields
    ------
    Progress or Certificate
    """
    pixels = archive.pixels
    if pixels is None:
        raise ValueError("an archive without pixels has nothing to plant")
    rng = np.random.default_rng(seed)
    people = len(archive.starts)
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for step, kind in enumerate(PLANTED, start=1):
        made, rows = [], []
        for _ in range(copies):
            own = archive.slices_of(int(rng.integers(people)))
            i = int(rng.integers(own.start, own.stop))
            beside = archive.beside(i)
            if kind == "neighbouring slice" and beside is None:
                continue
            # of another patient, if there is one
            j = int(rng.integers(len(archive)))
            while people > 1 and own.start <= j < own.stop:
                j = int(rng.integers(len(archive)))
            image, other = (pixels[n].astype(np.float32) / 255 for n in (i, j))
            after = None if beside is None else pixels[beside].astype(np.float32) / 255
            made.append(planted(kind, image, other, after, rng))
            rows.append(archive.rows[i])
        if made:
            near = neighbours(np.stack(made), archive, detector).statistics
            vendors = np.array([row["vendor"] for row in rows])
            levels = np.array([row["level"] for row in rows])
            hits = {
                name: calibration.near(near, vendors, levels, share=alarms, of=of)
                for name, of in DETECTORS.items()
            }
            if not calibration.too_few:
                hits[ALONE] = calibration.p_alone(near, vendors, levels, EACH) <= RATE / MASKS
            found[kind] = {name: (int(hit.sum()), len(made)) for name, hit in hits.items()}
        yield Progress(step, len(PLANTED))
    yield Certificate(alarms, found, calibration.count)
