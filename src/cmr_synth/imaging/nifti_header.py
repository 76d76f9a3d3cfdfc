"""What a NIfTI header promises, and whether that can be true.

Everything here looks at the header alone (and at the size of the file), so that an impossible
file is refused before memory is taken for its voxels. nibabel's own reading repairs some of these
headers silently, a zero spacing to 1 mm for instance; here it is an error.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cmr_synth.errors import InputError
from cmr_synth.imaging.scan import MAX_VOXELS

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Header

HEADER_BYTES = 540  # NIfTI-2; NIfTI-1 has 348
WIDER = 1.5  # a through-plane axis is spaced wider than the others by at least this factor,
FEWER = 3  # or, where spacing does not tell, has fewer voxels by at least this factor
PIXEL_MM = (0.1, 20.0)  # in-plane spacing of any cardiac MR, with room
AGREES = 0.01  # relative difference of spacing and affine below which they say the same
GZIP_MAX_RATIO = 1032  # deflate cannot expand further: 258 bytes from 2 bits

_MM_PER_UNIT = {"meter": 1000.0, "mm": 1.0, "micron": 0.001}
_UNITS = {1: "meter", 2: "mm", 3: "micron"}  # the lowest three bits of xyzt_units
_MS_PER_UNIT = {8: 1000.0, 16: 1.0, 24: 0.001}  # the next three: s, ms, us


def parse(block: bytes, name: str) -> Nifti1Header:
    """Parse the first bytes of a file as a NIfTI-1 or NIfTI-2 header.

    Only what tells nothing about the image is repaired, in the way nibabel reads it: a handedness
    (pixdim[0]) that is neither 1 nor -1 is 1, an unknown code of an affine is 0 (absent), and a
    single plane without thickness is 1 thick.

    Parameters
    ----------
    block : bytes
        The first 540 bytes, or all of a shorter file.
    name : str
        For messages.

    Returns
    -------
    nibabel header
        In the byte order of the file.

    Raises
    ------
    InputError
        If this is no single-file NIfTI.
    """
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    if not block:
        raise InputError(f"{name}: the file is empty. Export it again.")
    if len(block) < 4:
        raise InputError(f"{name}: not a NIfTI file. Give a .nii or .nii.gz file.")
    for header_class in (Nifti1Header, Nifti2Header):
        size = header_class.sizeof_hdr
        order = next((o for o in "<>" if struct.unpack(f"{o}i", block[:4])[0] == size), None)
        if order is None:
            continue
        if len(block) < size:
            raise InputError(
                f"{name}: the file ends after {len(block)} bytes, inside the header. "
                "It is truncated: copy or export it again."
            )
        header = header_class(block[:size], order, check=False)
        magic = bytes(header["magic"]).rstrip(b"\0")[:3]
        if magic in (b"n+1", b"n+2"):
            _repair(header, magic)
            return header
        raise InputError(
            f"{name}: an Analyze or two-file NIfTI header (.hdr and .img). "
            "Convert the pair to a single .nii or .nii.gz file."
        )
    if _is_text(block):
        raise InputError(
            f"{name}: a text file, not NIfTI (it begins {block[:20].decode('ascii')!r}). "
            "Give the image itself."
        )
    raise InputError(f"{name}: not a NIfTI file. Give a .nii or .nii.gz file.")


def shape_of(header: Nifti1Header, name: str) -> tuple[int, ...]:
    """Return the promised shape in file order, checked.

    Parameters
    ----------
    header : nibabel header
    name : str
        For messages.

    Returns
    -------
    tuple of int
        (x, y), (x, y, z) or (x, y, z, t), and possibly further axes of length 1.

    Raises
    ------
    InputError
        If the shape cannot be that of an image, or is absurdly large.
    """
    dim = [int(n) for n in header["dim"]]
    n_axes = dim[0]
    if not 2 <= n_axes <= 7:
        raise InputError(
            f"{name}: the header says {n_axes} dimensions, an image has 2 to 4. "
            "The header is damaged: export the file again."
        )
    shape = tuple(dim[1 : n_axes + 1])
    if any(n < 1 for n in shape):
        raise InputError(
            f"{name}: the header says {_times(shape)} voxels, each number must be at least 1. "
            "The header is damaged: export the file again."
        )
    if math.prod(shape) > MAX_VOXELS:
        raise InputError(
            f"{name}: the header says {_times(shape)} voxels, at most {MAX_VOXELS:,} in all are "
            "read. If the scan really is that large, split or crop it; else export it again."
        )
    if any(n > 1 for n in shape[4:]):
        raise InputError(
            f"{name}: has {n_axes} dimensions ({_times(shape)}), at most x, y, z and time are "
            "read. Write one volume or one cine to a file of its own."
        )
    return shape


def layout_of(header: Nifti1Header, file_bytes: int, *, compressed: bool, name: str) -> np.dtype:
    """Return the type of a voxel, having checked that the file can hold as many as promised.

    Parameters
    ----------
    header : nibabel header
    file_bytes : int
        Size on disk.
    compressed : bool
        Whether the file is gzipped: then only the largest possible expansion is excluded.
    name : str
        For messages.

    Returns
    -------
    numpy dtype
        Integer or float, in the byte order of the file.

    Raises
    ------
    InputError
        If the type is not a real number, or the file is too short.
    """
    from nibabel.spatialimages import HeaderDataError

    try:
        dtype = header.get_data_dtype()
    except (HeaderDataError, KeyError) as error:
        raise InputError(
            f"{name}: the header names an unknown voxel type ({int(header['datatype'])}). "
            "It is damaged: export the file again."
        ) from error
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise InputError(
            f"{name}: voxels are {header.get_value_label('datatype')}, integers or floats of up "
            "to 64 bits are read. Export it as grey values (float32 or int16)."
        )
    offset = float(header["vox_offset"])
    lowest = int(header["sizeof_hdr"])
    if not math.isfinite(offset) or not lowest <= offset <= 2**31:
        raise InputError(
            f"{name}: the header says that voxels begin at byte {offset:g}, at least {lowest} "
            "is possible. It is damaged: export the file again."
        )
    shape = shape_of(header, name)
    promised = int(offset) + math.prod(shape) * dtype.itemsize
    if promised > (file_bytes * GZIP_MAX_RATIO if compressed else file_bytes):
        raise InputError(
            f"{name}: the header promises {_times(shape)} voxels ({promised:,} bytes), the file "
            f"holds {file_bytes:,} bytes. It is truncated or damaged: copy or export it again."
        )
    return dtype


def scaling_of(header: Nifti1Header, name: str) -> tuple[float, float]:
    """Return slope and intercept from stored to real values; a slope of 0 or NaN means none.

    Raises
    ------
    InputError
        If the slope is infinite, or the intercept of a valid slope is no number.
    """
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or math.isnan(slope):
        return 1.0, 0.0
    if not (math.isfinite(slope) and math.isfinite(intercept)):
        raise InputError(
            f"{name}: intensity slope {slope:g} and intercept {intercept:g} are no finite "
            "numbers. The header is damaged: export the file again."
        )
    return slope, intercept


def slice_axis(shape: Sequence[int], spacing: Sequence[float]) -> int:
    """Find the through-plane axis of the first three; the third unless the numbers say otherwise.

    Parameters
    ----------
    shape : (3,) int
        Voxels along the file's axes.
    spacing : (3,) float
        In any unit.

    Returns
    -------
    int
        0, 1 or 2: the only axis with a single voxel; else the one spaced `WIDER` than both
        others; else, if no spacing differs that much, the one with `FEWER` voxels than both.
    """
    single = [axis for axis in range(3) if shape[axis] == 1]
    if len(single) == 1:
        return single[0]
    if single:
        return 2
    if max(spacing) >= WIDER * min(spacing):
        for axis in range(3):
            if all(spacing[axis] >= WIDER * spacing[o] for o in range(3) if o != axis):
                return axis
        return 2
    for axis in range(3):
        if all(FEWER * shape[axis] <= shape[o] for o in range(3) if o != axis):
            return axis
    return 2


def repair_geometry(header: Nifti1Header, name: str) -> tuple[str, ...]:
    """Repair in place what nibabel and ITK repair, so that what is written back is sound.

    A spacing below zero is taken without its sign; one that is no number, or zero, is taken from
    the affine, if there is one that can be used. An sform that cannot be is left out where the
    qform can be used.

    Parameters
    ----------
    header : nibabel header
    name : str
        For messages.

    Returns
    -------
    tuple of str
        One line for each repair.
    """
    notes = []
    pixdim = np.array(header["pixdim"][1:4], dtype=np.float64)
    n_axes = min(int(header["dim"][0]), 3)
    negative = np.isfinite(pixdim) & (pixdim < 0)
    if negative[:n_axes].any():
        notes.append(
            f"{name}: the spacing in the header is {_mm(pixdim[:n_axes])}; taken without its sign."
        )
    header["pixdim"][1:4] = pixdim = np.where(negative, -pixdim, pixdim)
    if int(header["sform_code"]) > 0 and not _is_usable(header.get_sform(), n_axes):
        qform = _qform(header) if int(header["qform_code"]) > 0 else None
        if qform is not None and _is_usable(qform, n_axes):
            header["sform_code"] = 0
            notes.append(
                f"{name}: the sform in the header is empty or cannot be; the qform is used."
            )
    elif int(header["sform_code"]) > 0:
        unset = ~(np.isfinite(pixdim) & (pixdim > 0))
        if unset[:n_axes].any():
            steps = np.linalg.norm(header.get_sform()[:3, :3], axis=0)
            header["pixdim"][1:4] = np.where(unset, steps, pixdim)
            notes.append(
                f"{name}: the spacing in the header is {_mm(pixdim[:n_axes])}, which cannot be; "
                f"that of its affine is used, {_mm(steps[:n_axes])}."
            )
    return tuple(notes)


def geometry_of(
    header: Nifti1Header, name: str
) -> tuple[tuple[float, float, float], npt.NDArray[np.float64], tuple[str, ...]]:
    """Return spacing and affine of the file's axes in mm, and what had to be assumed.

    Where the header's spacing and its affine disagree, the spacing counts, unless it is the
    1, 1, 1 of a header that nobody filled in. Units other than mm are believed only if they
    give pixels of a plausible size.

    Parameters
    ----------
    header : nibabel header
    name : str
        For messages.

    Returns
    -------
    spacing : (x, y, z) in mm
    affine : (4, 4) float64 array
    notes : tuple of str
        One line each.

    Raises
    ------
    InputError
        If spacing is zero, negative or no number, or the affine is not invertible.
    """
    shape = (*shape_of(header, name), 1, 1)[:3]
    flat = int(header["dim"][0]) == 2
    pixdim = [float(d) for d in header["pixdim"][1:4]]
    for axis, d in zip("xyz", pixdim[: 2 if flat else 3], strict=False):
        if not (math.isfinite(d) and d > 0):
            raise InputError(
                f"{name}: the voxel spacing along {axis} is {d:g}, it must be a positive number "
                "of mm. Correct the header (pixdim), or export the file again."
            )
    affine = _affine(header, name, flat=flat)
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    notes = []
    spacing = np.array(pixdim)
    agree = bool(np.allclose(spacing, steps, rtol=AGREES, atol=0))
    if not agree:
        empty = np.allclose(spacing, 1.0)
        notes.append(
            f"{name}: spacing {_mm(spacing)} in the header, {_mm(steps)} in its affine; "
            f"the {'affine' if empty else 'header'} is used."
        )
        spacing = steps if empty else spacing
    factor, note = _mm_per_unit(spacing, slice_axis(shape, tuple(spacing)), header)
    if note:
        notes.append(f"{name}: {note}")
    if factor != 1.0 and agree:
        affine = np.diag([factor, factor, factor, 1.0]) @ affine
    spacing = spacing * factor
    return (float(spacing[0]), float(spacing[1]), float(spacing[2])), affine, tuple(notes)


def frame_ms_of(header: Nifti1Header) -> float | None:
    """Return the time between frames in ms; None if absent, unlabelled or not positive."""
    step = float(header["pixdim"][4])
    unit = int(header["xyzt_units"]) & 0b111000
    if unit not in _MS_PER_UNIT or not (math.isfinite(step) and step > 0):
        return None
    return step * _MS_PER_UNIT[unit]


def _repair(header: Nifti1Header, magic: bytes) -> None:
    header["magic"] = magic
    if header["pixdim"][0] not in (-1, 1):
        header["pixdim"][0] = 1
    for field in ("qform_code", "sform_code"):
        if not 0 <= int(header[field]) <= 5:
            header[field] = 0
    if int(header["dim"][0]) == 2 and not 0 < header["pixdim"][3] < np.inf:
        header["pixdim"][3] = 1


def _is_usable(affine: npt.NDArray[np.float64], n_axes: int) -> bool:
    """Whether the columns are finite, have a length, and point different ways."""
    steps = np.asarray(affine, dtype=np.float64)[:3, :n_axes]
    lengths = np.linalg.norm(steps, axis=0)
    if not np.isfinite(affine).all() or lengths.min() == 0:
        return False
    return bool(np.linalg.svd(steps / lengths, compute_uv=False).min() > 1e-3)


def _qform(header: Nifti1Header) -> npt.NDArray[np.float64] | None:
    from nibabel.spatialimages import HeaderDataError

    try:
        with np.errstate(all="ignore"):
            return np.array(header.get_qform(), dtype=np.float64)
    except (ValueError, HeaderDataError):  # quaternions that are no rotation
        return None


def _affine(header: Nifti1Header, name: str, *, flat: bool) -> npt.NDArray[np.float64]:
    from nibabel.spatialimages import HeaderDataError

    try:
        with np.errstate(all="ignore"):
            affine = np.array(header.get_best_affine(), dtype=np.float64)
    except (ValueError, HeaderDataError) as error:  # quaternions that are no rotation
        raise InputError(
            f"{name}: the orientation in the header (qform) is no rotation. "
            "Correct the header, or export the file again."
        ) from error
    if not np.isfinite(affine).all():
        raise InputError(
            f"{name}: the affine holds NaN or infinite numbers. "
            "Correct the header (sform, qform), or export the file again."
        )
    steps = affine[:3, :3]
    lengths = np.linalg.norm(steps, axis=0)
    if flat and lengths[0] > 0 and lengths[1] > 0 and lengths[2] == 0:
        # A single plane has no step to the next: take its normal.
        affine[:3, 2] = np.cross(steps[:, 0] / lengths[0], steps[:, 1] / lengths[1])
        lengths = np.linalg.norm(steps, axis=0)
    if lengths.min() == 0 or abs(np.linalg.det(steps / lengths)) < 1e-3:
        raise InputError(
            f"{name}: the affine is degenerate (two axes point the same way, or one has no "
            "length). Correct the header (sform, qform), or export the file again."
        )
    return affine


def _mm_per_unit(
    spacing: npt.NDArray[np.float64], through: int, header: Nifti1Header
) -> tuple[float, str]:
    """Factor to mm, and a note if the header's unit was not believed or is missing and not mm."""
    pixel = max(float(s) for axis, s in enumerate(spacing) if axis != through)
    # Read bit by bit, because nibabel's get_xyzt_units raises on unknown ones.
    stated = _UNITS.get(int(header["xyzt_units"]) & 0b111)
    low, high = PIXEL_MM
    likely = [stated] if stated else []
    for unit in (*likely, "mm", "meter", "micron"):
        factor = _MM_PER_UNIT[unit]
        if low <= pixel * factor <= high:
            if unit == (stated or "mm"):
                return factor, ""
            said = f"its unit says {stated}" if stated else "it states no unit"
            return factor, f"pixels of {pixel:g} are taken as {unit}; {said}."
    return 1.0, f"pixels of {pixel:g} mm are not plausible for cardiac MR; check the header."


def _is_text(block: bytes) -> bool:
    printable = sum(32 <= b < 127 or b in b"\t\r\n" for b in block)
    return printable == len(block)


def _times(shape: Sequence[Any]) -> str:
    return " x ".join(str(n) for n in shape)


def _mm(spacing: Sequence[float] | npt.NDArray[np.float64]) -> str:
    return " x ".join(f"{s:.4g}" for s in spacing)
