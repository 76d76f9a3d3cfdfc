"""The synthetic slices of a study, each kind made once and kept on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cmr_synth.cohorts.slices import SliceSet
from cmr_synth.evaluation.utility.arms import synthetic_copy
from cmr_synth.evaluation.utility.hearts import NewSlices, new_slices, with_pictures
from cmr_synth.files import write_file
from cmr_synth.generators.interface import Progress

if TYPE_CHECKING:
    from cmr_synth.generators.zoo import Model

HEARTS_FROM = 10_000_000
"""Number of the first picture of a new heart: copies of training masks count from 0."""

Key = Callable[..., str]
"""What a kept file depends on besides data and protocol, in letters for its name."""


class Pictures:
    """What one model makes for a study.

    Parameters
    ----------
    folder : Path
        In which pictures are kept.
    model : Model
    slices : SliceSet
    index : (n,) int array
        Its training slices.
    seed : int
        Of the pictures.
    """

    def __init__(
        self,
        folder: Path,
        model: Model,
        slices: SliceSet,
        index: NDArray[np.int64],
        seed: int,
    ):
        self.folder, self.model = folder, model
        self.slices, self.index, self.seed = slices, index, seed

    def copy(self, number: int, key: Key) -> Iterator[float | NDArray[np.uint8]]:
        """A picture for each training mask: shares that are done, then (n, 128, 128) uint8."""
        path = self.folder / f"copy-{number}-{key(identity_of(self.model))}.npy"
        kept = _kept(path, len(self.index))
        if kept is not None:
            yield kept
            return
        yield from _made(
            synthetic_copy(
                self.model.generator,
                self.slices,
                self.index,
                copy=number,
                vendors=self.model.card.conditions.vendors,
                seed=self.seed,
                steps=self.model.card.default_steps,
            ),
            path,
        )

    def hearts(self, number: int, key: Key) -> Iterator[float | NewSlices]:
        """As many of new hearts, in the vendors of copy `number`; their masks are quick to draw."""
        from cmr_synth.anatomy.shapes import ShapeModel

        shapes = ShapeModel.load()
        drawn = new_slices([self.slices.rows[i] for i in self.index], shapes, seed=self.seed)
        name = key(identity_of(self.model), shapes.card.sha256, "new hearts")
        path = self.folder / f"hearts-{number}-{name}.npy"
        kept = _kept(path, len(self.index))
        if kept is not None:
            yield replace(drawn, images=kept)
            return
        made = with_pictures(
            self.model.generator,
            drawn,
            vendors=self.model.card.conditions.vendors,
            seed=self.seed,
            first=HEARTS_FROM + number * len(self.index),
            copy=number,
            steps=self.model.card.default_steps,
        )
        for event in _made(made, path):
            yield event if isinstance(event, float) else replace(drawn, images=event)


def identity_of(model: Model) -> str:
    """What its slices depend on: weights, configuration and steps."""
    card = model.card
    return f"{card.sha256} {card.config_sha256} {card.default_steps}"


def _kept(path: Path, count: int) -> NDArray[np.uint8] | None:
    if not path.is_file():
        return None
    kept = np.load(path, allow_pickle=False)
    return kept if kept.dtype == np.uint8 and kept.shape[:1] == (count,) else None


def _made(
    events: Iterable[Progress | NDArray[np.uint8]], path: Path
) -> Iterator[float | NDArray[np.uint8]]:
    for event in events:
        if isinstance(event, np.ndarray):
            path.parent.mkdir(parents=True, exist_ok=True)
            with write_file(path) as temporary:
                np.save(temporary, event, allow_pickle=False)
            yield event
        else:
            yield event.step / event.steps
