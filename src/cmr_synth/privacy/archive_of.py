"""The archive of a slice set: one split is archived, the other patients calibrate it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cmr_synth.cohorts.slices import SliceSet
from cmr_synth.evaluation.events import Told, titled
from cmr_synth.evaluation.sample import joined, real_sample, splits_besides
from cmr_synth.judges.copy_detector import CopyDetector
from cmr_synth.privacy.archive import Archive
from cmr_synth.privacy.archive_writer import build
from cmr_synth.processes import ALONE, Processes


def archive_of(
    slices: SliceSet,
    out: Path,
    *,
    split: str = "train",
    held_out: Sequence[str] | None = None,
    cohorts: Sequence[str] | None = None,
    pixels: bool = True,
    key: bytes | None = None,
    group: Processes = ALONE,
) -> Iterator[Told | Archive | Any]:
    """Build the archive of a split.

    Parameters
    ----------
    slices : SliceSet
    out : Path
        Folder of the archive.
    split : str
        Patients to archive: those that generators were trained on.
    held_out : sequence of str, optional
        Splits whose distances calibrate p-values; by default all others.
    cohorts : sequence of str, optional
        By default all.
    pixels, key, group
        As in `archive_writer.build`.

    Yields
    ------
    Event, Remark or Archive

    Raises
    ------
    InputError
        As `archive_writer.build`.
    """
    real = real_sample(slices, split, cohorts)
    others = held_out or splits_besides(slices, split)
    parts = [real_sample(slices, name, cohorts) for name in others]
    events = build(
        real,
        out,
        CopyDetector.load(device=group.device or "cpu"),
        held_out=joined(parts, name="the held-out patients") if parts else None,
        pixels=pixels,
        key=key,
        group=group,
    )
    yield from titled("build", events)
