"""DICOM cines: what lies in a folder, which of it is the short-axis cine, and its pixels.

Files are found in `dicom_files`, their headers judged in `dicom_header`, put together to stacks in
`dicom_stacks`, and their pixels decoded in `dicom_pixels`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cmr_synth.errors import InputError
from cmr_synth.files import require_path
from cmr_synth.imaging.dicom_files import find_frames, is_dicom
from cmr_synth.imaging.dicom_header import MAGNITUDE, vendor_of
from cmr_synth.imaging.dicom_pixels import read_pixels
from cmr_synth.imaging.dicom_stacks import ASSUMED_THICKNESS_MM, Stack, stacks_of
from cmr_synth.imaging.scan import MAX_VOXELS, Scan, between_slices_mm, scan_name, shear_note

__all__ = ["DicomOrigin", "choose", "is_dicom", "list_stacks", "read_dicom", "read_stack"]

CINE = 8  # frames from which a stack counts as a cine of the whole beat
LISTED = 8  # other stacks that a note names


@dataclass(frozen=True, kw_only=True)
class DicomOrigin:
    """Where a scan came from: the files of each slice and frame, and what the scanner said.

    `files` has the order of the scan, one tuple of frames per slice; an enhanced file stands once
    for each of its frames. `vendor` is the name that models know, None if it is none of them.
    `trigger_ms` are the times of the basal slice's frames after the R wave, where given: the first
    is near end diastole.
    """

    files: tuple[tuple[Path, ...], ...]
    manufacturer: str
    series_numbers: tuple[int, ...]
    vendor: str | None = None
    field_strength_t: float | None = None
    description: str = ""
    trigger_ms: tuple[float, ...] = ()


def list_stacks(path: str | Path | Sequence[str | Path]) -> list[Stack]:
    """List what a folder holds, from headers alone.

    Parameters
    ----------
    path : path, or sequence of path
        Folders, searched with their subfolders and through links; slices; or a DICOMDIR, which
        stands for what it lists.

    Returns
    -------
    list of Stack
        Ordered by series number; the notes of each say what was left out and why.

    Raises
    ------
    InputError
        If there is no readable picture.
    """
    paths = [Path(path)] if isinstance(path, str | Path) else [Path(one) for one in path]
    for one in paths:
        require_path(one)
    found = find_frames(paths)
    if not found.frames:
        if not found.reasons:
            left_out = found.notes(scan_name(paths[0]))
            raise InputError(
                f"{paths[0]}: no DICOM image found. Give the folder that holds the slices."
                + "".join(f" ({note})" for note in left_out)
            )
        more = len(found.reasons) - 1
        others = f" ({more} more files were refused, too.)" if more else ""
        raise InputError(found.reasons[0] + others)
    name = scan_name(paths[0])
    left_out = found.notes(name)
    return [
        dataclasses.replace(stack, notes=(*left_out, *stack.notes))
        for stack in stacks_of(found.frames, name)
    ]


def read_dicom(path: str | Path | Sequence[str | Path]) -> list[Scan]:
    """Read every stack in a folder.

    Parameters
    ----------
    path : path, or sequence of path
        As for `list_stacks`.

    Returns
    -------
    list of Scan
        float32, (z, y, x) or (t, z, y, x), base first; ordered by series number.

    Raises
    ------
    InputError
        As `list_stacks`, and if pixels cannot be decoded.
    """
    return [read_stack(stack) for stack in list_stacks(path)]


def choose(stacks: Sequence[Stack]) -> Stack:
    """Choose the short-axis cine among stacks, and say why in its notes.

    The plane is told by geometry, whatever the scanner's names are. Of several short-axis stacks
    it is a cine rather than a still, magnitude rather than phase, then the one with most slices,
    then with most frames, then the first.

    Parameters
    ----------
    stacks : sequence of Stack
        One at least.

    Raises
    ------
    InputError
        If there are several, and none is a short-axis stack.
    """
    if len(stacks) == 1:
        return stacks[0]
    short = [stack for stack in stacks if stack.plane == "short axis"]
    name = stacks[0].name.split(" series ")[0]
    if not short:
        raise InputError(
            f"{name}: holds {len(stacks)} scans, none of them short-axis ({_listed(stacks)}). "
            "Give a folder with the slices of one."
        )
    best = max(short, key=_preference)
    rest = [stack for stack in stacks if stack is not best]
    why = "the only short-axis one" if len(short) == 1 else "the fullest short-axis one"
    kind = f"cine of {best.n_frames} frames" if best.n_frames >= CINE else "stack"
    note = (
        f"{best.name}: taken as {why} of {len(stacks)} scans, a {kind} with {best.n_slices} "
        f"slices; its plane was told by its direction. Not taken: {_listed(rest)}."
    )
    return dataclasses.replace(best, notes=(*best.notes, note))


def read_stack(stack: Stack) -> Scan:
    """Read the pixels of a stack.

    Raises
    ------
    InputError
        If it is too large, or a file cannot be decoded.
    """
    first = stack.first
    n_t, n_z = stack.n_frames, stack.n_slices
    name, notes = stack.name, stack.notes
    if n_t * n_z * math.prod(first.shape) > MAX_VOXELS:
        raise InputError(
            f"{name}: {n_t} frames x {n_z} slices x {first.shape[0]} x {first.shape[1]} pixels, "
            f"at most {MAX_VOXELS:,} in all are read. Give fewer slices at a time."
        )
    if n_z == 1 and first.thickness is None:
        notes += (f"{name}: no slice thickness given; {ASSUMED_THICKNESS_MM:g} mm is assumed.",)
    affine = stack.affine
    between = between_slices_mm(affine)
    notes += shear_note(name, float(np.linalg.norm(stack.step)), between)
    frames = [frame for slice_ in stack.slices for frame in slice_]
    pixels = np.stack(read_pixels(frames)).reshape(n_z, n_t, *first.shape)
    array = np.ascontiguousarray(pixels.swapaxes(0, 1))  # (z, t, y, x) -> (t, z, y, x)
    times = [frame.trigger_ms for frame in stack.slices[0]]
    return Scan(
        array=array if n_t > 1 else array[0],
        spacing=(between, first.pixel[0], first.pixel[1]),
        affine=affine,
        name=name,
        origin=DicomOrigin(
            files=tuple(tuple(frame.path for frame in slice_) for slice_ in stack.slices),
            manufacturer=first.manufacturer,
            series_numbers=stack.series_numbers,
            vendor=vendor_of(first.manufacturer),
            field_strength_t=first.field_strength_t,
            description=first.description,
            trigger_ms=tuple(t for t in times if t is not None) if None not in times else (),
        ),
        frame_ms=stack.frame_ms,
        notes=notes,
    )


def _preference(stack: Stack) -> tuple[bool, bool, int, int]:
    return (
        stack.n_frames >= CINE,
        stack.first.kind == MAGNITUDE,
        stack.n_slices,
        stack.n_frames,
    )


def _listed(stacks: Sequence[Stack]) -> str:
    more = f" and {len(stacks) - LISTED} more" if len(stacks) > LISTED else ""
    return "; ".join(map(str, stacks[:LISTED])) + more
