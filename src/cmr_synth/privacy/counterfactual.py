"""Is it the mask or the texture: other pictures of the same mask beside the one that is near.

A mask that a patient has is passed on to every picture made from it, and forces some resemblance to
that patient. Pictures of the same mask with other seeds share the mask and not the texture. If they
are as near to the patient, the mask explains it; if the one picture is nearer than all of them, its
texture does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.generators.interface import Generator, Progress
from cmr_synth.privacy.audit import NeighbourAudit
from cmr_synth.privacy.neighbours import Queries, described
from cmr_synth.privacy.remade import remade
from cmr_synth.privacy.search import closest_by_patient

if TYPE_CHECKING:
    from cmr_synth.judges.copy_detector import CopyDetector
    from cmr_synth.privacy.archive import Archive

COUNT = 9
"""Other pictures of a mask; a picture nearer than all of them stands first of ten."""
MOST = 8
"""Slices that are looked at where none is flagged: the nearest ones."""
MUCH_NEARER = 0.8
"""Share of the smallest other distance below which a picture is nearer by its texture.

Fixed beforehand; `benchmarks/copy_detection.py` measures how often honest pictures and copies are
called so.
"""

ONE_PATIENT = np.zeros(1, np.int64)


@dataclass(frozen=True, eq=False)
class Counterfactual:
    """One slice among other pictures of its mask, by distance to the slice's nearest patient.

    Parameters
    ----------
    patient : str
    distance : float
        Of the slice, between descriptors of whole slices.
    others : (k,) array
        Of the other pictures, to the same patient.
    part_patient : str
        Nearest by a part of the slice.
    part_distance : float
        Smallest between descriptors of windows.
    part_others : (k,) array
    """

    patient: str
    distance: float
    others: NDArray[np.float32]
    part_patient: str
    part_distance: float
    part_others: NDArray[np.float32]

    @property
    def rank(self) -> int:
        """Place of the slice among all pictures of the mask, from 1, the nearest."""
        return 1 + int((self.others <= self.distance).sum())

    @property
    def part_rank(self) -> int:
        """The same by the nearest part."""
        return 1 + int((self.part_others <= self.part_distance).sum())

    @property
    def leak(self) -> str:
        """What explains the likeness: "texture", "texture of a part" or "mask"."""
        if self.distance < MUCH_NEARER * self.others.min():
            return "texture"
        if self.part_distance < MUCH_NEARER * self.part_others.min():
            return "texture of a part"
        return "mask"

    @property
    def words(self) -> str:
        """For a table."""
        count = len(self.others) + 1
        if self.leak == "texture":
            return f"texture: {self.rank} of {count} pictures of its mask, and much nearer"
        if self.leak == "texture of a part":
            return f"texture of a part: {self.part_rank} of {count}, and much nearer"
        return f"mask: others are as near ({self.rank} of {count})"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "leak": self.leak,
            "patient": self.patient,
            "distance": round(self.distance, 4),
            "others": [round(float(v), 4) for v in self.others],
            "rank": self.rank,
            "part_patient": self.part_patient,
            "part_distance": round(self.part_distance, 4),
            "part_others": [round(float(v), 4) for v in self.part_others],
            "part_rank": self.part_rank,
        }


def explain(
    audit: NeighbourAudit,
    archive: Archive,
    detector: CopyDetector,
    generator: Generator,
    *,
    count: int = COUNT,
    most: int = MOST,
    seed: int = 2026,
    steps: int | None = None,
) -> Iterator[Progress | NeighbourAudit]:
    """Make other pictures of the masks of the slices flagged, or of the nearest ones.

    Parameters
    ----------
    audit : NeighbourAudit
        Of slices that the generator made with `seed`.
    archive : Archive
    detector : CopyDetector
    generator : Generator
        That follows masks.
    count : int
        Pictures of each mask.
    most : int
        Slices looked at, the most suspicious first.
    seed : int
        That the slices were made with; others are taken.
    steps : int, optional
        That they were made with.

    Yields
    ------
    Progress or NeighbourAudit
        The audit with its `counterfactuals`.
    """
    if count < 1:
        raise ValueError(f"{count} pictures of a mask tell nothing")
    chosen = [int(i) for i in audit.order[:most]]
    index = [i for i in chosen for _ in range(count)]
    pictures: list[NDArray[np.float32]] = []
    done = 0
    for batch in remade(generator, audit.sample, index, seed=seed + 1, steps=steps):
        pictures.append(batch)
        done += len(batch)
        yield Progress(done, len(index))
    made = described(np.concatenate(pictures), detector, archive.basis)
    seen = described(audit.sample.pixels[chosen], detector, archive.basis)
    found = {}
    for place, i in enumerate(chosen):
        own = seen.take(slice(place, place + 1))
        others = made.take(slice(place * count, (place + 1) * count))
        who, part = int(audit.found.nearest[i, 0]), int(audit.found.by_window[i])
        found[i] = Counterfactual(
            archive.name(who),
            float(_whole(own, archive, who)[0]),
            _whole(others, archive, who),
            archive.name(part),
            float(_part(own, archive, part)[0]),
            _part(others, archive, part),
        )
    yield replace(audit, counterfactuals=found)


def _whole(queries: Queries, archive: Archive, patient: int) -> NDArray[np.float32]:
    """Distances (n,) of whole slices to the nearest slice of one patient."""
    reflections = queries.whole.reshape(-1, queries.whole.shape[-1])
    bank = archive.whole[archive.slices_of(patient)]
    apart = closest_by_patient(reflections, bank, ONE_PATIENT)
    return np.asarray(apart.reshape(len(queries), -1).min(axis=1))


def _part(queries: Queries, archive: Archive, patient: int) -> NDArray[np.float32]:
    """Distances (n,) of the window that is nearest to the same window of one patient."""
    bank = archive.windows[archive.slices_of(patient)]
    apart = closest_by_patient(queries.windows, bank, ONE_PATIENT)
    return np.asarray(apart.reshape(len(queries), -1).min(axis=1))
