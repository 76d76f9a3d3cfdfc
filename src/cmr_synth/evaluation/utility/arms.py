"""The arms of the experiment, and the synthetic copies of real slices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmr_synth.cohorts.slices import SliceRow, SliceSet
from cmr_synth.evaluation.counterparts import condition_of, made_for
from cmr_synth.generators.interface import Generator, Progress

SHAPE = (128, 128)


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One training set.

    Parameters
    ----------
    real : bool
        Whether it holds the real training slices.
    others : bool
        Whether it holds the real training slices of the other cohorts: what they are worth without
        a generator that has learned from them.
    copies : int
        Synthetic slices for each mask. The first copy has the vendor of the mask's scan; further
        ones have another vendor each, drawn by the seed. An arm with real slices leaves the first
        copy out: what real data lack is other scanners.
    hearts : bool
        Whether it holds synthetic slices of new hearts, as many as there are training masks: in
        the vendors of the second copy beside real slices, of the first without.
    styled : bool
        Whether the look of every slice is changed strongly, see `Styles`.
    """

    real: bool = False
    others: bool = False
    copies: int = 0
    hearts: bool = False
    styled: bool = False

    def __post_init__(self) -> None:
        if self.copies < 0 or not (self.real or self.copies or self.hearts):
            raise ValueError("a training set needs real slices or copies")

    @property
    def name(self) -> str:
        """Such as "real", "synthetic" or "real + 2 x synthetic, styled"."""
        parts = ["real"] * self.real + ["other vendors"] * self.others
        if self.real and self.copies:
            parts.append(f"{self.copies} x synthetic")
        elif self.copies:
            parts.append("synthetic" if self.copies == 1 else f"{self.copies} x synthetic")
        parts += ["new hearts"] * self.hearts
        return " + ".join(parts) + ", styled" * self.styled

    @property
    def chosen(self) -> range:
        """Numbers of the copies it takes."""
        return range(1, 1 + self.copies) if self.real else range(self.copies)

    @property
    def streams(self) -> int:
        """Slices of different kinds that take turns in its batches."""
        return self.real + self.others + self.copies + self.hearts

    @property
    def serves_all(self) -> bool:
        """Whether no model has a part in it."""
        return not (self.copies or self.hearts)

    @property
    def styled_as(self) -> int:
        """Number of the copy whose vendors its new hearts have."""
        return int(self.real)


def vendor_of_copy(
    row: SliceRow, number: int, copy: int, vendors: Sequence[str], *, seed: int
) -> str | None:
    """Vendor style of a copy of slice `number`.

    The vendor of the scan for copy 0, then the model's other vendors in an order drawn by seed and
    patient, so that a patient's slices look alike; again from the start when they are used up.
    """
    own = row.vendor or None
    others = [vendor for vendor in vendors if vendor != own]
    if copy == 0 or not others:
        return own
    key = [seed, *row.patient.encode()]
    order = np.random.default_rng(key).permutation(len(others))
    return others[order[(copy - 1) % len(others)]]


def synthetic_copy(
    generator: Generator,
    slices: SliceSet,
    index: NDArray[np.int64],
    *,
    copy: int,
    vendors: Sequence[str],
    seed: int,
    steps: int | None = None,
    batch: int = 8,
) -> Iterator[Progress | NDArray[np.uint8]]:
    """Make one synthetic slice for each real one.

    Yields
    ------
    Progress or array
        Progress in slices, then pictures (n, 128, 128) uint8, 0 to 255 for 0 to 1.
    """
    _, labels = slices.crop(index, SHAPE)
    made = np.zeros((len(index), *SHAPE), np.uint8)
    conditions = []
    for k, i in enumerate(index):
        vendor = vendor_of_copy(slices.rows[i], k, copy, vendors, seed=seed)
        style = {"vendor": vendor} if "vendor" in generator.takes else {}
        conditions.append(condition_of(generator, labels[k], slices.rows[i], **style))
    done = 0
    # no two copies of a mask share their noise
    start = copy * len(index)
    for pictures in made_for(
        generator, conditions, seed=seed, steps=steps, first=start, batch=batch
    ):
        made[done : done + len(pictures)] = np.round(np.clip(pictures, 0, 1) * 255)
        done += len(pictures)
        yield Progress(done, len(index))
    yield made
