"""A shape model of short-axis hearts: whole stacks at end-diastole and end-systole from numbers.

The way through the files: `layout` says what the numbers mean, `outlines` turns them into
outlines, `drawing` those into label maps, `encoding` goes back; `statistics` learns from patients,
`wishes` and `sampling` draw hearts, and `model` is what all others use.
"""

from cmr_synth.anatomy.shapes.model import ShapeModel
from cmr_synth.anatomy.shapes.parameters import ShapeParameters

__all__ = ["ShapeModel", "ShapeParameters"]
