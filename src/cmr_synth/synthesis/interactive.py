"""One slice of a mask, made again and again while somebody paints the mask.

`synthesize` centres the model's grid on the heart of each mask that it is given. While a mask is
being painted its centre moves with every stroke, and the noise would move against the heart. A
session keeps the placement until the heart has left it behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import UNLABELLED, is_heart
from cmr_synth.cohorts.examination import slice_position
from cmr_synth.errors import InputError
from cmr_synth.generators.interface import Condition, Images, Progress
from cmr_synth.generators.zoo import Model
from cmr_synth.imaging.grid import Placement, WorkingGrid, place
from cmr_synth.imaging.orientation import apply, apply_to_spacing, in_plane_orientation, undo
from cmr_synth.imaging.scan import Scan
from cmr_synth.synthesis.from_mask import check_conditions

STRAY_MM = 10.0
"""How far the heart's centre may move before the grid follows it, along either axis. Training
shifts its pictures by up to 11.5 mm, so that the model knows hearts so far off the middle."""


@dataclass(frozen=True)
class Picture:
    """The synthetic picture of one slice.

    Parameters
    ----------
    pixels : (y, x) float32 array
        In [0, 1], on the grid of the mask; 0 where the model's grid does not reach.
    moved : bool
        Whether the model's grid was placed anew for it, so that its noise lies elsewhere than in
        the picture before.
    """

    pixels: NDArray[np.float32]
    moved: bool


class Session:
    """A mask that is being painted, and where the model's grid lies on it.

    As long as the grid need not move, a picture is the one that `synthesize` makes of the slice
    with the same seed and conditions.

    Parameters
    ----------
    mask : Scan
        ([t,] z, y, x) engine labels at the start; they may all be background.
    model : Model
        From `zoo.load`.
    """

    def __init__(self, mask: Scan, model: Model):
        self._name = mask.name
        self._model = model
        grid = model.card.grid
        self._grid = WorkingGrid(shape=grid.shape, spacing=grid.spacing_mm)
        self._orientation = in_plane_orientation(mask.affine)
        self._spacing = apply_to_spacing(self._orientation, mask.spacing)[1:]
        self._placement: Placement | None = None
        # what is remembered of each frame: enough to place the grid and to tell base from apex
        frames, slices = mask.n_frames, mask.n_slices
        rows, columns = apply(self._orientation, np.empty(mask.shape[-2:], dtype=np.uint8)).shape
        self._area = np.zeros((frames, slices), dtype=np.int64)  # voxels
        self._rows = np.zeros((frames, rows), dtype=bool)  # where any slice shows the heart
        self._columns = np.zeros((frames, columns), dtype=bool)
        self._open = np.zeros(frames, dtype=bool)  # whether some pixels are unlabelled
        for frame, labels in enumerate(mask.array if mask.is_cine else mask.array[None]):
            self._look_at(frame, apply(self._orientation, labels.astype(np.uint8, copy=False)))

    def redraw(
        self,
        labels: NDArray[np.uint8],
        k: int,
        *,
        frame: int = 0,
        vendor: str | None = None,
        phase: str | None = None,
        pathology: str | None = None,
        z: float | None = None,
        seed: int = 0,
        steps: int | None = None,
        guidance: float | None = None,
    ) -> Iterator[Progress | Picture]:
        """Make the picture of one slice of the mask as it is now.

        Parameters
        ----------
        labels : (z, y, x) uint8 array
            Engine labels of the frame, as stored; the other frames are taken as last seen.
        k : int
            The slice to make.
        frame : int
            Which frame of a cine `labels` is.
        vendor, phase, pathology : str, optional
            Among those on the model's card; None leaves them open.
        z : float, optional
            Slice position, 0 at the base and 1 at the apex. Counts only while a single slice is
            labelled; then positions follow from the labelled areas.
        seed, steps, guidance
            As for `synthesize`.

        Returns
        -------
        iterator
            Yields progress, then the picture. It may be dropped at any time; the session keeps.

        Raises
        ------
        InputError
            Before anything is made: if the slice shows no heart, the heart is larger than the
            model's grid, or a condition is none that the model knows.
        """
        check_conditions(self._model.card, vendor=vendor, phase=phase, pathology=pathology)
        canonical = apply(self._orientation, labels)
        self._look_at(frame, canonical)
        if not self._area[frame, k]:
            raise InputError(f"{self._name}: slice {k} shows no heart; draw it there.")
        placement = self._place()
        moved = placement is not self._placement
        self._placement = placement
        condition = Condition(
            mask=placement.labels_to_grid(canonical[k], fill=UNLABELLED if self._open.any() else 0),
            vendor=vendor,
            phase=phase,
            pathology=pathology,
            z=self._position(k, z),
        )
        card = self._model.card
        run = self._model.generator.sample(
            [condition],
            seed=seed,
            indices=[k],
            steps=card.default_steps if steps is None else steps,
            guidance=card.default_guidance if guidance is None else guidance,
        )
        return self._pictures(run, placement, moved)

    def _pictures(
        self, run: Iterator[Progress | Images], placement: Placement, moved: bool
    ) -> Iterator[Progress | Picture]:
        for item in run:
            if isinstance(item, Images):
                on_mask = placement.image_from_grid(item.pixels[0])
                yield Picture(undo(self._orientation, on_mask), moved)
            else:
                yield item

    def _look_at(self, frame: int, labels: NDArray[np.uint8]) -> None:
        """Remember where a frame, (z, rows, columns) in canonical orientation, shows the heart."""
        heart = is_heart(labels)
        self._area[frame] = heart.sum(axis=(1, 2))
        self._rows[frame], self._columns[frame] = heart.any(axis=(0, 2)), heart.any(axis=(0, 1))
        self._open[frame] = (labels == UNLABELLED).any()

    def _place(self) -> Placement:
        """The placement so far, or a new one if the heart has left it behind."""
        rows, columns = (np.atleast_1d(shown.any(axis=0)) for shown in (self._rows, self._columns))
        box = rows[:, None] & columns[None, :]
        centred = place(box, self._spacing, grid=self._grid, name=self._name)
        kept = self._placement
        if kept is None:
            return centred
        sides = (np.flatnonzero(box.any(axis=1)), np.flatnonzero(box.any(axis=0)))
        for axis, side in enumerate(sides):
            spacing = self._spacing[axis]
            if abs(centred.centre[axis] - kept.centre[axis]) * spacing > STRAY_MM:
                return centred
            reach = self._grid.field_of_view[axis] / 2
            farthest = max(kept.centre[axis] - side[0], side[-1] - kept.centre[axis]) + 0.5
            if farthest * spacing > reach:
                return centred
        return kept

    def _position(self, k: int, z: float | None) -> float | None:
        area = self._area.sum(axis=0)
        if np.count_nonzero(area) == 1:
            return z
        return float(slice_position(area.astype(np.float64))[k])
