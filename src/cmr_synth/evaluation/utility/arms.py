"""The training sets that are compared, from one set of real slices and its synthetic copies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cmr_synth.cohorts.slices import SliceRow, SliceSet
from cmr_synth.errors import InputError
from cmr_synth.evaluation.counterparts import condition_of, made_for
from cmr_synth.generators.interface import Generator, Progress

SHAPE = (128, 128)


@dataclass(frozen=True)
class Arm:
    """One training set.

    Parameters
    ----------
    real : bool
        Whether it holds the real training slices.
    copies : int
        Synthetic slices for each mask. The first copy has the vendor of the mask's scan; further
        ones have another vendor each, drawn by the seed. An arm with real slices leaves the first
        copy out: what real data lack is other scanners.
    """

    real: bool
    copies: int

    def __post_init__(self) -> None:
        if self.copies < 0 or not (self.real or self.copies):
            raise ValueError("a training set needs real slices or copies")

    @property
    def name(self) -> str:
        """Such as "real", "synthetic" or "real + 2 x synthetic"."""
        if self.real:
            return f"real + {self.copies} x synthetic" if self.copies else "real"
        return "synthetic" if self.copies == 1 else f"{self.copies} x synthetic"

    @property
    def chosen(self) -> range:
        """Numbers of the copies it takes."""
        return range(1, 1 + self.copies) if self.real else range(self.copies)


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
    arm: Arm, slices: SliceSet, index: NDArray[np.int64], copies: Sequence[NDArray[np.uint8]]
) -> SliceSet:
    """The slices of an arm on the networks' grid, all of the split "train".

    Real ones are cut to the same 128 x 128 as synthetic ones, so that the arms differ in nothing
    but their pixels.

    Raises
    ------
    InputError
        If a copy is missing.
    """
    top, left = ((slices.images.shape[i + 1] - SHAPE[i]) // 2 for i in (0, 1))
    window = (index, slice(top, top + SHAPE[0]), slice(left, left + SHAPE[1]))
    images, labels, covered, rows = [], [], [], []
    own_labels, own_covered = np.asarray(slices.labels[window]), np.asarray(slices.covered[window])
    own_rows = [replace(slices.rows[i], split="train") for i in index]
    pictures = [np.asarray(slices.images[window])] if arm.real else []
    if len(copies) <= max(arm.chosen, default=-1):
        raise InputError(f"{arm.name}: {len(copies)} copies were made; make more of them.")
    pictures += [copies[number] for number in arm.chosen]
    for picture in pictures:
        images.append(picture)
        labels.append(own_labels)
        covered.append(own_covered)
        rows += own_rows
    return SliceSet(
        np.concatenate(images),
        np.concatenate(labels),
        np.concatenate(covered),
        tuple(rows),
        {"spacing_mm": slices.spacing},
    )
