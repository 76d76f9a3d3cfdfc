"""Slices made again from the masks and conditions of a sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from cmr_synth.evaluation.sample import Sample
from cmr_synth.generators.interface import Condition, Generator, Images

BATCH = 8


def remade(
    generator: Generator,
    sample: Sample,
    index: Sequence[int] | NDArray[np.int64],
    *,
    seed: int,
    steps: int | None,
    vendor: str | None = None,
) -> Iterator[NDArray[np.float32]]:
    """Make slices, batch by batch.

    Parameters
    ----------
    generator : Generator
        That follows masks.
    sample : Sample
        With the masks and conditions.
    index : sequence of int
        Slices of the sample; one that is named twice is made twice, with other noise.
    seed : int
    steps : int, optional
    vendor : str, optional
        Style in place of the slices' own.

    Yields
    ------
    (n, y, x) float32 array in [0, 1]
    """
    for first in range(0, len(index), BATCH):
        rows = [int(i) for i in index[first : first + BATCH]]
        conditions = [
            Condition(
                mask=sample.labels[i],
                z=sample.rows[i].z,
                vendor=vendor or sample.rows[i].vendor or None,
                phase=sample.rows[i].phase or None,
                pathology=sample.rows[i].pathology or None,
            )
            for i in rows
        ]
        numbers = range(first, first + len(rows))
        for event in generator.sample(conditions, seed=seed, indices=numbers, steps=steps):
            if isinstance(event, Images):
                yield event.pixels
