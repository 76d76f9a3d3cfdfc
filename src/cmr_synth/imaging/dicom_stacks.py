"""Frames of an examination put together: which slices form a stack, in which order.

The geometry comes from Image Position and Image Orientation (Patient) alone. Slice Location,
Spacing Between Slices, Instance Number and file names are not: Slice Location of one vendor is not
measured along the slice normal, and instance numbers often jump; nor is the Frame of Reference,
which some anonymisers replace file by file. Slices of one study, plane direction, grid and protocol
form a stack, even across series (some scanners store one series per slice); a stack whose slices
are not evenly spaced, not above each other, or not equally many frames long is returned as one
stack per position, with a note, because no single affine is true for it.

Slices are ordered from base to apex, that is toward the patient's left, front and feet.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cmr_synth.imaging.dicom_header import MAGNITUDE, Frame
from cmr_synth.imaging.plane import Plane, plane_of
from cmr_synth.imaging.scan import SAME_PLACE_MM

SAME_DIRECTION = 1e-3  # headers round direction cosines to 6 digits, some writers to 4
EVEN_GAP = 0.05  # largest relative deviation of a gap between slices from their mean
STRAIGHT_MM = 0.5  # how far a slice may lie beside the line through the others
SAME_PROTOCOL = 0.05  # relative difference of echo times and flip angles of one protocol
ASSUMED_THICKNESS_MM = 8.0  # usual for short-axis cines; only for a single slice that names none

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, kw_only=True, eq=False)
class Stack:
    """Slices that one affine is true for, not read yet.

    Parameters
    ----------
    name : str
    slices : tuple of tuple of Frame
        The frames of each slice in time, base first.
    notes : tuple of str
    """

    name: str
    slices: tuple[tuple[Frame, ...], ...]
    notes: tuple[str, ...] = ()

    @property
    def first(self) -> Frame:
        """The first frame of the basal slice."""
        return self.slices[0][0]

    @property
    def n_slices(self) -> int:
        """Slices from base to apex."""
        return len(self.slices)

    @property
    def n_frames(self) -> int:
        """Frames in time, 1 for a still."""
        return len(self.slices[0])

    @property
    def step(self) -> npt.NDArray[np.float64]:
        """From one slice to the next, LPS mm; of a single slice its thickness along the normal."""
        if self.n_slices > 1:
            step: npt.NDArray[np.float64] = (self.slices[-1][0].position - self.first.position) / (
                self.n_slices - 1
            )
            return step
        return self.first.normal * (self.first.thickness or ASSUMED_THICKNESS_MM)

    @property
    def affine(self) -> npt.NDArray[np.float64]:
        """Voxel (x, y, z) to RAS mm."""
        first = self.first
        affine = np.eye(4)
        affine[:3, 0] = first.row * first.pixel[1]
        affine[:3, 1] = first.column * first.pixel[0]
        affine[:3, 2] = self.step
        affine[:3, 3] = first.position
        return _LPS_TO_RAS @ affine

    @property
    def plane(self) -> Plane:
        """Told by the direction of its slices."""
        return plane_of(self.affine)

    @property
    def series_numbers(self) -> tuple[int, ...]:
        """Of all series that slices of the stack are in."""
        return tuple(sorted({f.series_number for frames in self.slices for f in frames}))

    @property
    def frame_ms(self) -> float | None:
        """Time from frame to frame, where trigger times tell it."""
        times = [frame.trigger_ms for frame in self.slices[0]]
        if len(times) < 2 or times[0] is None or times[-1] is None or times[-1] <= times[0]:
            return None
        return (times[-1] - times[0]) / (len(times) - 1)

    def __str__(self) -> str:
        """One line for lists: series, what the scanner called it, plane, size."""
        called = f" '{self.first.description}'" if self.first.description else ""
        kind = "" if self.first.kind == MAGNITUDE else f", {self.first.kind} images"
        return (
            f"{self.name}{called}: {self.plane}, {self.n_slices} slices, {self.n_frames} frames"
            f"{kind}"
        )


def stacks_of(frames: Sequence[Frame], name: str) -> list[Stack]:
    """Put frames together.

    Parameters
    ----------
    frames : sequence of Frame
        Of one or more examinations.
    name : str
        Of the folder; the stacks are called by it and by their series.

    Returns
    -------
    list of Stack
        Ordered by series number.
    """
    single, notes = _unique(frames, name)
    kept, dropped = _of_magnitude(single, name)
    return [
        Stack(name=stack.name, slices=stack.slices, notes=(*notes, *dropped, *stack.notes))
        for group in _planes(kept)
        for stack in _stacks_of_plane(group, name)
    ]


def _unique(frames: Iterable[Frame], name: str) -> tuple[list[Frame], tuple[str, ...]]:
    """Each picture once: exports often hold copies. An identifier alone does not tell them."""
    pictures = {frame.told_apart_by: frame for frame in frames}
    identifiers = {(frame.instance, frame.index) for frame in pictures.values()}
    repeated = len(pictures) - len(identifiers)
    if not repeated:
        return list(pictures.values()), ()
    note = (
        f"{name}: {repeated + 1} different pictures or more share a SOP Instance UID; they are "
        "told apart by position, time and number."
    )
    return list(pictures.values()), (note,)


def _of_magnitude(frames: Sequence[Frame], name: str) -> tuple[list[Frame], tuple[str, ...]]:
    """Without the phase, real and imaginary images of places that have a magnitude image."""

    def place(frame: Frame) -> tuple[object, ...]:
        return (*frame.study, *np.round(frame.position, 1), *np.round(frame.normal, 2))

    shown = {place(frame) for frame in frames if frame.kind == MAGNITUDE}
    kept = [f for f in frames if f.kind == MAGNITUDE or place(f) not in shown]
    kinds = sorted({f.kind for f in frames} - {MAGNITUDE})
    notes = []
    if len(kept) < len(frames):
        notes.append(
            f"{name}: holds magnitude and {' and '.join(kinds)} images; the magnitude is taken, "
            f"{len(frames) - len(kept)} others are left out."
        )
    others = sorted({f.kind for f in kept} - {MAGNITUDE})
    if others:
        notes.append(f"{name}: holds {' and '.join(others)} images without their magnitude.")
    return kept, tuple(notes)


def _planes(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Frames that may form a stack: a series whole, joined by others that fill other places."""
    by_series: dict[tuple[str, str], list[list[Frame]]] = defaultdict(list)
    planes: list[list[Frame]] = []
    for frame in sorted(frames, key=lambda f: (f.series_number, f.series, f.instance_number)):
        members = by_series[frame.series, frame.kind]
        for group in members:
            if _same_plane(group[0], frame):
                group.append(frame)
                break
        else:
            members.append([frame])
    for groups in by_series.values():
        for group in groups:
            for plane in planes:
                if _joins(plane, group):
                    plane.extend(group)
                    break
            else:
                planes.append(list(group))
    return planes


def _joins(plane: Sequence[Frame], group: Sequence[Frame]) -> bool:
    """Whether a series continues others: the same plane and protocol, at places still free."""
    a, b = plane[0], group[0]
    if not (_same_plane(a, b) and a.kind == b.kind and _same_protocol(a, b)):
        return False
    there = {_height(a, frame) for frame in plane}
    return all(abs(_height(a, f) - h) > SAME_PLACE_MM for f in group for h in there)


def _same_plane(a: Frame, b: Frame) -> bool:
    return (
        a.study == b.study
        and a.shape == b.shape
        and bool(np.allclose(a.pixel, b.pixel, rtol=1e-4, atol=0))
        and bool(np.allclose(a.row, b.row, rtol=0, atol=SAME_DIRECTION))
        and bool(np.allclose(a.column, b.column, rtol=0, atol=SAME_DIRECTION))
    )


def _same_protocol(a: Frame, b: Frame) -> bool:
    return all(
        not x or not y or abs(x - y) <= SAME_PROTOCOL * max(abs(x), abs(y))
        for x, y in zip(a.protocol, b.protocol, strict=True)
    )


def _height(reference: Frame, frame: Frame) -> float:
    """Distance along the reference's normal, in mm."""
    return float(frame.position @ reference.normal)


def _stacks_of_plane(group: Sequence[Frame], folder: str) -> list[Stack]:
    reference = group[0]
    name = f"{folder} series {reference.series_number}"
    places: list[list[Frame]] = []
    for frame in sorted(group, key=lambda f: _height(reference, f)):
        if places and _height(reference, frame) - _height(reference, places[-1][0]) <= (
            SAME_PLACE_MM
        ):
            places[-1].append(frame)
        else:
            places.append([frame])
    notes: list[str] = []
    slices = tuple(_in_time(frames, name, notes) for frames in places)
    why = _uneven(slices)
    if not why:
        return [Stack(name=name, slices=slices, notes=tuple(notes))]
    note = f"{name}: {why}, so every slice position is a scan of its own."
    return [
        Stack(name=f"{name} position {i}", slices=(frames,), notes=(*notes, note))
        for i, frames in enumerate(slices, start=1)
    ]


def _in_time(frames: Sequence[Frame], name: str, notes: list[str]) -> tuple[Frame, ...]:
    """Frames of one position by trigger time, by temporal position, or by instance number."""
    if len(frames) == 1:
        return tuple(frames)
    triggers = [f.trigger_ms for f in frames if f.trigger_ms is not None]
    if len(triggers) == len(frames) == len(set(triggers)):
        return tuple(sorted(frames, key=lambda f: f.trigger_ms or 0.0))
    temporal = [f.temporal_position for f in frames if f.temporal_position is not None]
    if len(temporal) == len(frames) == len(set(temporal)):
        return tuple(sorted(frames, key=lambda f: f.temporal_position or 0))
    note = f"{name}: trigger times are missing or repeated; frames are in instance order."
    if note not in notes:
        notes.append(note)
    return tuple(sorted(frames, key=lambda f: f.instance_number))


def _uneven(slices: Sequence[Sequence[Frame]]) -> str:
    """Why no single affine or frame count fits the stack, or nothing."""
    counts = sorted({len(frames) for frames in slices})
    if len(counts) > 1:
        return f"slices have {counts[0]} to {counts[-1]} frames"
    positions = np.array([frames[0].position for frames in slices])
    if len(positions) < 2:
        return ""
    steps = np.diff(positions, axis=0)
    gaps = steps @ slices[0][0].normal
    if np.abs(gaps - gaps.mean()).max() > EVEN_GAP * gaps.mean():
        return f"slices are {gaps.min():.1f} to {gaps.max():.1f} mm apart (one may be missing)"
    line = positions[0] + np.arange(len(positions))[:, None] * steps.mean(axis=0)
    if np.linalg.norm(positions - line, axis=1).max() > STRAIGHT_MM:
        return "slices do not lie on a straight line"
    return ""
