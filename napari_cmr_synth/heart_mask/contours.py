"""Contours drawn as shapes over a mask, until they are turned into it.

One Shapes layer per mask holds them, each with its kind ("endo", "epi", "RV") as a feature, as
text beside it and as its colour.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.editing import CONTOURS
from cmr_synth.errors import InputError

from .._layers import COLOURS
from .._mask_layer import check_editable
from .._masks import unwrapped
from .contour_history import Drawn, clear, drawn_in, follow, restore
from .edits import draw_contours

if TYPE_CHECKING:
    from napari.layers import Labels, Shapes

OF_MASK = "cmr_contours_of"
"""Key of a Shapes layer's metadata: `unique_id` of the mask that its contours are for."""

KIND = "contour"
COLOUR_OF = {"endo": COLOURS["LV"], "epi": COLOURS["MYO"], "RV": COLOURS["RV"]}

Contour = tuple[tuple[int, ...], str, NDArray[np.float64]]
"""Leading indices of the slice, kind, (n, 2) points in pixels of the mask."""


def start_contour(viewer: Any, mask: Labels, kind: str, *, freehand: bool = True) -> Shapes:
    """Let the user draw a contour over a mask.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    mask : napari Labels layer
    kind : str
        A key of `CONTOURS`.
    freehand : bool
        Draw with the button held down; else by one click a corner, Enter closes.

    Returns
    -------
    Shapes
        The layer that is drawn in, now active.
    """
    if kind not in CONTOURS:
        raise InputError(f"unknown contour {kind!r}; known are {', '.join(CONTOURS)}.")
    check_editable(mask)
    viewer = unwrapped(viewer)
    layer = contour_layer(viewer, mask)
    if layer is None:
        layer = viewer.add_shapes(
            ndim=mask.ndim,
            name=f"contours of {mask.name}",
            features={KIND: np.array([], dtype=object)},
            text={"string": "{" + KIND + "}", "color": "white", "anchor": "upper_left", "size": 10},
            face_color="transparent",
            edge_width=0.6 * float(np.mean(np.abs(mask.scale[-2:]))) / float(mask.scale[-1]),
            metadata={OF_MASK: mask.unique_id},
            **{
                key: getattr(mask, key)
                for key in ("scale", "translate", "rotate", "shear", "affine", "units")
            },
        )
    layer.visible = True
    viewer.layers.selection.active = layer
    layer.selected_data = set()  # else the colour of the selected contour would change
    layer.feature_defaults = {KIND: kind}
    layer.current_edge_color = COLOUR_OF[kind]
    layer.mode = "add_polygon_lasso" if freehand else "add_polygon"
    return layer


def contour_layer(viewer: Any, mask: Labels) -> Shapes | None:
    """The layer with the contours of a mask, if any was drawn and not deleted."""
    from napari.layers import Shapes

    for layer in unwrapped(viewer).layers:
        if isinstance(layer, Shapes) and layer.metadata.get(OF_MASK) == mask.unique_id:
            return layer
    return None


def contours_of(viewer: Any, mask: Labels) -> list[Contour]:
    """The contours waiting over a mask, in the order in which they were drawn."""
    layer = contour_layer(viewer, mask)
    if layer is None:
        return []
    layer.mode = "select"  # finishes a contour that is still being drawn
    found = []
    for points, shape_type, kind in zip(
        layer.data, layer.shape_type, layer.features[KIND], strict=True
    ):
        lead = tuple(int(i) for i in np.rint(points[0, :-2]))
        outline = points[:, -2:]
        found.append((lead, str(kind), _ellipse(outline) if shape_type == "ellipse" else outline))
    return found


def apply_contours(viewer: Any, mask: Labels) -> int:
    """Turn the contours over a mask into its structures, and remove them.

    Returns
    -------
    int
        How many voxels changed; one step of the mask's history.

    Raises
    ------
    InputError
        If there is none, or one cannot be turned; then all stay as they are.
    """
    contours = contours_of(viewer, mask)
    if not contours:
        raise InputError(
            f"{mask.name}: no contour is drawn over it. Press endo, epi or RV, draw around the "
            "structure, then turn the contour into the mask."
        )
    steps: list[Any] = []

    def note(event: Any) -> None:
        steps.extend(event.value)

    mask.events.paint.connect(note)
    try:
        changed = draw_contours(mask, contours)
    finally:
        mask.events.paint.disconnect(note)
    layer = contour_layer(viewer, mask)
    if layer is not None:
        drawn, kind = drawn_in(layer), contours[-1][1]
        clear(layer)
        if steps:
            _come_back_with_undo(unwrapped(viewer), mask, steps, drawn, kind)
    unwrapped(viewer).layers.selection.active = mask
    return changed


def _come_back_with_undo(
    viewer: Any, mask: Labels, steps: list[Any], drawn: Drawn, kind: str
) -> None:
    """Show the contours again when their step is taken back; the mask stays the active layer."""

    def show() -> None:
        active = viewer.layers.selection.active
        layer = contour_layer(viewer, mask) or start_contour(viewer, mask, kind)
        restore(layer, drawn)
        layer.mode = "select"
        viewer.layers.selection.active = active

    def hide() -> None:
        layer = contour_layer(viewer, mask)
        if layer is not None:
            clear(layer)

    follow(mask, steps, show, hide)


def _ellipse(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points of the ellipse that napari keeps as the four corners around it."""
    centre = corners.mean(axis=0)
    first, second = (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
    angle = np.linspace(0, 2 * np.pi, 120, endpoint=False)[:, np.newaxis]
    return np.asarray(centre + np.cos(angle) * first + np.sin(angle) * second)
