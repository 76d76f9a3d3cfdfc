"""The volumes of a slice set: stacks from base to apex, or slices over a heartbeat.

Volumes of all patients have one depth, so that a network can take them. Stacks are resampled along
z to one distance, beginning with the first slice; whatever lies beyond the last is empty. Beats are
resampled to as many frames, beginning with end-diastole; after the last frame comes the first.
Pictures are mixed linearly of the two nearest slices, labels are those of the nearest one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cmr_synth.cohorts.slices import SliceRow, SliceSet

NOMINAL_MM = 10.0  # between slices of sets that do not say


@dataclass(frozen=True, kw_only=True)
class Depth:
    """What volumes are brought to.

    Parameters
    ----------
    axis : "z" or "t"
    count : int
        Slices or frames.
    between_mm : float
        Distance of slices; of no account for frames.
    least : int
        Slices (after resampling) or frames (before) that a volume must have.
    """

    axis: Literal["z", "t"]
    count: int
    between_mm: float
    least: int


@dataclass(frozen=True, eq=False)
class Volume:
    """One volume of a set.

    Parameters
    ----------
    row : SliceRow
        Of its middle slice, or of its first frame: whose it is.
    lower, upper : (depth,) int arrays
        The two slices of the set that each place lies between.
    share : (depth,) float32 array
        Of the upper one.
    there : (depth,) bool array
        Which places are not beyond the last slice.
    """

    row: SliceRow
    lower: NDArray[np.int64]
    upper: NDArray[np.int64]
    share: NDArray[np.float32]
    there: NDArray[np.bool_]

    def read(
        self, slices: SliceSet
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.bool_]]:
        """Pixels in [0, 1], labels and what is inside the scan, (depth, rows, columns) each.

        Beyond the last slice pixels are 0 and labels background, and that counts as inside.
        """
        share = self.share[:, None, None]
        low, high = slices.images[self.lower], slices.images[self.upper]
        pixels = ((1 - share) * low + share * high) / np.float32(255)
        nearest = np.where(self.share < 0.5, self.lower, self.upper)
        labels = np.array(slices.labels[nearest], np.uint8)
        inside = (slices.covered[self.lower] > 0) & (slices.covered[self.upper] > 0)
        pixels[~self.there], labels[~self.there], inside[~self.there] = 0, 0, True
        return pixels.astype(np.float32), labels, inside

    @property
    def members(self) -> NDArray[np.int64]:
        """Slices of the set that it is made of."""
        return np.unique(np.concatenate([self.lower[self.there], self.upper[self.there]]))


@dataclass(frozen=True)
class LeftOut:
    """Volumes that do not do, by cohort and patient, with the slices or frames that they have.

    Parameters
    ----------
    short, long : tuple of (str, int)
        With fewer than `Depth.least`, or longer than its `count` at its distance.
    """

    short: tuple[tuple[str, int], ...] = ()
    long: tuple[tuple[str, int], ...] = ()

    def told(self, depth: Depth) -> list[str]:
        """A line for each kind."""
        what = f"slices of {depth.between_mm:g} mm" if depth.axis == "z" else "frames"
        lines = []
        for found, why in (
            (self.short, f"fewer than {depth.least} {what}"),
            (self.long, f"more than {depth.count} {what}"),
        ):
            if found:
                some = ", ".join(f"{name} with {count}" for name, count in found[:3])
                more = f" and {len(found) - 3} more" if len(found) > 3 else ""
                lines.append(f"{len(found)} volumes left out, {why}: {some}{more}")
        return lines


def volumes_of(
    slices: SliceSet,
    depth: Depth,
    *,
    split: str | None = "train",
    cohorts: Sequence[str] | None = None,
) -> tuple[list[Volume], LeftOut]:
    """Every volume of one split, and those that are too short or too long.

    Stacks are told apart by cohort, patient and phase, cines by cohort, patient and slice; frames
    of cines belong to no stack.
    """
    groups: dict[tuple[str, ...], list[int]] = {}
    for i in slices.where(split=split, cohorts=cohorts):
        row = slices.rows[i]
        if (row.frame is None) == (depth.axis == "z"):
            within = row.phase if depth.axis == "z" else str(row.slice)
            groups.setdefault((row.cohort, row.patient, within), []).append(int(i))
    make = _stack if depth.axis == "z" else _beat
    found: list[Volume] = []
    lost: dict[str, list[tuple[str, int]]] = {"short": [], "long": []}
    for (cohort, patient, within), members in groups.items():
        volume, count = make(slices, members, depth)
        if volume is not None:
            found.append(volume)
            continue
        what = within if depth.axis == "z" else f"slice {within}"
        side = lost["short" if count < depth.least else "long"]
        side.append((f"{cohort} {patient} {what}".rstrip(), count))
    return found, LeftOut(tuple(lost["short"]), tuple(lost["long"]))


def _stack(slices: SliceSet, members: list[int], depth: Depth) -> tuple[Volume | None, int]:
    """The stack, if it does, and how many slices of the distance it has."""
    order = np.array(sorted(members, key=lambda i: slices.rows[i].slice))
    rows = [slices.rows[i] for i in order]
    between = rows[0].between_mm or NOMINAL_MM
    at = np.array([row.slice - rows[0].slice for row in rows]) * between
    # a stack reaches half a slice beyond the middle of its last one
    count = 1 + int((at[-1] + min(between, depth.between_mm) / 2) / depth.between_mm)
    if not depth.least <= count <= depth.count:
        return None, count
    wanted = np.minimum(np.arange(depth.count) * depth.between_mm, at[-1])
    place = np.interp(wanted, at, np.arange(len(at)))
    lower = np.floor(place + 1e-6).astype(int)
    upper = np.minimum(lower + 1, len(at) - 1)
    share = np.clip(place - lower, 0, 1).astype(np.float32)
    there = np.arange(depth.count) < count
    middle = rows[len(rows) // 2]
    return Volume(middle, order[lower], order[upper], share, there), count


def _beat(slices: SliceSet, members: list[int], depth: Depth) -> tuple[Volume | None, int]:
    """The beat, if it does, and how many frames it has."""
    order = np.array(sorted(members, key=lambda i: slices.rows[i].frame or 0))
    count = len(order)
    if count < depth.least:
        return None, count
    phases = [slices.rows[i].phase for i in order]
    order = np.roll(order, -phases.index("ED") if "ED" in phases else 0)
    place = np.arange(depth.count) * count / depth.count
    lower = np.floor(place).astype(int)
    share = (place - lower).astype(np.float32)
    there = np.ones(depth.count, bool)
    volume = Volume(slices.rows[order[0]], order[lower], order[(lower + 1) % count], share, there)
    return volume, count
