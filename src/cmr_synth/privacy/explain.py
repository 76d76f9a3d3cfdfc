"""Making counterfactuals: other pictures of the masks of slices that are near to a patient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cmr_synth.evaluation.counterparts import counterparts
from cmr_synth.generators.interface import Generator, Progress
from cmr_synth.privacy.audit import NeighbourAudit
from cmr_synth.privacy.counterfactual import Counterfactual
from cmr_synth.privacy.queries import Queries, described
from cmr_synth.privacy.search import closest_by_patient

if TYPE_CHECKING:
    from cmr_synth.judges.copy_detector import CopyDetector
    from cmr_synth.privacy.archive import Archive

COUNT = 9
"""Other pictures of a mask; a picture nearer than all of them stands first of ten."""
MOST = 8
"""Slices that are looked at where none is flagged: the nearest ones."""
ONE_PATIENT = np.zeros(1, np.int64)


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
    for batch in counterparts(generator, audit.sample, index, seed=seed + 1, steps=steps):
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
