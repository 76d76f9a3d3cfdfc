"""A real picture on a model's grid, for its look to be taken over.

It is prepared as the training data were: canonical orientation, the heart at the brightness
of all, and in the middle. Where the heart is follows from a mask of the
picture, if there is one, or from the bundled segmenter.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import is_heart
from cmr_synth.errors import InputError
from cmr_synth.imaging.grid import WorkingGrid
from cmr_synth.imaging.normalise import around_heart, heart_window, percentile
from cmr_synth.imaging.placed import Placed
from cmr_synth.imaging.scan import Scan
from cmr_synth.judges.find_heart import Segment, heart_in, placed_around

LEAST_PIXELS = 16  # to a side
TURNS = 2  # looks for the heart: the second from where the first has found it


@dataclass(frozen=True, eq=False)
class Reference:
    """A real picture whose look is taken over.

    Parameters
    ----------
    pixels : (rows, columns) float32 array in [0, 1]
        On the model's grid.
    name : str
    slice, frame : int
        Which of the scan it is.
    sha256 : str
        Of the pixels.
    notes : tuple of str
        What had to be assumed.
    """

    pixels: NDArray[np.float32]
    name: str
    slice: int
    frame: int
    sha256: str
    notes: tuple[str, ...] = ()

    def record(self, strength: float) -> dict[str, Any]:
        """What the sidecar of an image with so much of this look says."""
        return {
            "name": self.name,
            "slice": self.slice,
            "frame": self.frame,
            "sha256": self.sha256,
            "strength": strength,
            "notes": list(self.notes),
        }


def reference_on_grid(
    scan: Scan,
    grid: WorkingGrid,
    *,
    k: int | None = None,
    frame: int = 0,
    mask: Scan | None = None,
    segment: Segment | None = None,
) -> Reference:
    """Prepare one slice of a real scan as a reference.

    Parameters
    ----------
    scan : Scan
        ([t,] z, y, x) pixels in any unit.
    grid : WorkingGrid
        The model's.
    k, frame : int
        Slice and frame, from 0; without a slice, the middle one.
    mask : Scan, optional
        Engine labels of the same size, to centre the picture on the heart.
    segment : callable, optional
        Finds the heart where there is no mask: (n, rows, columns) pictures to engine labels; by
        default the bundled segmenter.

    Raises
    ------
    InputError
        If there is no such slice, or it is constant, tiny, or looks like a mask; if the mask is
        of another size.
    """
    k = scan.n_slices // 2 if k is None else k
    for what, asked, there in (("slice", k, scan.n_slices), ("frame", frame, scan.n_frames)):
        if not 0 <= asked < there:
            raise InputError(f"{scan.name}: has no {what} {asked}; choose 0 to {there - 1}.")
    volume = scan.array[frame] if scan.is_cine else scan.array
    if min(volume.shape[1:]) < LEAST_PIXELS:
        raise InputError(
            f"{scan.name}: has slices of {volume.shape[1]} x {volume.shape[2]} pixels; a reference "
            f"needs {LEAST_PIXELS} to a side."
        )
    shades = np.unique(volume[k])
    if len(shades) == 1:
        raise InputError(f"{scan.name}: slice {k} is constant; choose one that shows a heart.")
    if len(shades) <= 5 and np.array_equal(shades, shades.round()):
        raise InputError(
            f"{scan.name}: slice {k} holds {len(shades)} whole numbers only, as a mask does; give "
            "the picture, and its mask beside it if there is one."
        )
    pixels = percentile(volume)[k]  # as the segmenter learned
    heart: NDArray[np.bool_] | None
    notes: list[str] = []
    if mask is not None:
        if mask.array.shape[-3:] != volume.shape:
            raise InputError(
                f"{mask.name}: is of {mask.array.shape[-3:]} voxels and {scan.name} of "
                f"{volume.shape}; give the mask of this picture."
            )
        labels = (mask.array[frame] if mask.is_cine else mask.array)[k]
        heart = is_heart(labels)
        if not heart.any():
            raise InputError(f"{mask.name}: shows no heart on slice {k}; choose another slice.")
    else:
        heart = heart_in(pixels[None], scan, segment or _bundled(), turns=TURNS)
    if heart is None:
        notes.append("no heart was found in the reference; its middle is used")
        rows, columns = pixels.shape
        placed = Placed.on_the_middle((rows, columns), scan.affine, scan.spacing, grid=grid)
    else:
        placed = placed_around(heart, scan, grid)
        rows_mm, columns_mm = scan.spacing[1:]
        pixels = around_heart(volume, heart_window(heart, (rows_mm, columns_mm)))[k]
    on_grid = np.clip(placed.image_to_grid(pixels), 0, 1).astype(np.float32)
    return Reference(
        pixels=on_grid,
        name=scan.name,
        slice=k,
        frame=frame,
        sha256=hashlib.sha256(np.ascontiguousarray(on_grid).tobytes()).hexdigest(),
        notes=tuple(notes),
    )


def _bundled() -> Segment:
    from cmr_synth.judges.segmenter import Segmenter

    return Segmenter.load().segment
