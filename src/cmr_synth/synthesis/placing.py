"""A mask on a model's grid: the slices that are drawn, where they lie, and what is odd about them.

The mask is turned to the canonical orientation and the model's grid is centred on the heart. All
slices of a stack share one placement, so that the synthetic stack is aligned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import UNLABELLED, is_heart, scar_as_myocardium
from cmr_synth.anatomy.plausibility import Finding, stack_findings
from cmr_synth.anatomy.plausibility import findings as slice_findings
from cmr_synth.errors import InputError
from cmr_synth.imaging.grid import WorkingGrid
from cmr_synth.imaging.heart_side import Mirror, orientation_of_heart
from cmr_synth.imaging.normalise import around_heart, heart_window
from cmr_synth.imaging.orientation import Orientation, apply, apply_to_spacing
from cmr_synth.imaging.placed import Placed
from cmr_synth.imaging.positions import positions_in_stack
from cmr_synth.imaging.scan import Scan, require_foreground


@dataclass(frozen=True)
class Part:
    """Frames and slices that were asked for, in order; `whole` if nobody asked for less."""

    frames: tuple[int, ...]
    slices: tuple[int, ...]
    whole: bool

    @classmethod
    def of(cls, mask: Scan, *, slices: Sequence[int] | None, frames: Sequence[int] | None) -> Part:
        """Check what was asked for.

        Raises
        ------
        InputError
            If the mask has no such slice or frame.
        """
        chosen = []
        for what, asked, there in (
            ("frame", frames, mask.n_frames),
            ("slice", slices, mask.n_slices),
        ):
            numbers = range(there) if asked is None else sorted({int(number) for number in asked})
            for number in numbers:
                if not 0 <= number < there:
                    raise InputError(
                        f"{mask.name}: has no {what} {number}; choose 0 to {there - 1}."
                    )
            chosen.append(tuple(numbers))
        return cls(chosen[0], chosen[1], whole=slices is None and frames is None)

    def __str__(self) -> str:
        slices, frames = (", ".join(map(str, numbers)) for numbers in (self.slices, self.frames))
        return f"slice {slices}" + (f" of frame {frames}" if self.frames != (0,) else "")


LEAST_MM2 = 100.0
"""Area that the largest slice of any heart exceeds: that of a child's heart near the apex does so,
and an adult's has 15 times as much at the papillary muscles."""


@dataclass(frozen=True)
class PlacedMask:
    """The part of a mask that is to be made, on the grid of the model.

    Parameters
    ----------
    mask : Scan
    part : Part
    placed : Placed
    drawn : tuple of (frame, slice)
        One for each of `labels`.
    labels : (k, rows, columns) uint8 array
    z : (slices,) array, optional
        Slice positions, where they are known.
    findings : tuple of dict
        What is unusual about the anatomy.
    """

    mask: Scan
    part: Part
    placed: Placed
    drawn: tuple[tuple[int, int], ...]
    labels: NDArray[np.uint8]
    z: NDArray[np.float32] | None
    findings: tuple[dict[str, Any], ...]

    def position(self, k: int) -> float | None:
        """Of a slice between base, 0, and apex, 1; None leaves it open."""
        return None if self.z is None else float(self.z[k])

    def on_mask_grid(self, pictures: NDArray[np.float32]) -> Scan:
        """Pictures of the drawn slices, (k, rows, columns), as a scan on the mask's grid."""
        mask = self.mask
        pixels = self.placed.image_from_grid(pictures)
        array = np.zeros((mask.n_frames, *mask.shape[-3:]), dtype=np.float32)
        for (t, k), plane in zip(self.drawn, pixels, strict=True):
            array[t, k] = plane
        return mask.with_array(array if mask.is_cine else array[0])

    def covered(self) -> dict[str, Any]:
        """The part of the mask's slices that the model's grid reaches, in voxels as stored."""
        ones = np.ones(self.placed.placement.grid.shape, dtype=np.float32)
        inside = self.placed.image_from_grid(ones) > 0.5
        rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
        return {
            "share": round(float(inside.mean()), 4),
            "rows": [int(rows[0]), int(rows[-1]) + 1],
            "columns": [int(columns[0]), int(columns[-1]) + 1],
        }


def place_mask(
    mask: Scan,
    grid: WorkingGrid,
    part: Part,
    *,
    z: float | None,
    convention: str | None,
    mirror: Mirror = "auto",
) -> PlacedMask:
    """Bring a mask to the grid of a model.

    Parameters
    ----------
    mask : Scan
        ([t,] z, y, x) engine labels.
    grid : WorkingGrid
    part : Part
    z : float, optional
        Position of the only slice that is labelled or asked for; otherwise it follows from the
        stack.
    convention : str, optional
        Cohort whose in-plane orientation holds where the affine has lost the direction.
    mirror : str
        What is done to the display that the affine gives; see `cmr_synth.imaging.heart_side`.

    Raises
    ------
    InputError
        If the mask is empty where it is asked for, holds other labels, is larger than the grid or
        nowhere as large as a heart; if a position is given for a stack.
    """
    require_foreground(mask)
    stored = (mask.array if mask.is_cine else mask.array[None]).astype(np.uint8, copy=False)
    heart = is_heart(stored)
    _require_size(heart, mask)
    placed = Placed.around(
        heart,
        mask.affine,
        mask.spacing,
        grid=grid,
        name=mask.name,
        orientation=upright(mask, mirror, convention=convention),
    )
    everywhere = np.argwhere(heart.any(axis=(2, 3)))
    asked = np.isin(everywhere[:, 0], part.frames) & np.isin(everywhere[:, 1], part.slices)
    drawn = everywhere[asked]
    if not len(drawn):
        raise InputError(
            f"{mask.name}: shows no heart on what was asked for ({part}); draw it there, or ask "
            f"for slices that show it ({_listed(everywhere[:, 1])})."
        )
    fill = UNLABELLED if (stored == UNLABELLED).any() else 0

    def to_grid(planes: NDArray[np.int64]) -> NDArray[np.uint8]:
        return placed.labels_to_grid(stored[planes[:, 0], planes[:, 1]], fill=fill)

    on_grid = to_grid(drawn)
    if not (_shows_heart(on_grid) or (not part.whole and _shows_heart(to_grid(everywhere)))):
        raise InputError(
            f"{mask.name}: the heart is smaller than a pixel of the model's grid "
            f"({grid.spacing} mm); check the voxel spacing in its header."
        )
    return PlacedMask(
        mask=mask,
        part=part,
        placed=placed,
        drawn=tuple((int(t), int(k)) for t, k in drawn),
        labels=on_grid,
        z=_positions(heart.sum(axis=(0, 2, 3)), z, mask.name, only=set(drawn[:, 1].tolist())),
        findings=tuple(_findings(mask, stored, placed, part)),
    )


def _require_size(heart: NDArray[np.bool_], mask: Scan) -> None:
    """Refuse what nobody would take for a heart, such as the first dab of a brush."""
    pixels = int(heart.sum(axis=(2, 3)).max())
    largest = pixels * float(mask.spacing[1] * mask.spacing[2])
    if largest < LEAST_MM2:
        raise InputError(
            f"{mask.name}: at most {pixels} pixel{'s' * (pixels > 1)} ({largest:.0f} mm²) of a "
            f"slice are drawn, and a heart has over {LEAST_MM2:.0f} mm² there; draw more of it, or "
            "correct the voxel spacing."
        )


def upright(mask: Scan, mirror: Mirror, *, convention: str | None = None) -> Orientation:
    """Find how the slices of a mask get into radiological display.

    Raises
    ------
    InputError
        If the heart lies on the wrong side and the user has to decide.
    """
    return orientation_of_heart(
        scar_as_myocardium(mask.array.astype(np.uint8, copy=False)),
        mask.affine,
        mask.spacing,
        name=mask.name,
        convention=convention,
        mirror=mirror,
    )


def _findings(
    mask: Scan, stored: NDArray[np.uint8], placed: Placed, part: Part
) -> list[dict[str, Any]]:
    """Of whole stacks, or of the slices asked for, so that one slice costs no more than that."""
    spacing = apply_to_spacing(placed.orientation, mask.spacing)
    found = []
    for t in part.frames:
        upright = apply(placed.orientation, stored[t])
        for finding in _findings_of(upright, spacing, part, name=mask.name):
            if finding.severity != "info":
                found.append(asdict(finding) | ({"frame": t} if mask.is_cine else {}))
    return found


def _findings_of(
    stack: NDArray[np.uint8], spacing: tuple[float, float, float], part: Part, *, name: str
) -> list[Finding]:
    if part.whole or len(part.slices) == len(stack):
        return stack_findings(stack, spacing, name=name)
    return [
        replace(finding, slice_index=k)
        for k in part.slices
        for finding in slice_findings(stack[k], spacing[1:], name=name)
    ]


def _shows_heart(labels: NDArray[np.uint8]) -> bool:
    return bool(is_heart(labels).any())


def _listed(numbers: NDArray[np.int64]) -> str:
    return ", ".join(str(number) for number in np.unique(numbers))


def _positions(
    area: NDArray[np.int64], z: float | None, name: str, *, only: set[int]
) -> NDArray[np.float32] | None:
    if z is None:
        return positions_in_stack(area)
    labelled = np.count_nonzero(area)
    if labelled != 1 and len(only) != 1:
        raise InputError(
            f"{name}: has {labelled} labelled slices, so their positions are known from the stack; "
            "leave the slice position out, or make one slice."
        )
    return np.full(len(area), z, dtype=np.float32)


def scan_on_grid(scan: Scan, mask: Scan, placed: PlacedMask) -> NDArray[np.float32]:
    """The drawn slices of a scan on the model's grid, frames normalised one by one.

    Parameters
    ----------
    scan : Scan
        ([t,] z, y, x) real pixels in any unit, on the grid of the mask.
    mask : Scan
        Engine labels.
    placed : PlacedMask
        The mask on the model's grid.

    Returns
    -------
    (k, rows, columns) float32 array in [0, 1]
    """
    rows, columns = scan.spacing[1:]
    window = heart_window(is_heart(mask.array), (rows, columns))
    frames = scan.array if scan.is_cine else scan.array[None]
    shown = {t: around_heart(frames[t], window) for t in {t for t, _ in placed.drawn}}
    stored = np.stack([shown[t][k] for t, k in placed.drawn])
    return np.clip(placed.placed.image_to_grid(stored), 0, 1).astype(np.float32)
