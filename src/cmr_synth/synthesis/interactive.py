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

from cmr_synth.anatomy.labels import UNLABELLED, is_heart, scar_as_myocardium
from cmr_synth.cohorts.examination import CINE
from cmr_synth.errors import InputError
from cmr_synth.generators.interface import Images, Progress
from cmr_synth.generators.noise import COHERENCE
from cmr_synth.generators.zoo import Model
from cmr_synth.imaging.grid import WorkingGrid
from cmr_synth.imaging.heart_side import orientation_of_heart
from cmr_synth.imaging.orientation import Orientation, apply
from cmr_synth.imaging.placed import Placed
from cmr_synth.imaging.positions import positions_in_stack
from cmr_synth.imaging.scan import Scan
from cmr_synth.synthesis.reference import Reference
from cmr_synth.synthesis.request import Request

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
    covered : (y, x) bool array
        Where the model's grid reaches.
    """

    pixels: NDArray[np.float32]
    moved: bool
    covered: NDArray[np.bool_]


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
        self._name, self._affine, self._spacing = mask.name, mask.affine, mask.spacing
        self._model = model
        grid = model.card.grid
        self._grid = WorkingGrid(shape=grid.shape, spacing=grid.spacing_mm)
        self._placed: Placed | None = None
        self._orientation: Orientation | None = None
        # what is remembered of each frame: enough to place the grid and to tell base from apex
        frames, slices, (rows, columns) = mask.n_frames, mask.n_slices, mask.shape[-2:]
        self._area = np.zeros((frames, slices), dtype=np.int64)  # voxels
        self._rows = np.zeros((frames, rows), dtype=bool)  # where any slice shows the heart
        self._columns = np.zeros((frames, columns), dtype=bool)
        self._open = np.zeros(frames, dtype=bool)  # whether some pixels are unlabelled
        for frame, labels in enumerate(mask.array if mask.is_cine else mask.array[None]):
            self._look_at(frame, labels)

    def redraw(
        self,
        labels: NDArray[np.uint8],
        k: int,
        request: Request | None = None,
        *,
        frame: int = 0,
        reference: Reference | None = None,
    ) -> Iterator[Progress | Picture]:
        """Make the picture of one slice of the mask as it is now.

        Parameters
        ----------
        labels : (z, y, x) uint8 array
            Engine labels of the frame, as stored; the other frames are taken as last seen.
        k : int
            The slice to make.
        request : Request, optional
            By default nothing is specified. Its first variant is made. Where it has no `z`,
            the position follows from the labelled areas of the stack.
        frame : int
            Which frame of a cine `labels` is.
        reference : Reference, optional
            A real picture on the model's grid whose look is taken over; by default the one that
            the request names is read, at every call.

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
        request = request or Request()
        card = self._model.card
        request.check(card)
        reference = reference or request.read_reference(card)
        if request.contrast_of(card) == CINE:  # as in a whole stack
            labels = scar_as_myocardium(labels)
        self._look_at(frame, labels)
        if request.spacing is not None:
            self._spacing = request.spacing
        self._orientation = orientation_of_heart(
            scar_as_myocardium(labels),
            self._affine,
            self._spacing,
            name=self._name,
            mirror=request.mirror,
            ask=False,  # half-drawn hearts say too little
        )
        if not self._area[frame, k]:
            raise InputError(f"{self._name}: slice {k} shows no heart; draw it there.")
        placed = self._place()
        moved = placed is not self._placed
        self._placed = placed
        if moved:
            everywhere = np.ones(self._grid.shape, dtype=np.float32)
            self._covered = placed.image_from_grid(everywhere) > 0
        on_grid = placed.labels_to_grid(labels[k], fill=UNLABELLED if self._open.any() else 0)
        positions = positions_in_stack(self._area.sum(axis=0))
        known = None if positions is None else float(positions[k])
        z = known if request.z is None else request.z
        run = request.sample(
            self._model,
            [
                request.condition(
                    on_grid, z=z, takes=self._model.generator.takes, card=card, reference=reference
                )
            ],
            indices=[COHERENCE.index(0, mm=k * self._spacing[0], frame=frame)],
        )
        return _pictures(run, placed, moved, self._covered)

    def _look_at(self, frame: int, labels: NDArray) -> None:
        """Remember where a frame, (z, y, x) as stored, shows the heart."""
        heart = is_heart(labels)
        self._area[frame] = heart.sum(axis=(1, 2))
        self._rows[frame], self._columns[frame] = heart.any(axis=(0, 2)), heart.any(axis=(0, 1))
        self._open[frame] = (labels == UNLABELLED).any()

    def _place(self) -> Placed:
        """The placement so far, or a new one if the heart has left it behind."""
        rows, columns = (np.atleast_1d(shown.any(axis=0)) for shown in (self._rows, self._columns))
        box = rows[:, None] & columns[None, :]
        anew = Placed.around(
            box,
            self._affine,
            self._spacing,
            grid=self._grid,
            name=self._name,
            orientation=self._orientation,
        )
        if self._placed is None or self._placed.orientation != anew.orientation:
            return anew
        kept, centred = self._placed.placement, anew.placement
        upright = apply(anew.orientation, box)
        sides = (np.flatnonzero(upright.any(axis=1)), np.flatnonzero(upright.any(axis=0)))
        for axis, side in enumerate(sides):
            spacing = kept.spacing[axis]
            if abs(centred.centre[axis] - kept.centre[axis]) * spacing > STRAY_MM:
                return anew
            reach = self._grid.field_of_view[axis] / 2
            farthest = max(kept.centre[axis] - side[0], side[-1] - kept.centre[axis]) + 0.5
            if farthest * spacing > reach:
                return anew
        return self._placed


def _pictures(
    run: Iterator[Progress | Images], placed: Placed, moved: bool, covered: NDArray[np.bool_]
) -> Iterator[Progress | Picture]:
    for item in run:
        if isinstance(item, Images):
            yield Picture(placed.image_from_grid(item.pixels[0]), moved, covered)
        else:
            yield item
