"""Errors of a model on slices, at every level of noise: what all attacks are made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmr_synth.evaluation.counterparts import conditions_for
from cmr_synth.evaluation.sample import Sample
from cmr_synth.generators.interface import Generator, Progress
from cmr_synth.privacy.membership.errors import errors
from cmr_synth.privacy.membership.probes import probe_of

LOSS = "loss"
LEAST = 1e-12


@dataclass(frozen=True, eq=False)
class Errors:
    """Errors of one model; the greater, the farther.

    Parameters
    ----------
    by_kind : dict of kind to (levels * draws, n) array
        "loss", and those of `errors.errors`.
    """

    by_kind: dict[str, NDArray[np.float64]]

    def logarithm(self, *kinds: str) -> NDArray[np.float64]:
        """Mean logarithm over levels, draws and kinds, (n,): a factor weighs the same in each."""
        logs = [np.log(np.maximum(self.by_kind[kind], LEAST)).mean(axis=0) for kind in kinds]
        return np.asarray(np.mean(logs, axis=0))

    def standard(self, *kinds: str) -> NDArray[np.float64]:
        """Sum over levels, draws and kinds, each brought to mean 0 and deviation 1, (n,)."""
        rows = np.concatenate([self.by_kind[kind] for kind in kinds])
        spread = np.maximum(rows.std(axis=1, keepdims=True), LEAST)
        return np.asarray(((rows - rows.mean(axis=1, keepdims=True)) / spread).sum(axis=0))


def measured(
    generator: Generator, sample: Sample, *, draws: int = 1, seed: int, batch: int = 8
) -> Iterator[Progress | Errors]:
    """Yield progress in slices and levels, then the errors.

    The noise on a slice is drawn from `seed` and its number in the sample: two models of one grid
    are asked about the same noisy picture.
    """
    probe = probe_of(generator)
    asked = conditions_for(generator, sample)
    total = len(probe.levels) * draws * len(sample)
    done = 0
    rows: dict[str, list[NDArray[np.float64]]] = {}
    for level in probe.levels:
        for draw in range(draws):
            parts: dict[str, list[NDArray[np.float64]]] = {}
            for first in range(0, len(sample), batch):
                pictures = sample.pixels[first : first + batch]
                numbers = range(first, first + len(pictures))
                made, loss = probe(
                    pictures, asked[first : first + batch], numbers, level=level, seed=seed + draw
                )
                for kind, values in {**errors(pictures, made), LOSS: loss}.items():
                    parts.setdefault(kind, []).append(values)
                done += len(pictures)
                yield Progress(done, total)
            for kind, found in parts.items():
                rows.setdefault(kind, []).append(np.concatenate(found))
    yield Errors({kind: np.stack(found) for kind, found in rows.items()})
