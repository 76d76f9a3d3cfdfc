"""Synthetic counterparts of held-out slices, and the figures of a generator on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.cohorts.slices import SliceRow, SliceSet
from cmr_synth.evaluation.adherence.dice import dice_by_patient
from cmr_synth.evaluation.realism.frechet import frechet_distance, real_floor
from cmr_synth.evaluation.resampling import mean_interval
from cmr_synth.generators.interface import Condition, Generator, Images
from cmr_synth.judges.segmenter import Segmenter

SEED = 2026
"""Of the pictures whose figures stand on the cards."""


@dataclass(frozen=True)
class RealSlices:
    """Slices on the working grid, (n, y, x): pixels in [0, 1], labels, and patient of each."""

    pixels: NDArray[np.float32]
    labels: NDArray[np.uint8]
    patients: NDArray[np.str_]


def real_slices(slices: SliceSet, split: str, cohorts: Sequence[str] | None = None) -> RealSlices:
    """The middle 128 x 128 of every slice of a split, not augmented."""
    index = slices.where(split=split, cohorts=cohorts)
    images, labels = slices.crop(index)
    patients = np.array([slices.rows[i].patient for i in index])
    return RealSlices(images, labels, patients)


def follows_masks(generator: Generator) -> bool:
    """Whether a family takes a mask; those that do not refuse one."""
    return "mask" in generator.takes


def generate(
    generator: Generator,
    slices: SliceSet,
    index: NDArray[np.int64],
    *,
    seed: int,
    steps: int | None = None,
) -> Iterator[NDArray[np.float32]]:
    """Counterparts of real slices, or as many pictures of a family that follows no mask."""
    if follows_masks(generator):
        yield from counterparts(generator, slices, index, seed=seed, steps=steps)
        return
    yield from made_for(generator, [Condition()] * len(index), seed=seed, steps=steps)


def condition_of(labels: NDArray[np.uint8], row: SliceRow, **changes: str | None) -> Condition:
    """What shows the mask of a real slice under the conditions of that slice.

    `changes` replaces conditions, such as ``vendor="ge"``.
    """
    given: dict[str, Any] = {
        "vendor": row.vendor or None,
        "phase": row.phase or None,
        "pathology": row.pathology or None,
        **changes,
    }
    return Condition(mask=labels, z=row.z, **given)


def made_for(
    generator: Generator,
    conditions: Sequence[Condition],
    *,
    seed: int,
    batch: int = 8,
    **options: Any,
) -> Iterator[NDArray[np.float32]]:
    """Yield pictures for conditions, batch by batch; each has noise of its own.

    `options` go to `Generator.sample`, such as its steps.
    """
    for first in range(0, len(conditions), batch):
        asked = conditions[first : first + batch]
        numbers = range(first, first + len(asked))
        for event in generator.sample(asked, seed=seed, indices=numbers, **options):
            if isinstance(event, Images):
                yield event.pixels


def counterparts(
    generator: Generator,
    slices: SliceSet,
    index: NDArray[np.int64],
    *,
    seed: int,
    steps: int | None = None,
    guidance: float | None = None,
    batch: int = 8,
    **changes: str | None,
) -> Iterator[NDArray[np.float32]]:
    """Yield synthetic pictures for the masks and conditions of real slices, batch by batch.

    `changes` replaces conditions, such as ``vendor="ge"``.
    """
    _, labels = slices.crop(index)
    conditions = [
        condition_of(drawn, slices.rows[i], **changes)
        for drawn, i in zip(labels, index, strict=True)
    ]
    yield from made_for(
        generator, conditions, seed=seed, batch=batch, steps=steps, guidance=guidance
    )


def measure(
    generator: Generator,
    slices: SliceSet,
    segmenter: Segmenter,
    *,
    split: str = "test",
    cohorts: Sequence[str] = ("acdc",),
    steps: int | None = None,
    guidance: float | None = None,
    seed: int = SEED,
) -> Quality:
    """Make the counterparts of a split's slices and take their figures."""
    index = slices.where(split=split, cohorts=cohorts)
    made = counterparts(generator, slices, index, seed=seed, steps=steps, guidance=guidance)
    synthetic = np.concatenate(list(made))
    test, train = (real_slices(slices, name, cohorts) for name in (split, "train"))
    return quality(synthetic, test, train, segmenter)


@dataclass(frozen=True)
class Quality:
    """Figures of one set of synthetic pictures beside real ones.

    Parameters
    ----------
    dice_real, dice_synthetic : dict of structure to (mean, low, high)
        Over patients, with the 95% bootstrap interval by patient.
    adherence : dict of structure to float
        Ratio of the two means.
    frechet : float
        Synthetic against real test slices.
    floor : (mean, sd)
        Real training against real test slices of equal number.
    ratio : float
        `frechet` over the mean floor.
    """

    slices: int
    patients: int
    dice_real: dict[str, tuple[float, float, float]]
    dice_synthetic: dict[str, tuple[float, float, float]]
    adherence: dict[str, float]
    frechet: float
    floor: tuple[float, float]
    ratio: float


def quality(
    synthetic: NDArray[np.float32],
    test: RealSlices,
    train: RealSlices,
    segmenter: Segmenter,
    *,
    masked: bool = True,
    floor: NDArray[np.float64] | None = None,
) -> Quality:
    """Adherence and realism of the counterparts of `test`.

    Parameters
    ----------
    masked : bool
        Whether the pictures follow masks; without, there is no adherence.
    floor : (draws,) array, optional
        Distances of real pictures to each other, if they are known from before.
    """
    dice_real = dice_by_patient(segmenter.segment(test.pixels), test.labels, test.patients)
    dice_synthetic = (
        dice_by_patient(segmenter.segment(synthetic), test.labels, test.patients) if masked else {}
    )
    features = segmenter.features(test.pixels)
    distance = frechet_distance(segmenter.features(synthetic), features)
    if floor is None:
        floor = real_floor(segmenter.features(train.pixels), train.patients, features)
    return Quality(
        slices=len(synthetic),
        patients=len(np.unique(test.patients)),
        dice_real={k: _summary(v) for k, v in dice_real.items()},
        dice_synthetic={k: _summary(v) for k, v in dice_synthetic.items()},
        adherence={
            k: float(np.nanmean(dice_synthetic[k]) / np.nanmean(dice_real[k]))
            for k in dice_synthetic
        },
        frechet=distance,
        floor=(float(floor.mean()), float(floor.std())),
        ratio=distance / float(floor.mean()),
    )


def _summary(values: NDArray[np.float64]) -> tuple[float, float, float]:
    low, high = mean_interval(values)
    return float(np.nanmean(values)), low, high
