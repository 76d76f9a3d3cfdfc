"""What is judged: slices with their masks, patients and conditions, all on the working grid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import is_heart
from cmr_synth.cohorts.examination import CINE
from cmr_synth.cohorts.prepare import prepare
from cmr_synth.cohorts.slices import SliceRow, SliceSet, persons_of
from cmr_synth.errors import InputError
from cmr_synth.imaging.positions import level_of

SAME = 0.01
"""Of block means of two pictures that are one but for rounding; other noise differs by more."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Slices to judge.

    Parameters
    ----------
    name : str
        For reports: a model, a folder, or the split of a slice set.
    pixels : (n, y, x) float32 array in [0, 1]
    labels : (n, y, x) uint8 array
        Engine labels; 255 where nobody drew.
    rows : tuple of SliceRow
        Patient and conditions of each slice; of a synthetic one, those of its mask.
    spacing : float
        Pixel size in mm.

    Raises
    ------
    InputError
        If a pixel is not finite, or a picture is constant.
    ValueError
        If the arrays do not fit together.
    """

    name: str
    pixels: NDArray[np.float32]
    labels: NDArray[np.uint8]
    rows: tuple[SliceRow, ...]
    spacing: float

    def __post_init__(self) -> None:
        if self.pixels.shape != self.labels.shape or len(self.rows) != len(self.pixels):
            raise ValueError(
                f"{self.name}: {self.pixels.shape} pixels, {self.labels.shape} labels and "
                f"{len(self.rows)} rows do not fit together"
            )
        for i, picture in enumerate(self.pixels):
            where = f"{self.name}: slice {i} ({self.rows[i].patient})"
            if not np.isfinite(picture).all():
                raise InputError(f"{where} holds NaN or infinite pixels; make it again.")
            if picture.size and picture.min() == picture.max():
                raise InputError(
                    f"{where} has the same value {picture.flat[0]:g} everywhere; leave it out."
                )

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def patients(self) -> NDArray[np.str_]:
        """Patient of each slice, with the cohort before it: numbers repeat between cohorts."""
        return np.array([f"{row.cohort} {row.patient}" for row in self.rows])

    @cached_property
    def persons(self) -> NDArray[np.str_]:
        """Person of each slice, with the cohort before it: somebody examined twice is one."""
        return persons_of(self.rows)

    @cached_property
    def vendors(self) -> NDArray[np.str_]:
        """Vendor of each slice; empty where unknown."""
        return np.array([row.vendor for row in self.rows])

    @cached_property
    def levels(self) -> NDArray[np.str_]:
        """One of `LEVELS` for each slice."""
        return np.array([level_of(row.z) for row in self.rows])

    def one_a_patient(self, order: Iterable[int], most: int) -> list[int]:
        """The first slices of an order by number, one of each patient."""
        chosen: dict[str, int] = {}
        for i in order:
            if len(chosen) == most:
                break
            chosen.setdefault(str(self.patients[i]), int(i))
        return list(chosen.values())

    def take(self, index: NDArray[np.integer] | NDArray[np.bool_], *, name: str = "") -> Sample:
        """Some of the slices, by number or by a mask."""
        index = np.arange(len(self))[index]
        return Sample(
            name or self.name,
            self.pixels[index],
            self.labels[index],
            tuple(self.rows[i] for i in index),
            self.spacing,
        )


def real_sample(
    slices: SliceSet, split: str | None, cohorts: Sequence[str] | None = None, *, name: str = ""
) -> Sample:
    """The middle 128 x 128 of the slices of a split.

    They are of one contrast: cine where the set has any of these cohorts, else the one it has.

    Raises
    ------
    InputError
        If there are none, or they are of several contrasts other than cine.
    """
    contrast = _contrast_of(slices, cohorts)
    index = slices.where(split=split, cohorts=cohorts, contrast=contrast)
    if not len(index):
        raise InputError(
            f"the slice set has no {split or ''} slices of {', '.join(cohorts or ['any cohort'])}; "
            "name other cohorts, or prepare it from more patients."
        )
    pixels, labels = slices.crop(index)
    rows = tuple(slices.rows[i] for i in index)
    return Sample(name or f"real {split or 'slices'}", pixels, labels, rows, slices.spacing)


def _contrast_of(slices: SliceSet, cohorts: Sequence[str] | None) -> str:
    found = {row.contrast for row in slices.rows if cohorts is None or row.cohort in cohorts}
    if CINE in found or not found:
        return CINE
    if len(found) == 1:
        return found.pop()
    raise InputError(
        f"the slice set has slices of {', '.join(sorted(found))}; name cohorts of one contrast."
    )


def joined(samples: Sequence[Sample], *, name: str) -> Sample:
    """Several samples as one.

    Raises
    ------
    ValueError
        If their pixels differ in size.
    """
    if len({one.spacing for one in samples}) > 1:
        listed = ", ".join(f"{one.name} {one.spacing:g} mm" for one in samples)
        raise ValueError(f"pixels of different sizes make no one sample: {listed}")
    return Sample(
        name,
        np.concatenate([one.pixels for one in samples]),
        np.concatenate([one.labels for one in samples]),
        tuple(row for one in samples for row in one.rows),
        samples[0].spacing,
    )


def read_sample(cohort: str, folder: Path) -> Iterator[str | Sample]:
    """Slices of a folder of images and masks, through a cohort adapter.

    Pictures go the way of real ones: turned to the canonical display, brought to one brightness
    around the heart, centred on the heart and resampled to the working grid.

    Yields
    ------
    str or Sample
        A line for each examination read, then the sample.

    Raises
    ------
    InputError
        If a file is at fault, or nothing is found.
    """
    import tempfile

    from cmr_synth.cohorts.slices import open_slice_set

    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "slices"
        yield from prepare([(cohort, Path(folder))], out, test=0, validation=0)
        slices = open_slice_set(out)
        sample = real_sample(slices, None, name=str(folder))
    yield sample


def splits_besides(slices: SliceSet, split: str) -> list[str]:
    """All splits of a slice set but one, in order: whose patients are held out from it."""
    return sorted({row.split for row in slices.rows} - {split})


def require_masks(sample: Sample) -> None:
    """Refuse slices on which no mask shows a heart."""
    empty = ~is_heart(sample.labels).any(axis=(1, 2))
    if empty.any():
        raise InputError(
            f"{sample.name}: {int(empty.sum())} of {len(sample)} slices have no heart in their "
            f"mask, the first of {sample.patients[empty][0]}; give the masks they were made from."
        )


def require_synthetic(made: Sample, held_out: Sample) -> None:
    """Refuse pictures that are the real slices they would be compared with, and name the patients.

    Two pictures are one if no block of 8 x 8 pixels differs by more than `SAME` in its mean.
    """
    from scipy.spatial.distance import cdist

    if made.pixels.shape[1:] != held_out.pixels.shape[1:]:
        return
    far = cdist(_blocks(made.pixels), _blocks(held_out.pixels), "chebyshev")
    same = far.min(axis=1) < SAME
    if same.any():
        whose = held_out.patients[far.argmin(axis=1)[same]]
        raise InputError(
            f"{made.name}: {int(same.sum())} of {len(made)} pictures are real slices of "
            f"{held_out.name}, of {_some(sorted(set(whose)))}; give synthetic pictures."
        )


def _blocks(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    count, y, x = pixels.shape
    whole = pixels[:, : y // 8 * 8, : x // 8 * 8]
    means: NDArray[np.float32] = whole.reshape(count, y // 8, 8, x // 8, 8).mean(axis=(2, 4))
    return means.reshape(count, -1)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def require_disjoint(training: Sample, held_out: Sample) -> None:
    """Refuse people who stand on both sides, under one number or two, and name them."""
    both = sorted(set(training.persons) & set(held_out.persons))
    if both:
        raise InputError(
            f"{len(both)} patient{'s are' if len(both) > 1 else ' is'} both in {training.name} and "
            f"in {held_out.name}: {_some(both)}. Take them out of one of the two."
        )
