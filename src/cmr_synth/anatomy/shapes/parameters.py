"""One heart, as the numbers of the shape model."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.shapes import layout


@dataclass(frozen=True, kw_only=True, eq=False)
class ShapeParameters:
    """A heart at end-diastole and end-systole, free of any grid.

    Attributes
    ----------
    vector : (`layout.SIZE`,) float64 array
        What `layout` says, in mm, radians and their logarithms. Read-only.
    centre : (y, x) in mm, optional
        Of the LV's centre line from the middle of the picture. None: both ventricles together
        are in the middle.
    first_slice_mm : float, optional
        How far the middle of the most basal slice lies below the base at end-diastole. None: the
        stack begins at the base.
    """

    vector: NDArray[np.float64]
    centre: tuple[float, float] | None = None
    first_slice_mm: float | None = None

    def __post_init__(self) -> None:
        vector = np.array(self.vector, dtype=np.float64)
        if vector.shape != (layout.SIZE,) or not np.isfinite(vector).all():
            raise ValueError(f"a shape has {layout.SIZE} finite numbers, not {vector.shape}")
        vector.setflags(write=False)
        object.__setattr__(self, "vector", vector)

    def moved(self, by: NDArray[np.float64]) -> ShapeParameters:
        """A heart at the same place whose vector differs by `by`, (`layout.SIZE`,)."""
        return replace(self, vector=self.vector + by)

    def block(self, name: str, phase: str | None = None) -> NDArray[np.float64]:
        """One part of the vector, by its name in `layout`, of a phase or of the whole heart."""
        return layout.block(self.vector, name if phase is None else f"{phase} {name}")
