"""One examination on the grid of a slice set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import UNLABELLED, is_heart
from cmr_synth.cohorts.examination import LGE, Examination
from cmr_synth.cohorts.preparing import Preparing
from cmr_synth.imaging.grid import place
from cmr_synth.imaging.normalise import in_unit_range, percentile

Completion = Callable[[NDArray[np.float32], NDArray[np.uint8], NDArray[np.bool_]], NDArray]
"""`(images, labels, may_hide) -> labels` on the wide grid: fills in what was not drawn."""


@dataclass(frozen=True)
class OnGrid:
    """The slices of an examination that a set takes.

    Parameters
    ----------
    slices : (n,) int array
        Their numbers in the stack.
    images, labels, covered : (n, rows, columns) uint8 arrays
        As `SliceSet` has them.
    completed : (n,) bool array
        Whether structures were filled in.
    """

    slices: NDArray[np.int64]
    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    covered: NDArray[np.uint8]
    completed: NDArray[np.bool_]


def on_grid(
    examination: Examination, choices: Preparing, complete: Completion | None = None
) -> OnGrid:
    """Resample an examination; completes first, so that the crop is centred on the whole heart.

    Parameters
    ----------
    examination : Examination
    choices : Preparing
    complete : Completion, optional
        Its images are normalised by `percentile` whatever the set's are, because the segmenter was
        trained on such. Without it, unlabelled pixels stay 255.
    """
    if examination.contrast != "cine":
        complete = None  # the segmenter learned cine alone
    grid = choices.wide_grid
    labels, spacing = examination.labels, examination.spacing[1:]
    drawn = is_heart(labels)
    if not drawn.any():
        empty = np.zeros((0, *grid.shape), np.uint8)
        return OnGrid(np.zeros(0, np.int64), empty, empty, empty, np.zeros(0, bool))
    name = f"{examination.cohort} {examination.patient}"
    placement = place(drawn, spacing, grid=grid, name=name, must_fit=False)
    hides: NDArray[np.bool_] = np.any(examination.may_hide, axis=1)
    heart = drawn
    fill = UNLABELLED if hides.any() else 0
    if complete is None or not hides.any():
        made = np.zeros((len(labels), *grid.shape), np.uint8)
        made[examination.labelled] = placement.labels_to_grid(
            labels[examination.labelled], fill=fill
        )
    else:
        pixels = percentile(examination.image)
        whole = complete(
            placement.image_to_grid(pixels), placement.labels_to_grid(labels), examination.may_hide
        )
        found = is_heart(placement.labels_from_grid(whole))
        if found.any():
            heart = found
            placement = place(heart, spacing, grid=grid, name=name, must_fit=False)
        # a slice on which nothing was drawn cannot be trusted to hold a heart at all
        made = np.where(
            examination.labelled[:, None, None],
            complete(
                placement.image_to_grid(pixels),
                placement.labels_to_grid(labels, fill=fill),
                examination.may_hide,
            ),
            0,
        ).astype(np.uint8)
    slices = _central(np.flatnonzero(is_heart(made).any(axis=(1, 2))), choices.central)
    whole_range = in_unit_range(
        examination.image,
        choices.normalisation,
        heart,
        spacing,
        black="window" if examination.contrast == LGE else "volume",
    )
    images = placement.image_to_grid(whole_range[slices])
    covered = np.broadcast_to(placement.covered(), images.shape).astype(np.uint8)
    return OnGrid(
        slices,
        np.round(np.clip(images, 0, 1) * 255).astype(np.uint8),
        made[slices],
        covered,
        np.logical_and(hides[slices], complete is not None),
    )


def _central(slices: NDArray[np.int64], count: int | None) -> NDArray[np.int64]:
    """So many in the middle; where that is between two, the one nearer to the first slice."""
    if count is None or count >= len(slices):
        return slices
    first = (len(slices) - count) // 2
    return slices[first : first + count]
