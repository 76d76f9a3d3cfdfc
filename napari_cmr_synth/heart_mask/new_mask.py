"""New masks: empty or with a drawn heart, on the grid of an image or on one of their own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import ConventionGuess
from cmr_synth.anatomy.template import LEVELS, draw_slice, draw_stack
from cmr_synth.errors import InputError
from cmr_synth.imaging.orientation import apply_to_spacing, undo
from cmr_synth.imaging.scan import Scan

from .._layers import GRID, labels_layer, scan_without_place
from .._mask_layer import grid_of, orientation_of, place, spacing_of
from .._masks import ENGINE, unwrapped

if TYPE_CHECKING:
    from napari.layers import Labels

STACK = "stack"
BOTH = "ED and ES"
OWN_SHAPE, OWN_SPACING = (8, 128, 128), (8.0, 1.5, 1.5)  # pixels and mm, (z, y, x)
SYSTOLE = 1 / 3  # of the cycle: about where end-systole lies at rest
SEE_THROUGH = 0.5  # so that the image shows through the mask


@dataclass(frozen=True, kw_only=True)
class NewMask:
    """What a new mask shall show.

    Parameters
    ----------
    anatomy : str, optional
        "normal", "dilated" or "hypertrophic"; None leaves the mask empty.
    part : str
        "stack", or one level ("basal", "mid", "apical") in the slice shown.
    phase : str
        "ED", "ES", or both: two frames, or two masks on the grid of a still image.
    seed : int
        Which individual.
    called : str
        Name of the layer; by default it says what is drawn.
    """

    anatomy: str | None = "normal"
    part: str = STACK
    phase: str = "ED"
    seed: int = 0
    called: str = ""

    @property
    def name(self) -> str:
        """Of the layer."""
        if self.called or self.anatomy is None:
            return self.called or "heart mask"
        part = "" if self.part == STACK else f" {self.part}"
        return f"{self.anatomy} heart{part} {self.phase}, drawn"


@dataclass(frozen=True)
class _Sheet:
    """The grid to draw on: shape of the data, spacing (z, y, x), the slice for a single level."""

    shape: tuple[int, ...]
    spacing: tuple[float, float, float]
    where: tuple[int, ...]
    image: Any = None


def add_mask(viewer: Any, wanted: NewMask, image: Any = None) -> list[Labels]:
    """Add a new mask, and make it the active layer.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    wanted : NewMask
    image : napari Image layer, optional
        Whose grid the mask shall have, with its place in the patient; without one, the mask gets
        a grid that every model covers.

    Returns
    -------
    list of Labels
        One layer; two if both phases are wanted on the grid of a still image.

    Raises
    ------
    InputError
        If an empty mask is wanted without an image, or the image is no slice, stack or cine.
    """
    viewer = unwrapped(viewer)
    if image is None and wanted.anatomy is None:
        raise InputError(
            "An empty mask needs an image to be painted over. Open an image, or start from a "
            "template heart."
        )
    sheet = _own_sheet(wanted) if image is None else _sheet_of(viewer, image, wanted)
    layers = [_add(viewer, kind, sheet) for kind in _kinds(wanted, sheet)]
    viewer.layers.selection.active = layers[0]
    return layers


def drawn_on(viewer: Any, wanted: NewMask, image: Any) -> list[NDArray[np.uint8]]:
    """The hearts that `add_mask` would add on the grid of an image, as arrays of its shape.

    Raises
    ------
    InputError
        If the image is no slice, stack or cine.
    """
    sheet = _sheet_of(unwrapped(viewer), image, wanted)
    hearts = []
    for kind in _kinds(wanted, sheet):
        hearts.append(np.zeros(sheet.shape, np.uint8))
        _draw(hearts[-1], kind, sheet)
    return hearts


def systole_of(frames: int) -> int:
    """The frame of end-systole in a cine that begins at end-diastole; a single frame has none."""
    return max(1, round(SYSTOLE * frames))


def _kinds(wanted: NewMask, sheet: _Sheet) -> list[NewMask]:
    """Both phases of a still image are two masks."""
    if wanted.phase == BOTH and wanted.anatomy is not None and len(sheet.shape) < 4:
        return [replace(wanted, phase=phase) for phase in ("ED", "ES")]
    return [wanted]


def _own_sheet(wanted: NewMask) -> _Sheet:
    shape: tuple[int, ...] = OWN_SHAPE if wanted.part == STACK else OWN_SHAPE[1:]
    if wanted.phase == BOTH and wanted.part == STACK:
        shape = (2, *shape)
    return _Sheet(shape, OWN_SPACING, (0,) * (len(shape) - 2))


def _sheet_of(viewer: Any, image: Any, wanted: NewMask) -> _Sheet:
    if getattr(image, "rgb", False) or image.multiscale or image.ndim not in (2, 3, 4):
        raise InputError(
            f"{image.name}: is no slice, stack or cine in grey values ([t,] [z,] y, x), so a mask "
            "cannot lie on its grid. Choose another image, or a grid of its own."
        )
    single = wanted.anatomy is not None and (wanted.part != STACK or wanted.phase != BOTH)
    # Only what goes into the slice or frame shown needs to know which one that is.
    where = place(viewer, image) if single else (0,) * (image.ndim - 2)
    return _Sheet(tuple(image.data.shape), spacing_of(image), where, image)


def _add(viewer: Any, wanted: NewMask, sheet: _Sheet) -> Labels:
    array = np.zeros(sheet.shape, dtype=np.uint8)
    if wanted.anatomy is not None:
        _draw(array, wanted, sheet)
    guess = ConventionGuess(ENGINE, 1.0, "Made with the engine's own numbers: 1 LV, 2 MYO, 3 RV.")
    says = f"SYNTHETIC {wanted.anatomy} heart drawn in code, no patient" if wanted.anatomy else ""
    scan = _scan(array, sheet, wanted.name)
    data, attributes, _ = labels_layer(scan, guess=guess, description=says)
    attributes["name"] = wanted.name
    if sheet.image is None:
        for key in ("scale", "axis_labels", "units"):
            attributes[key] = attributes[key][-array.ndim :]
    else:
        image = sheet.image
        for key in ("scale", "translate", "rotate", "shear", "affine", "axis_labels", "units"):
            attributes[key] = getattr(image, key)
        if grid_of(image) is None:  # then nobody knows where it lies in the patient
            del attributes["metadata"][GRID]
    layer: Labels = viewer.add_labels(data.reshape(array.shape), opacity=SEE_THROUGH, **attributes)
    layer.selected_label = 1  # LV: where one begins
    return layer


def _scan(array: NDArray[np.uint8], sheet: _Sheet, name: str) -> Scan:
    volume = array[np.newaxis] if array.ndim == 2 else array
    grid = grid_of(sheet.image) if sheet.image is not None else None
    if grid is None:
        return scan_without_place(volume, sheet.spacing, name)
    return grid.with_array(volume, name=name)


def _draw(array: NDArray[np.uint8], wanted: NewMask, sheet: _Sheet) -> None:
    """Draw into a new array; hearts are upright on the screen as a patient's scan hangs."""
    orientation = orientation_of(sheet.image) if sheet.image is not None else None
    spacing, shape = sheet.spacing, array.shape[-2:]
    if orientation is not None:
        spacing = apply_to_spacing(orientation, spacing)
        shape = shape[::-1] if orientation.transpose else shape

    def drawn(phase: str) -> NDArray[np.uint8]:
        same: dict[str, Any] = {"phase": phase, "anatomy": wanted.anatomy, "seed": wanted.seed}
        if wanted.part == STACK:
            slices = array.shape[-3] if array.ndim >= 3 else 1
            heart = draw_stack(slices=slices, shape=shape, spacing=spacing, **same)
        else:
            level = LEVELS[wanted.part]
            heart = draw_slice(shape=shape, spacing=spacing[1:], level=level, **same)
        return heart if orientation is None else undo(orientation, heart)

    lead = sheet.where[: array.ndim - 3] if wanted.part == STACK else sheet.where
    if wanted.phase != BOTH:
        array[lead] = drawn(wanted.phase)
        return
    for frame, phase in ((0, "ED"), (systole_of(len(array)), "ES")):
        if frame < len(array):
            array[(frame, *lead[1:])] = drawn(phase)
