"""The training sets that are compared, from one set of real slices and its synthetic copies.

All that hold real slices see the same number of them, in the same order and with the same
augmentation: what is added comes on top, in every batch as many as there are real ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cmr_synth.cohorts.slices import SliceRow, SliceSet
from cmr_synth.errors import InputError
from cmr_synth.evaluation.counterparts import condition_of, made_for
from cmr_synth.generators.interface import Generator, Progress

if TYPE_CHECKING:
    from cmr_synth.evaluation.utility.hearts import NewSlices

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


def training_set(
    arm: Arm,
    slices: SliceSet,
    index: NDArray[np.int64],
    others: NDArray[np.int64],
    copies: Sequence[NDArray[np.uint8]],
    hearts: NewSlices | None = None,
) -> tuple[SliceSet, list[NDArray[np.int64]]]:
    """The slices of an arm on the networks' grid, all of the split "train".

    Real ones are cut to the same 128 x 128 as synthetic ones, so that the arms differ in nothing
    but their pixels.

    Parameters
    ----------
    index, others : (n,) int arrays
        Real training slices of the set: those that have copies, and those of the other cohorts.
    hearts : NewSlices, optional
        For an arm that has some.

    Returns
    -------
    SliceSet, list of int arrays
        And which of its slices are of one kind: real ones, those of other cohorts, each copy, new
        hearts.

    Raises
    ------
    InputError
        If a copy is missing.
    """
    if len(copies) <= max(arm.chosen, default=-1):
        raise InputError(f"{arm.name}: {len(copies)} copies were made; make more of them.")
    kinds: list[tuple[NDArray[np.int64], NDArray[np.uint8] | None]] = []
    if arm.real:
        kinds.append((index, None))
    if arm.others:
        kinds.append((others, None))
    kinds += [(index, copies[number]) for number in arm.chosen]
    top, left = ((slices.images.shape[i + 1] - SHAPE[i]) // 2 for i in (0, 1))
    images, labels, covered = [], [], []
    rows: list[SliceRow] = []
    streams = []
    for own, pictures in kinds:
        window = (own, slice(top, top + SHAPE[0]), slice(left, left + SHAPE[1]))
        images.append(np.asarray(slices.images[window]) if pictures is None else pictures)
        labels.append(np.asarray(slices.labels[window]))
        covered.append(np.asarray(slices.covered[window]))
        streams.append(np.arange(len(rows), len(rows) + len(own)))
        rows += [replace(slices.rows[i], split="train") for i in own]
    if arm.hearts:
        if hearts is None:
            raise InputError(f"{arm.name}: no new hearts were made; make them first.")
        images.append(hearts.images)
        labels.append(hearts.labels)
        covered.append(np.ones_like(hearts.labels))
        streams.append(np.arange(len(rows), len(rows) + len(hearts.rows)))
        rows += [replace(row, split="train") for row in hearts.rows]
    joined = SliceSet(
        np.concatenate(images),
        np.concatenate(labels),
        np.concatenate(covered),
        tuple(rows),
        {"spacing_mm": slices.spacing},
    )
    return joined, streams
