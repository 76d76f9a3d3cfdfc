"""A scan and its mask, and any of its slices on the working grid, as synthesis places them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import is_heart
from cmr_synth.errors import InputError
from cmr_synth.evaluation.one_picture.agreement import GRID
from cmr_synth.imaging.heart_side import orientation_of_heart
from cmr_synth.imaging.placed import Placed
from cmr_synth.imaging.positions import positions_in_stack
from cmr_synth.imaging.scan import Scan, require_same_grid


@dataclass(frozen=True, eq=False)
class PlacedScan:
    """A picture with its mask, centred on the heart.

    Parameters
    ----------
    name, mask_name : str
    pixels : (t, z, y, x) array
    labels : (t, z, y, x) uint8 array
        Engine labels.
    placed : Placed
        On the working grid.
    """

    name: str
    mask_name: str
    pixels: NDArray
    labels: NDArray[np.uint8]
    placed: Placed

    @classmethod
    def of(cls, picture: Scan, mask: Scan) -> PlacedScan:
        """Place a picture by its mask.

        Raises
        ------
        InputError
            If the grids differ or the mask shows no heart at all.
        """
        require_same_grid(picture, mask)
        if picture.n_frames != mask.n_frames:
            raise InputError(f"{picture.name}: has other frames than {mask.name}.")
        labels = (mask.array if mask.is_cine else mask.array[None]).astype(np.uint8, copy=False)
        pixels = picture.array if picture.is_cine else picture.array[None]
        heart = is_heart(labels)
        if not heart.any():
            raise InputError(f"{mask.name}: shows no heart; give the mask of {picture.name}.")
        placed = Placed.around(
            heart,
            mask.affine,
            mask.spacing,
            grid=GRID,
            name=mask.name,
            orientation=orientation_of_heart(
                labels, mask.affine, mask.spacing, name=mask.name, ask=False
            ),
        )
        return cls(picture.name, mask.name, pixels, labels, placed)

    def drawn(self) -> list[tuple[int, int]]:
        """(frame, slice) of all slices that show a heart in the mask and are not empty."""
        heart = is_heart(self.labels).any(axis=(2, 3))
        shown = (self.pixels != 0).any(axis=(2, 3))
        return [(int(t), int(k)) for t, k in np.argwhere(heart & shown)]

    def require(self, frame: int, slice: int) -> None:
        """Refuse a slice without heart or picture."""
        if not is_heart(self.labels[frame, slice]).any():
            raise InputError(
                f"{self.mask_name}: has no heart on slice {slice}; go to one that has."
            )
        if not self.pixels[frame, slice].any():
            raise InputError(f"{self.name}: is empty on slice {slice}; synthesize it first.")

    def position(self, slice: int) -> float | None:
        """Of a slice between base, 0, and apex, 1; none where there is one slice only."""
        positions = positions_in_stack(is_heart(self.labels).sum(axis=(0, 2, 3)))
        return None if positions is None else float(positions[slice])

    def labels_on_grid(self, frame: int, slice: int) -> NDArray[np.uint8]:
        """Labels (y, x) of a slice."""
        return self.placed.labels_to_grid(self.labels[frame, slice])

    def picture_on_grid(
        self, frame: int, slice: int, *, as_made: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.float32], bool]:
        """Pixels (y, x) of a slice, and whether they are as the model made them.

        Resampling takes grain away. Where the slice as it was made is known and still is what the
        scan shows, that is taken.
        """
        shown = self.pixels[frame, slice]
        if as_made is not None and np.allclose(
            self.from_grid(as_made, labels=False), shown, atol=1e-3
        ):
            return as_made, True
        return self.placed.image_to_grid(shown), False

    def from_grid(self, plane: NDArray, *, labels: bool) -> NDArray:
        """A plane (y, x) of the working grid on the scan's own."""
        return (self.placed.labels_from_grid if labels else self.placed.image_from_grid)(plane)
