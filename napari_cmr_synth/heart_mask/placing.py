"""A drawn heart placed by hand: handles move, scale and turn it, then it becomes part of a mask.

While it is placed, the template is a layer of its own, cut to the heart, so that napari's transform
box with its handles lies around the heart. Its data stay as drawn; only the layer's affine changes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.editing import between_phases, contraction, moved
from cmr_synth.anatomy.labels import ConventionGuess
from cmr_synth.errors import InputError

from .._layers import DESCRIPTION, labels_layer, scan_without_place
from .._mask_layer import Edit, check_editable, place, to_own, write
from .._masks import ENGINE, OVERLAY, structure_numbers, unwrapped
from .new_mask import BOTH, SEE_THROUGH, STACK, NewMask, add_mask, drawn_on, systole_of

if TYPE_CHECKING:
    from napari.layers import Image, Labels

MARGIN = 2  # pixels between the heart and the box


@dataclass(eq=False)
class Placing:
    """A template on its way.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    image : napari Image layer
        Whose grid it shall lie on.
    wanted : NewMask
        What was drawn.
    layer : napari Labels layer
        What is seen and moved, ([t,] [z,] y, x), cut to the heart.
    drawn : (frames, slices) bool array
        Which slices of the image it has something for; the others are left alone.
    second : (z, y, x) uint8 array, optional
        The other phase, for a still image, cut alike.
    corner : (y, x)
        Pixel of the image's grid where the cut begins.
    """

    viewer: Any
    image: Image
    wanted: NewMask
    layer: Labels
    drawn: NDArray[np.bool_]
    second: NDArray[np.uint8] | None
    corner: tuple[int, int]

    @property
    def there(self) -> bool:
        """Whether both the template and the image are still open."""
        return self.layer in self.viewer.layers and self.image in self.viewer.layers

    def reset(self) -> None:
        """Back to where it was drawn."""
        self.layer.affine = _cut_affine(self.image, self.layer, self.corner)

    def hold(self) -> None:
        """Give the handles back, after another tool of the layer was chosen."""
        self.viewer.layers.selection.active = self.layer
        self.layer.mode = "transform"

    def change(
        self, *, shift: tuple[float, float] = (0, 0), scale: float = 1.0, degrees: float = 0.0
    ) -> None:
        """Move by (y, x) in mm on the screen, scale and turn about the middle; without a mouse."""
        from napari.utils.transforms import Affine

        axes = list(range(self.layer.ndim))[-2:]
        now = self.layer.affine.set_slice(axes)
        shape = np.array(self.layer.data.shape)
        middle = np.array(self.layer.data_to_world((shape - 1) / 2))[-2:]
        step = (
            Affine(translate=middle + shift, ndim=2)
            .compose(Affine(rotate=degrees, scale=(scale, scale), ndim=2))
            .compose(Affine(translate=-middle, ndim=2))
        )
        self.layer.affine = self.layer.affine.replace_slice(axes, step.compose(now))

    def matrix(self) -> NDArray[np.float64]:
        """Where a pixel of the image looks in the template, see `moved`."""
        zero = np.zeros(self.image.ndim)
        points = [zero.copy() for _ in range(3)]
        points[1][-2] = points[2][-1] = 1
        seen = [
            np.array(self.layer.world_to_data(self.image.data_to_world(p)))[-2:] for p in points
        ]
        return np.column_stack([seen[1] - seen[0], seen[2] - seen[0], seen[0]])

    def finish(self, mask: Labels | None = None) -> list[Labels]:
        """Draw it into a mask, as one step that undo takes back, and take the template away.

        Parameters
        ----------
        mask : napari Labels layer, optional
            On the grid of the image: slices that the template has are replaced, others stay.
            Without one, a new layer; two for both phases of a still image.

        Returns
        -------
        list of Labels
            The masks.

        Raises
        ------
        InputError
            If the template or the image was removed, or a mask cannot be edited.
        """
        if not self.there:
            raise InputError("The template, or the scan under it, was removed. Place another one.")
        matrix, shape = self.matrix(), self.image.data.shape[-2:]
        stacks = np.reshape(self.layer.data, (*self.drawn.shape, *self.layer.data.shape[-2:]))
        hearts = [np.stack([moved(stack, matrix, shape) for stack in stacks])]
        if self.second is not None:
            hearts.append(moved(self.second, matrix, shape)[None])
        if not any(heart.any() for heart in hearts):
            raise InputError("The template lies outside the picture. Move it back.")
        if mask is not None:
            check_editable(mask)
        names = [self.wanted.phase] if len(hearts) == 1 else ["ED", "ES"]
        masks: list[Labels] = []
        for heart, phase in zip(hearts, names, strict=True):
            into = mask if mask is not None and not masks else self._empty(phase)
            self._write(into, heart)
            masks.append(into)
        self.cancel()
        self.viewer.layers.selection.active = masks[0]
        return masks

    def cancel(self) -> None:
        """Take the template away; nothing else changes."""
        if self.layer in self.viewer.layers:
            self.viewer.layers.remove(self.layer)

    def _empty(self, phase: str) -> Labels:
        name = replace(self.wanted, phase=phase).name
        empty = NewMask(anatomy=None, called=name.replace(", drawn", ", placed"))
        mask = add_mask(self.viewer, empty, self.image)[0]
        mask.metadata[DESCRIPTION] = (
            f"SYNTHETIC {self.wanted.anatomy} heart drawn in code, placed by hand on a scan"
        )
        return mask

    def _write(self, mask: Labels, heart: NDArray[np.uint8]) -> None:
        numbers = structure_numbers(mask)
        edits: list[Edit] = []
        for frame, index in np.argwhere(self.drawn):
            lead = (int(frame), int(index))[4 - mask.ndim :] if mask.ndim > 2 else ()
            before = np.asarray(mask.data[lead])
            edits.append((lead, to_own(heart[frame, index], before, numbers)))
        write(mask, edits)


def start_placing(viewer: Any, wanted: NewMask, image: Image | None) -> Placing:
    """Show a drawn heart with handles around it.

    Both phases of a cine are drawn in every frame, as a heart that beats; one phase lies in the
    frame shown.

    Raises
    ------
    InputError
        If no heart or no image is given, or the image is no slice, stack or cine.
    """
    viewer = unwrapped(viewer)
    if wanted.anatomy is None:
        raise InputError("There is nothing to place: choose a template heart as content.")
    if image is None:
        raise InputError("A template is placed on a scan: choose one under Grid of, or open one.")
    full = drawn_on(viewer, wanted, image)
    where = place(viewer, image)
    if wanted.phase == BOTH and image.ndim == 4:
        _let_beat(full[0], wanted, where)
    heart = np.any([array.any(axis=tuple(range(array.ndim - 2))) for array in full], axis=0)
    if not heart.any():
        raise InputError("The slice shown lies outside the template; show another slice.")
    rows, columns = (_range(heart.any(axis=axis)) for axis in (1, 0))
    corner = (rows.start, columns.start)
    cut = [np.ascontiguousarray(array[..., rows, columns]) for array in full]
    shown = _template(viewer, wanted, cut[0], image, corner)
    stacks = np.reshape(full[0], (-1, *((1, *full[0].shape)[-3:])))
    return Placing(
        viewer=viewer,
        image=image,
        wanted=wanted,
        layer=shown,
        drawn=_slices_meant(stacks, wanted, where, image.ndim),
        second=cut[1] if len(cut) > 1 else None,
        corner=corner,
    )


def _template(
    viewer: Any,
    wanted: NewMask,
    data: NDArray[np.uint8],
    image: Image,
    corner: tuple[int, int],
) -> Labels:
    voxel = scan_without_place(np.zeros((1, 1, 1), np.uint8), (1.0, 1.0, 1.0), wanted.name)
    _, look, _ = labels_layer(voxel, guess=ConventionGuess(ENGINE, 1.0, ""))
    shown: Labels = viewer.add_labels(
        data,
        name=f"placing: {wanted.name}",
        opacity=SEE_THROUGH,
        colormap=look["colormap"],
        features=look["features"],
        scale=image.scale,
        rotate=image.rotate,
        shear=image.shear,
        translate=image.translate,
        axis_labels=image.axis_labels,
        units=image.units,
        metadata={OVERLAY: True},
    )
    shown.affine = _cut_affine(image, shown, corner)
    viewer.layers.selection.active = shown
    shown.mode = "transform"
    return shown


def _cut_affine(image: Image, layer: Labels, corner: tuple[int, int]) -> NDArray[np.float64]:
    """The affine by which a layer that begins at a corner of an image lies where it belongs."""
    base = np.array(image.affine.affine_matrix)
    layer.affine = base
    start = np.zeros(image.ndim)
    start[-2:] = corner
    shift = np.array(image.data_to_world(start)) - np.array(layer.data_to_world(0 * start))
    base[:-1, -1] += shift
    return base


def _slices_meant(
    stacks: NDArray[np.uint8], wanted: NewMask, where: tuple[int, ...], ndim: int
) -> NDArray[np.bool_]:
    """The slices that placing replaces: of the frame, or the slice, that is meant."""
    meant = np.zeros(stacks.shape[:2], bool)
    frames = slice(None) if wanted.phase == BOTH or ndim < 4 else slice(where[0], where[0] + 1)
    single = wanted.part != STACK and ndim > 2
    meant[frames, slice(where[-1], where[-1] + 1) if single else slice(None)] = True
    return meant


def _let_beat(cine: NDArray[np.uint8], wanted: NewMask, where: tuple[int, ...]) -> None:
    """Fill a cine in which ED and ES are drawn, in place."""
    systole = systole_of(len(cine))
    slices = slice(None) if wanted.part == STACK else slice(where[-1], where[-1] + 1)
    ed, es = cine[0, slices].copy(), cine[min(systole, len(cine) - 1), slices].copy()
    for frame, share in enumerate(contraction(len(cine), systole)):
        cine[frame, slices] = between_phases(ed, es, float(share))


def _range(shown: NDArray[np.bool_]) -> slice:
    at = np.flatnonzero(shown)
    return slice(max(int(at[0]) - MARGIN, 0), min(int(at[-1]) + 1 + MARGIN, len(shown)))
