"""From an image file and its mask to examinations: the part that all NIfTI cohorts share.

An adapter says which files belong together and what its numbers mean; here they are read, checked
against each other, turned into radiological display, and left out one by one where that fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cmr_synth.anatomy.labels import BACKGROUND, STRUCTURES, UNLABELLED, is_heart, translate
from cmr_synth.cohorts.examination import Examination, LeftOut, Unread, fully_labelled
from cmr_synth.cohorts.nifti_files import relative
from cmr_synth.errors import InputError
from cmr_synth.imaging.heart_side import orientation_of_heart
from cmr_synth.imaging.nifti import read_image, read_labels
from cmr_synth.imaging.orientation import (
    Orientation,
    apply,
    apply_to_spacing,
    in_plane_orientation,
)
from cmr_synth.imaging.plane import plane_of
from cmr_synth.imaging.positions import slice_position
from cmr_synth.imaging.scan import Scan, require_same_grid

ALL = tuple(STRUCTURES)

_Job = TypeVar("_Job")


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """How the masks of a data set are drawn.

    Parameters
    ----------
    source : str
        The data set's name in messages.
    numbers : mapping of int to int
        From the number in the file to the engine's label.
    drawn : tuple of str
        Structures that the annotators drew; the others are unknown, not absent.
    in_plane : str or Orientation, optional
        Convention of `imaging.orientation`, or the move itself, for files that have lost their
        direction.
    """

    source: str
    numbers: Mapping[int, int]
    drawn: tuple[str, ...] = ALL
    in_plane: str | Orientation | None = None


@dataclass(frozen=True, kw_only=True)
class Stack:
    """An image file and its mask, before either is read.

    Parameters
    ----------
    patient : str
    image : Path
    mask : Path or None
        None where nothing was drawn.
    frames : tuple of (int, str or None)
        Frames of the file that are taken, from 0, and the phase of each.
    vendor, pathology : str or None
    contrast : str
    covariates : mapping of str to float
        Of `cmr_synth.cohorts.covariates.STATED`.
    """

    patient: str
    image: Path
    mask: Path | None
    frames: tuple[tuple[int, str | None], ...] = ((0, None),)
    vendor: str | None = None
    pathology: str | None = None
    contrast: str = "cine"
    covariates: Mapping[str, float] = field(default_factory=dict)


def read_stacks(
    stacks: Iterable[Stack | LeftOut], drawing: Drawing, *, cohort: str, root: Path
) -> Iterator[Unread | LeftOut]:
    """Yield the stacks, to be read one by one; one that cannot be read is left out then."""
    yield from each(stacks, lambda stack: _read(stack, drawing, cohort, root), _files, root=root)


def each(
    jobs: Iterable[_Job | LeftOut],
    read: Callable[[_Job], list[Examination]],
    files: Callable[[_Job], list[Path]],
    *,
    root: Path,
) -> Iterator[Unread | LeftOut]:
    """Yield what `read` will make of each job; a job at fault is left out under its file's name."""
    for job in jobs:
        if isinstance(job, LeftOut):
            yield job
        else:
            its = files(job)
            yield Unread(tuple(its), partial(_read_or_left_out, partial(read, job), its, root))


def _read_or_left_out(
    read: Callable[[], list[Examination]], files: list[Path], root: Path
) -> Sequence[Examination | LeftOut]:
    try:
        return read()
    except InputError as error:
        return [left_out(error, files, root)]


def left_out(error: InputError, files: list[Path], root: Path) -> LeftOut:
    """What an error says, as of the file that its line begins with, else of the first."""
    reason = str(error)
    for path in files:
        for called in (str(path), path.name):
            if reason.startswith(f"{called}: "):
                return LeftOut(relative(path, root), reason[len(called) + 2 :])
    return LeftOut(relative(files[0], root), reason)


def require_short_axis(scan: Scan) -> None:
    """Refuse a long-axis view by its direction.

    A plane of the body is no reason to: published files of short-axis stacks have often lost their
    direction and seem to be axial.

    Raises
    ------
    InputError
        If it is one.
    """
    if plane_of(scan.affine) == "long axis":
        raise InputError(f"{scan.name}: no short-axis stack by its plane, but a long-axis view.")


def examination_of(
    scan: Scan,
    pixels: NDArray[np.float32],
    labels: NDArray[np.uint8] | None,
    *,
    cohort: str,
    patient: str,
    files: tuple[str, ...],
    drawn: tuple[str, ...] = ALL,
    in_plane: str | Orientation | None = None,
    vendor: str | None = None,
    phase: str | None = None,
    pathology: str | None = None,
    contrast: str = "cine",
    covariates: Mapping[str, float] | None = None,
) -> Examination:
    """Bring one frame into radiological display.

    Parameters
    ----------
    scan : Scan
        For geometry and notes.
    pixels : (z, y, x) float32 array
        As stored.
    labels : (z, y, x) uint8 array or None
        Engine labels as stored; None where nothing was drawn.
    drawn : tuple of str
        Structures that were looked for.
    """
    convention = in_plane if isinstance(in_plane, str) else None
    stated = orientation = in_plane_orientation(scan.affine, convention=convention)
    notes = scan.notes
    if isinstance(in_plane, Orientation) and not stated.trustworthy:
        orientation = in_plane
    elif labels is not None and stated.trustworthy:
        orientation = orientation_of_heart(
            labels, scan.affine, scan.spacing, name=scan.name, ask=False
        )
        if orientation != stated:
            notes = (*notes, f"{scan.name}: {orientation.reason}")
    if labels is None:
        stack = np.full(pixels.shape, UNLABELLED, dtype=np.uint8)
        may_hide = fully_labelled(stack)
    else:
        stack, may_hide = known(labels, drawn)
    stack = apply(orientation, stack)
    return Examination(
        cohort=cohort,
        patient=patient,
        image=apply(orientation, pixels),
        labels=stack,
        may_hide=may_hide,
        spacing=apply_to_spacing(orientation, scan.spacing),
        z=slice_position(is_heart(stack).sum(axis=(1, 2))),
        vendor=vendor,
        phase=phase,
        pathology=pathology,
        contrast=contrast,
        covariates=covariates or {},
        files=files,
        affine=scan.affine,
        orientation=orientation,
        notes=notes,
    )


def known(
    labels: NDArray[np.uint8], drawn: tuple[str, ...]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Labels and `may_hide` of a stack, (z, y, x), on which only some structures were drawn."""
    hidden = [STRUCTURES[s] for s in STRUCTURES if s not in drawn]
    may_hide = fully_labelled(labels)
    if hidden:
        labels = np.where(labels == BACKGROUND, np.uint8(UNLABELLED), labels)
        may_hide[:, hidden] = True
    return np.ascontiguousarray(labels), may_hide


def read_numbers(path: Path, numbers: Mapping[int, int]) -> Scan:
    """The label numbers of a mask, beyond 255 as well where the data set has such."""
    if max(numbers) <= 255:
        return read_labels(path)
    scan = read_image(path)
    whole = np.rint(scan.array)
    if np.any(np.abs(whole - scan.array) > 0.01):
        raise InputError(
            f"{scan.name}: a mask holds whole numbers, this has others; give the mask."
        )
    return scan.with_array(whole.astype(np.int64))


def frames_of(scan: Scan) -> NDArray:
    """The array of a scan as (t, z, y, x); a still is a cine of one frame."""
    return scan.array.reshape(-1, *scan.shape[-3:])


def _files(stack: Stack) -> list[Path]:
    return [stack.image, *([stack.mask] if stack.mask else [])]


def _read(stack: Stack, drawing: Drawing, cohort: str, root: Path) -> list[Examination]:
    image = read_image(stack.image)
    require_short_axis(image)
    pixels = frames_of(image).astype(np.float32, copy=False)
    labels = None
    if stack.mask is not None:
        mask = read_numbers(stack.mask, drawing.numbers)
        require_same_grid(image, mask)
        if mask.n_frames != image.n_frames:
            raise InputError(
                f"{mask.name}: the mask has {mask.n_frames} frames, {image.name} has "
                f"{image.n_frames}; both must come from the same download."
            )
        labels = translate(frames_of(mask), drawing.numbers, name=mask.name, source=drawing.source)
    for frame, _ in stack.frames:
        if not 0 <= frame < len(pixels):
            raise InputError(
                f"{image.name}: has no frame {frame}, it holds {len(pixels)} (counted from 0)."
            )
    return [
        examination_of(
            image,
            pixels[frame],
            None if labels is None else labels[frame],
            cohort=cohort,
            patient=stack.patient,
            files=tuple(relative(path, root) for path in _files(stack)),
            drawn=drawing.drawn,
            in_plane=drawing.in_plane,
            vendor=stack.vendor,
            phase=phase,
            pathology=stack.pathology,
            contrast=stack.contrast,
            covariates=stack.covariates,
        )
        for frame, phase in stack.frames
    ]
