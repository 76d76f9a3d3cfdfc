"""What *Find the heart* asks of the segmenter, and the answer as a step of a mask's undo history.

No Qt here: the question is made and the answer written in the GUI thread, the work is an iterator
for a job.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cmr_synth.errors import InputError
from cmr_synth.imaging.scan import Scan

from .._layer_geometry import attributes_of
from .._layers import scan_of_layer
from .._mask_layer import Edit, check_editable, place, to_own, write
from .._masks import structure_numbers
from .._models import segmenter
from .edits import different_grids
from .new_mask import NewMask, add_mask

if TYPE_CHECKING:
    from napari.layers import Image, Labels

    from cmr_synth.judges.confidence import Confidence
    from cmr_synth.judges.find_heart import Found

CONFIDENCE = "cmr_confidence"
"""Key of a mask's `metadata`: the segmenter's `Confidence` of what it found in it."""

SLICE, STACK, CINE = "slice", "stack", "cine"


@dataclass(frozen=True)
class Step:
    """Slices done, for the progress of a job."""

    step: int
    steps: int


@dataclass(frozen=True, eq=False)
class Search:
    """What is to be segmented.

    Parameters
    ----------
    scan : Scan
        ([t,] z, y, x) pixels.
    frames, slices : list of int, or None
        Of the scan; None for all.
    """

    scan: Scan
    frames: list[int] | None = None
    slices: list[int] | None = None


def scopes(image: Any) -> list[str]:
    """What of an image can be segmented at once, the most first; nothing if it is no scan."""
    if image is None or image.rgb or image.multiscale:
        return []
    return {2: [SLICE], 3: [STACK, SLICE], 4: [CINE, STACK, SLICE]}.get(image.ndim, [])


def search_of(viewer: Any, image: Image, scope: str) -> Search:
    """Ask for the slice, stack or cine that the viewer shows of an image.

    Raises
    ------
    InputError
        If the image is no scan in grey values, or the viewer shows no slice of it.
    """
    if not scopes(image):
        raise InputError(
            f"{image.name}: has {image.ndim} axes{', in colour' if image.rgb else ''}; the heart "
            "is found in a slice, stack or cine in grey values."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a place that nobody knows matters to files only
        scan = scan_of_layer(image.data, attributes_of(image))
    if scope == CINE or image.ndim == 2:
        return Search(scan)
    where = place(viewer, image)
    frames = [where[0]] if image.ndim == 4 else None
    return Search(scan, frames, [where[-1]] if scope == SLICE else None)


def search(question: Search) -> Iterator[Step | Found]:
    """Find the heart; runs in a thread, which the first time imports torch and reads weights.

    Raises
    ------
    InputError
        If there is none.
    """
    from cmr_synth.judges.find_heart import Found, find_heart

    yield Step(0, 100)
    steps = find_heart(question.scan, segmenter(), frames=question.frames, slices=question.slices)
    for step in steps:
        yield step if isinstance(step, Found) else Step(round(100 * step), 100)


def fitting(image: Any, masks: list[Labels]) -> list[Labels]:
    """Masks that what is found in an image can be written into."""
    return [mask for mask in masks if mask.ndim == image.ndim and not different_grids(mask, image)]


def write_found(viewer: Any, image: Image, found: Found, mask: Labels | None = None) -> Labels:
    """Write what was found into a mask, as one step that undo takes back.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    image : napari Image layer
        The scan.
    found : Found
    mask : napari Labels layer, optional
        On the grid of the image; the slices that were looked at are replaced, others stay.
        Without one, a new layer.

    Returns
    -------
    Labels
        The mask, with the confidence in its metadata under `CONFIDENCE`.

    Raises
    ------
    InputError
        If the mask cannot be edited.
    """
    if mask is None:
        name = f"heart of {image.name}"
        (mask,) = add_mask(viewer, NewMask(anatomy=None, called=name), image)
    check_editable(mask)
    numbers = structure_numbers(mask)
    labels = np.reshape(found.mask.array, (*found.looked_at.shape, *found.mask.array.shape[-2:]))
    edits: list[Edit] = []
    for frame, index in np.argwhere(found.looked_at):
        lead = (int(frame), int(index))[4 - mask.ndim :] if mask.ndim > 2 else ()
        before = np.asarray(mask.data[lead])
        edits.append((lead, to_own(labels[frame, index], before, numbers)))
    write(mask, edits)
    mask.metadata[CONFIDENCE] = _joined(mask.metadata.get(CONFIDENCE), found)
    return mask


def _joined(before: Any, found: Found) -> Confidence:
    from cmr_synth.judges.confidence import Confidence

    shape = found.confidence.probability.shape
    if isinstance(before, Confidence) and before.probability.shape == shape:
        return before.joined(found.confidence, found.looked_at)
    return found.confidence
