"""Synthetic counterparts of real slices: made from their masks, under their conditions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.cohorts.slices import SliceRow
from cmr_synth.evaluation.sample import Sample
from cmr_synth.generators.interface import Condition, Generator, Images, Progress


def condition_of(
    generator: Generator, labels: NDArray[np.uint8], row: SliceRow, **changes: str | None
) -> Condition:
    """What shows the mask of a real slice under those conditions of it that a model takes.

    `changes` replaces conditions, such as ``vendor="ge"``.
    """
    of_slice = Condition(
        mask=labels,
        vendor=row.vendor or None,
        phase=row.phase or None,
        pathology=row.pathology or None,
        cohort=_known_cohort(generator, row),
        contrast=_known_contrast(generator, row),
        z=row.z,
    )
    asked: dict[str, Any] = changes
    return replace(of_slice.known_to(generator.takes), **asked)


def _known_cohort(generator: Generator, row: SliceRow) -> str | None:
    """The cohort of a slice, if the model has a word for it; most cohorts have none."""
    known = generator.config.cohorts if "cohort" in generator.takes else ()
    return row.cohort if row.cohort in known else None


def _known_contrast(generator: Generator, row: SliceRow) -> str | None:
    """The contrast of a slice, if the model makes several; most make one alone."""
    several = "contrast" in generator.takes and generator.config.contrasts
    return row.contrast if several else None


def conditions_for(generator: Generator, sample: Sample) -> list[Condition]:
    """What a model is asked for, for the slices of a sample; nothing if it follows no masks."""
    if "mask" not in generator.takes:
        return [Condition()] * len(sample)
    return [
        condition_of(generator, labels, row)
        for labels, row in zip(sample.labels, sample.rows, strict=True)
    ]


def made_for(
    generator: Generator,
    conditions: Sequence[Condition],
    *,
    seed: int,
    steps: int | None = None,
    first: int = 0,
    batch: int = 8,
) -> Iterator[NDArray[np.float32]]:
    """Yield pictures for conditions, batch by batch; each has noise of its own.

    Parameters
    ----------
    first : int
        Number of the first picture; the others count on from there. No two numbers share their
        noise, and a picture depends on its condition, `seed` and number alone.
    """
    for start in range(0, len(conditions), batch):
        asked = conditions[start : start + batch]
        numbers = range(first + start, first + start + len(asked))
        for event in generator.sample(asked, seed=seed, indices=numbers, steps=steps):
            if isinstance(event, Images):
                yield event.pixels


def counterparts(
    generator: Generator,
    sample: Sample,
    index: Sequence[int] | NDArray[np.int64] | None = None,
    *,
    seed: int,
    steps: int | None = None,
    batch: int = 8,
    **changes: str | None,
) -> Iterator[NDArray[np.float32]]:
    """Yield pictures for the masks and conditions of a sample's slices, batch by batch.

    Parameters
    ----------
    generator : Generator
        That follows masks.
    sample : Sample
        With the masks and conditions.
    index : sequence of int, optional
        Slices of the sample; one that is named twice is made twice, with other noise. By default
        all, in order.
    changes
        Conditions in place of the slices' own, such as ``vendor="ge"``.

    Yields
    ------
    (n, y, x) float32 array in [0, 1]
    """
    chosen = range(len(sample)) if index is None else index
    conditions = [
        condition_of(generator, sample.labels[i], sample.rows[i], **changes) for i in chosen
    ]
    yield from made_for(generator, conditions, seed=seed, steps=steps, batch=batch)


def counterpart_sample(
    generator: Generator,
    sample: Sample,
    *,
    name: str,
    seed: int,
    steps: int | None = None,
    again: int = 0,
) -> Iterator[Progress | Sample]:
    """Counterparts of a sample, or as many pictures of a family that follows no mask.

    Parameters
    ----------
    again : int
        How many such samples were made before, whose noise is other.

    Yields
    ------
    Progress or Sample
        Progress in slices, then the synthetic slices, with the masks and rows of `sample`.
    """
    made: list[NDArray[np.float32]] = []
    done = 0
    conditions = conditions_for(generator, sample)
    first = again * len(sample)
    for pictures in made_for(generator, conditions, seed=seed, steps=steps, first=first):
        made.append(pictures)
        done += len(pictures)
        yield Progress(done, len(sample))
    yield Sample(name, np.concatenate(made), sample.labels, sample.rows, sample.spacing)
