"""NIfTI in and out: a pure transposition each way, nothing is resampled.

The header is read and judged before any pixel is: what it promises must fit into the file.

Where the slices are. NIfTI files hold (x, y, z[, t]) and the engine ([t,] z, y, x), so z is the
third axis of the file unless the header says otherwise, in this order:

1. exactly one of the three axes has a single voxel: that one;
2. one axis is spaced at least 1.5 times wider than both others (short-axis slices are 5 to 10 mm
   apart, pixels 1 to 2 mm): that one;
3. spacing does not tell, and one axis has at most a third as many voxels as both others: that one.

The other two keep their order, the columns of the affine move with the axes, and writing undoes it.
"""

from __future__ import annotations

import gzip
import io
import math
import os
import tempfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cmr_synth.errors import InputError
from cmr_synth.files import require_path
from cmr_synth.imaging import nifti_header
from cmr_synth.imaging.scan import Scan, between_slices_mm, scan_name, shear_note

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Header

INTEGER_TOLERANCE = 1e-3  # a label stored through a float32 slope is off by less than this

_GZIP_MAGIC = b"\x1f\x8b"
_DESCRIPTION_BYTES = 79  # the field holds 80 and ends in a zero
_CHUNK_BYTES = 1 << 20
_EXACT = 2**53  # whole numbers up to here are exact in 64-bit floating point


@dataclass(frozen=True)
class NiftiOrigin:
    """What a file looked like, so that a result goes back in the same form.

    `axes` are the file's axis numbers in the engine's (x, y, z) order; `affine` and `grid` are
    those that the scan was given, to notice a scan that was moved to another grid since.
    """

    header: Nifti1Header
    shape: tuple[int, ...]
    axes: tuple[int, int, int]
    affine: npt.NDArray[np.float64]
    grid: tuple[int, ...]


def read_image(path: str | Path) -> Scan:
    """Read the pixels of a NIfTI file.

    Parameters
    ----------
    path : path to a .nii or .nii.gz file
        2D, 3D or 4D (cine); recognised by content, whatever the name.

    Returns
    -------
    Scan
        float32, ([t,] z, y, x); scaled by the header's slope and intercept.

    Raises
    ------
    InputError
        If the file is missing, damaged, no NIfTI, or has a header that cannot be true.
    """
    values, scan = _read(Path(path))
    array = values.astype(np.float32, copy=False)
    finite = np.isfinite(array)
    if not finite.all():
        if not finite.any():
            raise InputError(
                f"{scan.name}: no pixel is a number (all NaN or infinite). Export again."
            )
        lowest = array[finite].min()
        array = np.where(finite, array, lowest)
        note = (
            f"{scan.name}: {np.count_nonzero(~finite)} pixels are NaN or infinite; "
            f"they were set to the smallest value, {lowest:g}."
        )
        return replace(scan, array=array, notes=(*scan.notes, note))
    return replace(scan, array=array)


def read_labels(path: str | Path) -> Scan:
    """Read the label numbers of a NIfTI mask, as they are in the file.

    Parameters
    ----------
    path : path to a .nii or .nii.gz file
        Integer or float voxels; floats must be whole numbers.

    Returns
    -------
    Scan
        uint8, ([t,] z, y, x). Not converted: see `cmr_synth.anatomy.labels.convert`.

    Raises
    ------
    InputError
        As `read_image`, and if a voxel is no whole number from 0 to 255.
    """
    values, scan = _read(Path(path))
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise InputError(
                f"{scan.name}: found NaN or infinite labels, a mask holds whole numbers. "
                "Fill them with 0 (background) or 255 (unlabelled)."
            )
        whole = np.rint(values)
        off = np.abs(values - whole) > INTEGER_TOLERANCE
        if off.any():
            raise InputError(
                f"{scan.name}: found label {values[off].flat[0]:g}, a mask holds whole numbers "
                f"({np.count_nonzero(off)} voxels do not). If this is an image or a probability "
                "map, give the mask; if it was resampled, repeat that with nearest neighbour."
            )
        values = whole
    low, high = values.min(), values.max()
    if low < 0 or high > 255:
        raise InputError(
            f"{scan.name}: found label {(low if low < 0 else high):g}, a mask holds 0 to 255. "
            "If this is an image, give its mask."
        )
    return replace(scan, array=values.astype(np.uint8))


def with_spacing(scan: Scan, spacing: tuple[float, float, float]) -> Scan:
    """The same voxels, spaced as the user states; directions and the first voxel's place stay.

    Parameters
    ----------
    scan : Scan
    spacing : (z, y, x) in mm

    Returns
    -------
    Scan
        With a note that says so; it is written back in the form of its file, with this spacing.
    """
    affine = scan.affine.copy()
    affine[:3, :3] *= np.array(spacing[::-1]) / np.linalg.norm(affine[:3, :3], axis=0)
    affine.setflags(write=False)
    origin = scan.origin
    if isinstance(origin, NiftiOrigin):
        header = origin.header.copy()
        order = [*(origin.axes.index(axis) for axis in range(3)), 3]
        in_file = affine[:, order]  # engine (x, y, z) -> the file's axes
        header["pixdim"][1:4] = np.linalg.norm(in_file[:3, :3], axis=0)
        header.set_xyzt_units("mm", header.get_xyzt_units()[1])
        header.set_sform(in_file, code=int(header["sform_code"]) or 1)
        header["qform_code"] = 0
        origin = replace(origin, header=header, affine=affine)
    note = (
        f"{scan.name}: spacing {_mm(spacing)} mm (slices, rows, columns) as stated, in place of "
        f"{_mm(scan.spacing)}."
    )
    return replace(scan, spacing=spacing, affine=affine, origin=origin, notes=(*scan.notes, note))


def write_nifti(
    scan: Scan, path: str | Path, *, description: str = "", overwrite: bool = True
) -> Path:
    """Write a scan in the form of the file it came from: same shape, axis order and affine.

    The file appears complete or not at all. Header extensions and free-text fields of the original
    are left behind, because they can name the patient. Equal scans give equal bytes.

    Parameters
    ----------
    scan : Scan
        A scan that came from no NIfTI file, or was moved to another grid, gets a new header.
        A still from a cine is written without the time axis.
    path : path ending in .nii or .nii.gz
        Its folder must exist.
    description : str
        For the header; ASCII, of which 79 characters fit and the rest is cut.
    overwrite : bool
        Whether a file of this name may be replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        If the suffix is another, the file exists and may not be replaced, or the folder cannot
        be written to.
    """
    import nibabel as nib

    path = Path(path)
    name = scan_name(path)
    if not name.lower().endswith((".nii", ".nii.gz")):
        raise InputError(f"{name}: a NIfTI file name ends in .nii or .nii.gz. Rename the output.")
    if not overwrite and path.exists():
        raise InputError(f"{name}: exists already. Choose another name, or allow overwriting.")
    values = _storable(scan.array, scan.name)
    origin = scan.origin
    if (
        isinstance(origin, NiftiOrigin)
        and np.array_equal(origin.affine, scan.affine)
        and origin.grid == scan.shape[-3:]
    ):
        header = origin.header.copy()
        values = _to_file_axes(values, origin)
        image_class = nib.Nifti2Image if header["sizeof_hdr"] == 540 else nib.Nifti1Image
        image: Any = image_class(values, None, _without_history(header, values))
    else:
        image = nib.Nifti1Image(values.transpose(), scan.affine)  # ([t,] z, y, x) -> (x, y, z[, t])
        image.set_sform(scan.affine, code="scanner")
        image.set_qform(scan.affine, code="scanner")
        frame_ms = scan.frame_ms or 1.0
        image.header.set_zooms((*scan.spacing[::-1], frame_ms / 1000.0)[: values.ndim])
        image.header.set_xyzt_units("mm", "sec")
    image.header["descrip"] = description.encode("ascii", "replace")[:_DESCRIPTION_BYTES]
    _write_whole(path, image.to_bytes(), compress=name.lower().endswith(".gz"))
    return path


# Reading


def _read(path: Path) -> tuple[npt.NDArray[Any], Scan]:
    """Values as ([t,] z, y, x), and the scan they belong to, still holding the stored values."""
    name = scan_name(path)
    content, header, dtype = _load(path, name)
    shape = nifti_header.shape_of(header, name)
    slope, intercept = nifti_header.scaling_of(header, name)
    repairs = nifti_header.repair_geometry(header, name)
    spacing, affine, notes = nifti_header.geometry_of(header, name)
    through = nifti_header.slice_axis((*shape, 1, 1)[:3], spacing)
    first, second = (axis for axis in range(3) if axis != through)
    axes = (first, second, through)

    stored = np.frombuffer(content, dtype=dtype, count=math.prod(shape)).reshape(shape, order="F")
    values = _to_engine_axes(stored, axes).astype(dtype.newbyteorder("="), order="C")
    if (slope, intercept) != (1.0, 0.0):
        values = values * slope + intercept
    affine = affine[:, [*axes, 3]]
    affine.setflags(write=False)
    step, between = float(np.linalg.norm(affine[:3, 2])), between_slices_mm(affine)
    # a header that states another distance than the step has been corrected already
    states_step = math.isclose(spacing[through], step, rel_tol=nifti_header.AGREES)
    sheared = shear_note(name, step, between) if states_step else ()
    origin = NiftiOrigin(
        header=header, shape=shape, axes=axes, affine=affine, grid=values.shape[-3:]
    )
    scan = Scan(
        array=values,
        spacing=(between if sheared else spacing[through], spacing[second], spacing[first]),
        affine=affine,
        name=name,
        origin=origin,
        frame_ms=nifti_header.frame_ms_of(header) if values.ndim == 4 else None,
        notes=repairs + notes + sheared,
    )
    return values, scan


def _load(path: Path, name: str) -> tuple[bytearray, Nifti1Header, np.dtype]:
    """Voxel bytes, header and voxel type; every way in which a file can be bad ends here."""
    require_path(path, "file")
    if not path.is_file():
        raise InputError(f"{path}: is a folder. Give a .nii or .nii.gz file.")
    try:
        file_bytes = path.stat().st_size
        with path.open("rb") as raw:
            compressed = raw.read(2) == _GZIP_MAGIC
            raw.seek(0)
            stream: io.BufferedIOBase = gzip.GzipFile(fileobj=raw) if compressed else raw
            header = nifti_header.parse(stream.read(nifti_header.HEADER_BYTES), name)
            dtype = nifti_header.layout_of(header, file_bytes, compressed=compressed, name=name)
            stream.seek(int(header["vox_offset"]))
            n_bytes = math.prod(nifti_header.shape_of(header, name)) * dtype.itemsize
            content = _read_bytes(stream, n_bytes)
            if len(content) == n_bytes and compressed:
                stream.read(1)  # to the end of the compressed data, where its checksum is
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"{name}: the compressed data are truncated or damaged ({error}). "
            "Copy or download the file again."
        ) from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}).") from error
    if len(content) < n_bytes:
        raise InputError(
            f"{name}: the header promises {n_bytes:,} bytes of voxels, the file holds "
            f"{len(content):,}. It is truncated or damaged: copy or export it again."
        )
    return content, header, dtype


def _read_bytes(stream: io.BufferedIOBase, n_bytes: int) -> bytearray:
    """Up to `n_bytes`; memory grows with what the file holds, not with what its header says."""
    content = bytearray()
    while len(content) < n_bytes:
        chunk = stream.read(min(_CHUNK_BYTES, n_bytes - len(content)))
        if not chunk:
            break
        content += chunk
    return content


def _to_engine_axes(stored: npt.NDArray[Any], axes: tuple[int, int, int]) -> npt.NDArray[Any]:
    volume = stored.reshape((*stored.shape, 1, 1)[:4], order="F")  # (i, j, k, t)
    engine = volume.transpose(3, axes[2], axes[1], axes[0])  # (i, j, k, t) -> (t, z, y, x)
    return engine[0] if engine.shape[0] == 1 else engine


def _mm(spacing: tuple[float, ...]) -> str:
    return " x ".join(f"{s:.4g}" for s in spacing)


# Writing


def _to_file_axes(values: npt.NDArray[Any], origin: NiftiOrigin) -> npt.NDArray[Any]:
    frames = values if values.ndim == 4 else values[None]
    place = [origin.axes.index(axis) for axis in range(3)]  # engine axis of each file axis
    stored = frames.transpose(*(3 - p for p in place), 0)  # (t, z, y, x) -> (i, j, k, t)
    shape = stored.shape
    if shape[3] == 1:
        same_axes = math.prod(origin.shape) == math.prod(shape)
        return stored.reshape(origin.shape if same_axes else shape[:3], order="F")
    return stored


def _storable(array: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    """Types that every NIfTI reader knows, of the smallest that hold the values.

    Raises
    ------
    InputError
        If no type holds them: whole numbers beyond 2^53, numbers that are complex.
    """
    if array.dtype.kind not in "buif":
        raise InputError(f"{name}: values of type {array.dtype} have no place in a NIfTI scan.")
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    if array.dtype.kind == "f":
        finite = np.abs(array[np.isfinite(array)]) if array.dtype.itemsize > 4 else np.empty(0)
        too_large = finite.size and finite.max() > np.finfo(np.float32).max
        return array.astype(np.float64 if too_large else np.float32, copy=False)
    if array.dtype.itemsize < 8 or not array.size:
        return array if array.dtype.itemsize < 8 else array.astype(np.int32)
    low, high = int(array.min()), int(array.max())
    for kind in (np.int32, np.uint32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return array.astype(kind)
    if max(-low, high) <= _EXACT:
        return array.astype(np.float64)
    largest = low if -low > high else high
    raise InputError(
        f"{name}: holds {largest}, and whole numbers beyond 2^53 have no place "
        "in a NIfTI file that every program reads; scale them down."
    )


def _without_history(header: Nifti1Header, values: npt.NDArray[Any]) -> Nifti1Header:
    """The geometry of a header, without scaling, display range, and free text."""
    header.set_data_dtype(values.dtype)
    header.set_slope_inter(None, None)
    header["cal_min"] = header["cal_max"] = 0
    header["vox_offset"] = 0
    for field in ("aux_file", "intent_name", "db_name"):
        if field in header.keys():
            header[field] = b""
    if values.dtype.kind == "f":
        header.set_intent("none")
    return header


def _write_whole(path: Path, content: bytes, *, compress: bool) -> None:
    """Write beside the goal under another name, then rename: complete or absent."""
    if compress:
        content = gzip.compress(content, compresslevel=6, mtime=0)  # no clock: equal bytes
    temporary: Path | None = None
    try:
        handle, temporary_name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(temporary_name)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        # mkstemp makes the file private; give it the permissions that open() would have.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror or error}). "
            "Check that the folder exists, is writable and has room."
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
