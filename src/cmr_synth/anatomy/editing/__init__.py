"""The tools of a contouring workplace on label arrays: each takes a mask and returns a new one.

All take engine labels and a spacing in mm in the order of the array's axes, change nothing in
place, and raise `InputError` with one line where there is nothing to do. Shapes are rasterised on
a grid four times as fine: a pixel belongs to a shape that covers at least half of it.
"""

from __future__ import annotations

from cmr_synth.anatomy.editing.cleaning import remove_strays, smooth
from cmr_synth.anatomy.editing.contours import CONTOURS, draw_contour, rasterise
from cmr_synth.anatomy.editing.margins import expand, ring
from cmr_synth.anatomy.editing.moving import between_phases, contraction, moved
from cmr_synth.anatomy.editing.slices import copy_slice, fill_between

__all__ = [
    "CONTOURS",
    "between_phases",
    "contraction",
    "copy_slice",
    "draw_contour",
    "expand",
    "fill_between",
    "moved",
    "rasterise",
    "remove_strays",
    "ring",
    "smooth",
]
