"""Slices made again from the masks and conditions of a sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from cmr_synth.evaluation.held_out import condition_of, made_for
from cmr_synth.evaluation.sample import Sample
from cmr_synth.generators.interface import Generator


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
    changes = {} if vendor is None else {"vendor": vendor}
    conditions = [condition_of(sample.labels[i], sample.rows[i], **changes) for i in index]
    yield from made_for(generator, conditions, seed=seed, steps=steps)
