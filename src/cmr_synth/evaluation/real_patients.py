"""Real patients on disk, brought to slices for one piece of work and gone afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cmr_synth.cohorts.examination import LeftOut
from cmr_synth.cohorts.prepare import prepare
from cmr_synth.cohorts.reading import told
from cmr_synth.cohorts.slices import SliceSet, open_slice_set
from cmr_synth.errors import InputError
from cmr_synth.evaluation.events import Event, Remark, Told


@dataclass(frozen=True, kw_only=True)
class RealPatients:
    """Whose slices are meant.

    Parameters
    ----------
    folder : Path
    cohort : str, optional
        The adapter that reads the folder; None for a slice set of `cohort prepare`.
    """

    folder: Path
    cohort: str | None = None


def with_slices(
    patients: RealPatients, beside: Path, work: Callable[[SliceSet], Iterator[Any]]
) -> Iterator[Told | Any]:
    """Prepare the slices of a cohort, do some work with them, and take them away.

    Parameters
    ----------
    patients : RealPatients
        Slices of a slice set are taken as they are.
    beside : Path
        What the work will write; slices are prepared in a hidden folder beside it.
    work : callable
        Takes the slices; returns the iterator of events and results.

    Yields
    ------
    Event, Remark, or what the work yields

    Raises
    ------
    InputError
        If the patients cannot be read, or the folder cannot be written.
    """
    if patients.cohort is None:
        yield from work(open_slice_set(patients.folder))
        return
    if not patients.folder.is_dir():
        raise InputError(f"{patients.folder}: no such folder; choose the folder of the patients.")
    from cmr_synth.judges.completion import completed

    try:
        beside.parent.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(dir=beside.parent, prefix=".partial-")
    except OSError as error:
        raise InputError(
            f"{beside.parent}: cannot be written ({error.strerror}); choose another folder."
        ) from error
    with scratch as folder:
        out = Path(folder) / "slices"
        sources = [(patients.cohort, patients.folder)]
        yield Event("prepare")
        for line in prepare(sources, out, complete=completed):
            yield Event("prepare", None, line)
        slices = open_slice_set(out)
        for facts in slices.about["cohorts"].values():
            for line in told(LeftOut(**one) for one in facts["left_out"]):
                yield Remark(line)
        yield from work(slices)
