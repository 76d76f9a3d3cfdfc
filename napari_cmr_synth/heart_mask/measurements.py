"""What the measurements panel asks of the engine, and the answers as text; no Qt here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.measured import Measured, function_of, measure
from cmr_synth.anatomy.measurements import volumes_ml
from cmr_synth.anatomy.overview import Beat, Overview, beat, overview, slices_drawn
from cmr_synth.imaging.orientation import Orientation, apply, apply_to_spacing

from .._mask_layer import grid_of, orientation_of, place, spacing_of, to_engine
from .._masks import structure_numbers

DASH = "\N{EN DASH}"


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is to be measured; holds its own copy of the frame shown.

    Parameters
    ----------
    stack : (z, y, x) array
        In the layer's numbers.
    index : int
        The slice shown.
    frames : sequence of (z, y, x) arrays
        Of a cine, or of this stack and the mask of the other phase; for the ejection fraction.
    numbers : sequence of dict
        Number of each structure, for each of `frames`; the first holds for `stack`.
    frame_ms : float, optional
        Time between frames of a cine.
    """

    name: str
    stack: NDArray[Any]
    index: int
    spacing: tuple[float, float, float]
    orientation: Orientation
    frames: tuple[NDArray[Any], ...]
    numbers: tuple[dict[str, int], ...]
    frame_ms: float | None = None


@dataclass(frozen=True)
class Answer:
    """What came out; `beat` counts in `Question.frames`, `function` has the keys of `NORMAL`."""

    seen: Overview
    beat: Beat | None
    function: dict[str, float]


def answer(question: Question) -> Answer:
    """Measure; runs in a thread."""
    labels = to_engine(question.stack, question.numbers[0])
    upright = apply(question.orientation, labels)
    spacing = apply_to_spacing(question.orientation, question.spacing)
    seen = overview(upright, spacing, question.index, name=question.name)
    frames = [
        to_engine(frame, numbers)
        for frame, numbers in zip(question.frames, question.numbers, strict=True)
    ]
    volumes = [volumes_ml(frame, question.spacing) for frame in frames]
    found = beat(volumes, [slices_drawn(frame) for frame in frames])
    known = np.isfinite(list(seen.volumes_ml.values())).any()  # of a single slice no volume is
    return Answer(seen, found, function_of(volumes, found) if known else {})


def take_away(question: Question) -> Measured:
    """Measure all frames; runs in a thread."""
    frames = [
        apply(question.orientation, to_engine(frame, numbers))
        for frame, numbers in zip(question.frames, question.numbers, strict=True)
    ]
    spacing = apply_to_spacing(question.orientation, question.spacing)
    return measure(frames, spacing, name=question.name, frame_ms=question.frame_ms)


def question_of(viewer: Any, layer: Any, other: Any = None) -> Question:
    """Ask about the frame of a mask that the viewer shows.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    layer : napari Labels layer
    other : napari Labels layer, optional
        The mask of the other phase, if `layer` is one of a single phase.

    Raises
    ------
    InputError
        If the viewer shows no slice of the mask.
    """
    where = place(viewer, layer)
    numbers = structure_numbers(layer)
    stack = np.array(layer.data[where[:-1]])  # a copy: strokes go on meanwhile
    stack = stack[np.newaxis] if stack.ndim == 2 else stack
    frames: tuple[NDArray[Any], ...] = (stack,)
    of_frames: tuple[dict[str, int], ...] = (numbers,)
    if layer.ndim == 4:
        frames, of_frames = tuple(layer.data), (numbers,) * len(layer.data)
    elif other is not None:
        frames, of_frames = (stack, np.array(other.data)), (numbers, structure_numbers(other))
    grid = grid_of(layer)
    return Question(
        name=layer.name,
        stack=stack,
        index=where[-1] if where else 0,
        spacing=spacing_of(layer),
        orientation=orientation_of(layer),
        frames=frames,
        numbers=of_frames,
        frame_ms=grid.frame_ms if grid is not None and layer.ndim == 4 else None,
    )


def number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if np.isfinite(value) else DASH


def wall_text(wall_mm: dict[str, float]) -> str:
    known = {sector: mm for sector, mm in wall_mm.items() if np.isfinite(mm)}
    if not known:
        return DASH
    mean = float(np.mean(list(known.values())))
    if len(known) == 1:
        return f"mean {mean:.1f}"
    thickest = max(known, key=lambda sector: known[sector])
    return f"mean {mean:.1f}, most {known[thickest]:.1f} ({thickest})"


def wall_details(wall_mm: dict[str, float]) -> str:
    lines = [f"{sector}: {number(mm, 1)} mm" for sector, mm in wall_mm.items()]
    return "\n".join(lines) or "No closed wall around an LV in this slice."


def phases_text(layer: Any, other: Any, found: Beat | None) -> str:
    if found is None:
        return "one only: EF needs the LV in two frames or masks"
    if layer.ndim == 4:
        return f"ED frame {found.ed}, ES frame {found.es}"
    names = (layer.name, other.name)
    return f"ED {names[found.ed]}, ES {names[found.es]}"


def is_other_phase(layer: Any, other: Any) -> bool:
    return (
        layer is not None
        and layer.ndim == other.ndim == 3
        and other is not layer
        and layer.data.shape == other.data.shape
        and np.allclose(layer.scale, other.scale, rtol=1e-3)
    )


def stem(name: str) -> str:
    """A layer's name without what tells phases apart: frame numbers, ED and ES."""
    return re.sub(r"frame\s*\d+|(?<![a-z])(ed|es)(?![a-z])", "", name.lower())
