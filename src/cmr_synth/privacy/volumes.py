"""The nearest real stack of a whole synthetic one: what slices of one person tell together.

A slice can look like nobody's and a stack still like somebody's, because all slices of a stack have
to come from one person. A blurred stack, or an average heart, is like everybody: what tells is by
how much a stack is more like one person than like the next, in the manner of the ratio of
distances to the nearest and the next (Lowe 2004, doi:10.1023/B:VISI.0000029664.99615.94).

Whole volumes are compared by the correlation of their voxels, averaged over 4 x 4 pixels in plane,
for it is layout and shading that slices of a person share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmr_synth.cohorts.slices import SliceSet, persons_of
from cmr_synth.cohorts.volumes import Depth, Volume, volumes_of
from cmr_synth.errors import InputError

FINE = 4  # pixels to a side that are averaged
COPY_NOISE = 0.05  # standard deviation, of planted copies


def nearest_volumes(
    made: NDArray[np.floating],
    real: NDArray[np.floating],
    persons: NDArray[np.str_] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """The real volume that each synthetic one is most like.

    Parameters
    ----------
    made, real : (n, d, y, x) and (m, d, y, x) arrays
        Grey values on one grid, at the same depth; see `cmr_synth.cohorts.volumes`. Sides divide
        by 4. They may be apart by 4 pixels along each axis, because each was centred on its heart.

    persons : (m,) str array, optional
        Whose the real ones are; by default each is somebody else's.

    Returns
    -------
    (n,) int array, (n,) float64 array, (n,) float64 array
        Which one; the correlation with it, -1 to 1; and by how much that exceeds the correlation
        with anything of the next person.

    Raises
    ------
    ValueError
        If the volumes are of different shapes, or the real ones not of two persons at least.
    """
    whose = np.arange(len(real)).astype(str) if persons is None else persons
    if made.shape[1:] != real.shape[1:] or len(np.unique(whose)) < 2:
        raise ValueError(f"volumes of {made.shape[1:]} among {len(real)} of {real.shape[1:]}")
    inner, sought = _averaged(made), _averaged(real)
    middle = _standard(sought[:, :, 1:-1, 1:-1]).T
    height, width = sought.shape[2] - 2, sought.shape[3] - 2
    alike = np.max(
        [
            _standard(inner[:, :, down : down + height, across : across + width]) @ middle
            for down in range(3)
            for across in range(3)
        ],
        axis=0,
    )
    place = alike.argmax(axis=1)
    nearest = alike[np.arange(len(made)), place]
    others = np.where(whose[None] == whose[place][:, None], -np.inf, alike)
    return place, nearest, nearest - others.max(axis=1)


def _averaged(volumes: NDArray[np.floating]) -> NDArray[np.float64]:
    """(n, d, y / 4, x / 4)."""
    count, depth, rows, columns = volumes.shape
    blocks = volumes.reshape(count, depth, rows // FINE, FINE, columns // FINE, FINE)
    averaged: NDArray[np.float64] = blocks.mean(axis=(3, 5), dtype=np.float64)
    return averaged


def _standard(volumes: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, k) of mean 0 and length 1; 0 where a volume is all of one grey."""
    flat = volumes.reshape(len(volumes), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    standard: NDArray[np.float64] = np.divide(
        flat, length, out=np.zeros_like(flat), where=length > 1e-9
    )
    return standard


@dataclass(frozen=True)
class NearestStack:
    """A whole stack and the training stack that it is most like."""

    patient: str
    phase: str
    nearest_cohort: str
    nearest_patient: str
    nearest_phase: str
    correlation: float
    lead: float  # of it over that with the next patient


@dataclass(frozen=True)
class VolumeAudit:
    """Whom whole stacks are like.

    Parameters
    ----------
    synthetic, unseen, copies : tuple of NearestStack
        Of the synthetic stacks; of patients that were not trained on; and of planted copies,
        training stacks under noise, which say what would have been found.
    left_out : tuple of str
        A line for each kind of synthetic stack that could not be compared.
    """

    synthetic: tuple[NearestStack, ...]
    unseen: tuple[NearestStack, ...]
    copies: tuple[NearestStack, ...]
    left_out: tuple[str, ...]

    @property
    def threshold(self) -> float:
        """The lead that no unseen patient's stack exceeds."""
        return max(one.lead for one in self.unseen)

    @property
    def suspects(self) -> tuple[NearestStack, ...]:
        """Synthetic stacks that are more one training patient's than any unseen patient's is."""
        return tuple(one for one in self.synthetic if one.lead > self.threshold)

    @property
    def copies_found(self) -> int:
        """Planted copies that are found: nearest to their original, and above the threshold."""
        return sum(
            one.lead > self.threshold
            and (one.patient, one.phase) == (one.nearest_patient, one.nearest_phase)
            for one in self.copies
        )


def audit_volumes(
    made: SliceSet,
    real: SliceSet,
    depth: Depth,
    *,
    split: str = "test",
    cohorts: Sequence[str] | None = None,
    copies: int = 20,
    seed: int = 0,
) -> VolumeAudit:
    """Compare whole synthetic stacks with those of the training patients.

    Parameters
    ----------
    made : SliceSet
        Synthetic stacks with their masks, on the grid of `real`.
    real : SliceSet
    depth : Depth
        What all stacks are brought to.
    split : str
        Patients that were not trained on: "test" or "validation".
    cohorts : sequence of str, optional
        Of `real`.
    copies : int
        Planted ones.
    seed : int
        Of their noise.

    Raises
    ------
    InputError
        If there is nothing to compare, or the grids differ.
    """
    if made.images.shape[1:] != real.images.shape[1:] or made.spacing != real.spacing:
        raise InputError("the synthetic stacks are on another grid than the slice set's.")
    synthetic, lost = volumes_of(made, depth, split=None)
    training, _ = volumes_of(real, depth, split="train", cohorts=cohorts)
    others, _ = volumes_of(real, depth, split=split, cohorts=cohorts)
    for what, found in (("synthetic", synthetic), ("training", training), (split, others)):
        if not found:
            raise InputError(f"there is no {what} stack of {depth.least} slices or more.")
    known, whose = _read(training, real), persons_of([volume.row for volume in training])
    if len(np.unique(whose)) < 2:
        raise InputError("the training stacks are of one patient; there is nobody to tell apart.")
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(training))[:copies]
    planted = known[chosen] + rng.normal(0, COPY_NOISE, known[chosen].shape)

    def placed(volumes: Sequence[Volume], pixels: NDArray) -> tuple[NearestStack, ...]:
        at, alike, leads = nearest_volumes(pixels, known, whose)
        return tuple(
            NearestStack(
                patient=volume.row.patient,
                phase=volume.row.phase,
                nearest_cohort=training[k].row.cohort,
                nearest_patient=training[k].row.patient,
                nearest_phase=training[k].row.phase,
                correlation=float(value),
                lead=float(lead),
            )
            for volume, k, value, lead in zip(volumes, at, alike, leads, strict=True)
        )

    return VolumeAudit(
        synthetic=placed(synthetic, _read(synthetic, made)),
        unseen=placed(others, _read(others, real)),
        copies=placed([training[k] for k in chosen], planted),
        left_out=tuple(lost.told(depth)),
    )


def _read(volumes: Sequence[Volume], slices: SliceSet) -> NDArray[np.float32]:
    """The middle of volumes, (n, d, y, x), on the grid that the set was prepared for."""
    rows, columns = slices.images.shape[1:]
    height, width = slices.shape
    top, left = (rows - height) // 2, (columns - width) // 2
    return np.stack(
        [volume.read(slices)[0][:, top : top + height, left : left + width] for volume in volumes]
    )
